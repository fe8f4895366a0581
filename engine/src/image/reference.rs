//! Image references: `[domain[:port]/]path[:tag][@digest]`.
//!
//! The grammar is that of the distribution project's package `reference`, which Docker uses: lower-case paths, a domain
//! only when the first part has a dot or a colon, is `localhost` or has an upper-case letter, `docker.io/library/` left
//! out of what people see.

use std::fmt;
use std::str::FromStr;

use outcrop_layers::digest::Digest;

/// Docker Hub, the domain that is left out.
const HUB: &str = "docker.io";
/// An older name of it.
const OLD_HUB: &str = "index.docker.io";
/// The namespace that is left out.
const LIBRARY: &str = "library/";
/// The longest path, in bytes.
const LONGEST_PATH: usize = 255;

/// A parsed, complete reference.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Says why a text is no reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing there.
    #[error("invalid reference format: repository name must have at least one component")]
    Empty,
    /// Does not follow the grammar.
    #[error("{0:?}: invalid reference format")]
    Format(String),
    /// Upper case in the path.
    #[error("invalid reference format: repository name ({name}) must be lowercase{}", offer(suggestion.as_deref()))]
    Uppercase {
        /// The path as given.
        name: String,
        /// The same reference in lower case, where that is one.
        suggestion: Option<String>,
    },
    /// The path is too long.
    #[error("repository name must not be more than {LONGEST_PATH} characters")]
    TooLong,
    /// It looks like an image ID.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    LikeId(String),
    /// Not SHA-256.
    #[error("{0}: unsupported digest algorithm, only sha256 is known")]
    Algorithm(String),
    /// SHA-256, but not 64 digits.
    #[error("{0}: invalid checksum digest length, sha256 has 64 digits")]
    DigestLength(String),
    /// SHA-256, but not lower-case digits.
    #[error("{0}: invalid checksum digest format")]
    DigestFormat(String),
    /// A name with a digest where only tags go.
    #[error("refusing to create a tag with a digest reference")]
    TagWithDigest,
}

fn offer(suggestion: Option<&str>) -> String {
    suggestion.map(|text| format!("; write {text}")).unwrap_or_default()
}

/// What a user may mean: a name, or an image by its full ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyReference {
    /// A name with or without tag and digest.
    Name(Reference),
    /// 64 digits, or `sha256:` with 64 digits.
    Id(Digest),
}

impl Reference {
    /// Parses what a user writes; missing parts of the name are filled in, a missing tag is not.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if is_identifier(text) {
            return Err(ReferenceError::LikeId(text.into()));
        }
        let (domain, rest) = split_domain(text);
        // Upper case is looked for in the path alone: tags may have it.
        let path_end = rest.find(':').or_else(|| rest.find('@')).unwrap_or(rest.len());
        let path = &rest[..path_end];
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(uppercase(text, path));
        }
        let reference = parse_full(&domain, &rest, text)?;
        if reference.path.len() > LONGEST_PATH {
            return Err(ReferenceError::TooLong);
        }
        Ok(reference)
    }

    /// The registry: `docker.io` when none was written.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The path below the registry: `library/alpine`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if one was written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was written.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Domain and path: `docker.io/library/alpine`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The name as people write it: `alpine`.
    pub fn familiar_name(&self) -> String {
        if self.domain != HUB {
            return self.name();
        }
        match self.path.strip_prefix(LIBRARY) {
            // `library/a/b` must keep its first part, or it would read as another name.
            Some(short) if !short.contains('/') => short.into(),
            _ => self.path.clone(),
        }
    }

    /// All of it as people write it: `alpine:3.20`.
    pub fn familiar(&self) -> String {
        self.with_rest(self.familiar_name())
    }

    /// All of it, nothing left out: `docker.io/library/alpine:3.20`.
    pub fn full(&self) -> String {
        self.with_rest(self.name())
    }

    fn with_rest(&self, mut text: String) -> String {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(&digest.to_string());
        }
        text
    }

    /// The same with the tag `latest`, unless it has a tag or a digest.
    #[must_use]
    pub fn or_latest(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".into());
        }
        self
    }

    /// The same name with this digest and no tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// The same name with this tag and no digest.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        if !is_tag(tag) {
            return Err(ReferenceError::Format(tag.into()));
        }
        Ok(Self { tag: Some(tag.into()), digest: None, ..self.clone() })
    }

    /// Whether only a name was written.
    pub fn is_name_only(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }

    /// Whether a pattern of Go's `path.Match` fits the familiar form, with or without tag and digest.
    pub fn matches(&self, pattern: &str) -> bool {
        crate::filters::path_match(pattern, &self.familiar())
            || crate::filters::path_match(pattern, &self.familiar_name())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.familiar())
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

impl AnyReference {
    /// Parses a name or a full ID.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if let Ok(digest) = Digest::from_hex(text) {
            return Ok(Self::Id(digest));
        }
        if let Ok(digest) = text.parse() {
            return Ok(Self::Id(digest));
        }
        Reference::parse(text).map(Self::Name)
    }
}

fn uppercase(text: &str, path: &str) -> ReferenceError {
    // What the user wrote has no `library/`. Only the path goes to lower case: tags and domains may keep theirs.
    let path = if text.contains('/') { path } else { path.strip_prefix(LIBRARY).unwrap_or(path) };
    let Some(start) = text.find(path) else { return ReferenceError::Uppercase { name: path.into(), suggestion: None } };
    let lower = format!("{}{}{}", &text[..start], path.to_lowercase(), &text[start + path.len()..]);
    let suggestion = Reference::parse(&lower).is_ok().then_some(lower);
    ReferenceError::Uppercase { name: path.into(), suggestion }
}

/// Splits off the domain as Docker guesses it, and fills in what is left out.
fn split_domain(text: &str) -> (String, String) {
    let Some((first, rest)) = text.split_once('/') else {
        return (HUB.into(), format!("{LIBRARY}{text}"));
    };
    let (domain, path) = if first == OLD_HUB {
        (HUB, rest)
    } else if first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|b| b.is_ascii_uppercase()) {
        (first, rest)
    } else {
        (HUB, text)
    };
    if domain == HUB && !path.contains('/') {
        return (HUB.into(), format!("{LIBRARY}{path}"));
    }
    (domain.into(), path.into())
}

fn parse_full(domain: &str, rest: &str, text: &str) -> Result<Reference, ReferenceError> {
    let format = || ReferenceError::Format(text.chars().take(300).collect());
    if text.is_empty() {
        return Err(ReferenceError::Empty);
    }
    let (named, digest) = match rest.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (rest, None),
    };
    let (path, tag) = match named.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (named, None),
    };
    if !is_domain(domain) || !path.split('/').all(is_component) || !tag.is_none_or(is_tag) {
        return Err(format());
    }
    let digest = digest.map(|digest| parse_digest(digest, &format)).transpose()?;
    Ok(Reference { domain: domain.into(), path: path.into(), tag: tag.map(Into::into), digest })
}

/// `[A-Za-z][A-Za-z0-9]*` joined by one of `-_+.`, a colon, and 32 or more hexadecimal digits; then only SHA-256 is known.
fn parse_digest(text: &str, format: &impl Fn() -> ReferenceError) -> Result<Digest, ReferenceError> {
    let (algorithm, digits) = text.split_once(':').ok_or_else(format)?;
    let part =
        |p: &str| p.starts_with(|c: char| c.is_ascii_alphabetic()) && p.bytes().all(|b| b.is_ascii_alphanumeric());
    if !algorithm.split(['-', '_', '+', '.']).all(part)
        || digits.len() < 32
        || !digits.bytes().all(|b| b.is_ascii_hexdigit())
    {
        return Err(format());
    }
    if algorithm != "sha256" {
        return Err(ReferenceError::Algorithm(text.into()));
    }
    if digits.len() != 64 {
        return Err(ReferenceError::DigestLength(text.into()));
    }
    Digest::from_hex(digits).map_err(|_| ReferenceError::DigestFormat(text.into()))
}

/// 64 lower-case hexadecimal digits.
fn is_identifier(text: &str) -> bool {
    Digest::from_hex(text).is_ok()
}

/// `[a-z0-9]+` joined by `.`, `_`, `__` or any number of `-`.
fn is_component(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if !bytes.first().copied().is_some_and(plain) || !bytes.last().copied().is_some_and(plain) {
        return false;
    }
    text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        .filter(|separator| !separator.is_empty())
        .all(|separator| matches!(separator, "." | "_" | "__") || separator.bytes().all(|b| b == b'-'))
}

/// `\w[\w.-]{0,127}`
fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

/// A host name of labels, or an IPv6 address in brackets, with an optional port.
fn is_domain(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => {
                if address.is_empty() || !address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                    return false;
                }
                return port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            }
            None => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.split('.').all(label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582";

    #[test]
    fn fills_in_what_is_left_out() {
        for (text, full, familiar) in [
            ("alpine", "docker.io/library/alpine", "alpine"),
            ("alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20"),
            ("alpine:Edge", "docker.io/library/alpine:Edge", "alpine:Edge"),
            ("docker.io/alpine", "docker.io/library/alpine", "alpine"),
            ("index.docker.io/alpine", "docker.io/library/alpine", "alpine"),
            ("index.docker.io/a/b", "docker.io/a/b", "a/b"),
            ("library/alpine", "docker.io/library/alpine", "alpine"),
            ("library/a/b", "docker.io/library/a/b", "library/a/b"),
            ("me/tool", "docker.io/me/tool", "me/tool"),
            ("localhost/tool", "localhost/tool", "localhost/tool"),
            ("host:5000/a/b:t", "host:5000/a/b:t", "host:5000/a/b:t"),
            ("Host/tool", "Host/tool", "Host/tool"),
            ("a_b/tool", "docker.io/a_b/tool", "a_b/tool"),
            ("[2001:db8::1]:5000/tool", "[2001:db8::1]:5000/tool", "[2001:db8::1]:5000/tool"),
            ("test.com:5000", "docker.io/library/test.com:5000", "test.com:5000"),
            ("a__b/c---d/e.f", "docker.io/a__b/c---d/e.f", "a__b/c---d/e.f"),
        ] {
            let reference = Reference::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((reference.full().as_str(), reference.familiar().as_str()), (full, familiar), "{text}");
        }
        let both = Reference::parse(&format!("host/a:t@{DIGEST}")).expect("is one");
        assert_eq!((both.tag(), both.digest()), (Some("t"), DIGEST.parse().ok()));
    }

    #[test]
    fn refuses_what_the_grammar_refuses() {
        let long = format!("{}:t", "a".repeat(256));
        for text in [
            "",
            ":t",
            "a:",
            "a:b:c",
            "a//b",
            "/a",
            "a/",
            "-a",
            "a-",
            "a..b",
            "a._b",
            "___a",
            "a___b",
            "a b",
            "a/b c",
            "a\n",
            "a:-t",
            "a:.t",
            "https://a.b/c",
            "a@sha256:12",
            "a@sha512:00",
            "[::1%eth0]/a",
            "[::1]",
            "-h.com/a",
            "h.com-/a",
            "h..com/a",
            "h.com:x/a",
            "h.com:/a",
            "a@",
            "é",
            "a/é",
            &long,
            &"ab".repeat(32),
        ] {
            assert!(Reference::parse(text).is_err(), "{text:?}");
        }
        assert!(Reference::parse(&format!("a:{}", "t".repeat(128))).is_ok());
        assert!(Reference::parse(&format!("a:{}", "t".repeat(129))).is_err());
    }

    #[test]
    fn offers_lower_case() {
        let error = Reference::parse("UPPER:x").expect_err("upper case");
        assert_eq!(
            error.to_string(),
            "invalid reference format: repository name (UPPER) must be lowercase; write upper:x"
        );
        let error = Reference::parse("h.com:5000/Up/b:T").expect_err("upper case");
        assert!(error.to_string().ends_with("write h.com:5000/up/b:T"), "{error}");
        let error = Reference::parse("UP PER").expect_err("upper case");
        assert!(!error.to_string().contains("write"), "{error}");
    }

    #[test]
    fn tells_an_id_from_a_name() {
        let digits = "ab".repeat(32);
        let id = Digest::from_hex(&digits).expect("digits");
        assert_eq!(AnyReference::parse(&digits), Ok(AnyReference::Id(id)));
        assert_eq!(AnyReference::parse(&format!("sha256:{digits}")), Ok(AnyReference::Id(id)));
        assert!(matches!(AnyReference::parse(&digits[..63]), Ok(AnyReference::Name(_))));
    }

    #[test]
    fn patterns_are_matched_with_and_without_the_tag() {
        let reference = Reference::parse("example.com/foo/c/baz:tag").expect("is one");
        for (pattern, fits) in [
            ("*/foo/c/baz", true),
            ("example.com/foo/c/*:t*", true),
            ("foo/c/baz", false),
            ("*baz", false),
            ("*/*/*/ba[rz]", true),
        ] {
            assert_eq!(reference.matches(pattern), fits, "{pattern}");
        }
    }
}
