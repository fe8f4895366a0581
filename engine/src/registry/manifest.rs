//! Manifests and indices: Docker's and OCI's.

use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LINK};
use outcrop_layers::archive::Platform;
use outcrop_layers::config::{LARGEST_DOCUMENT, MOST_LAYERS};
use outcrop_layers::digest::Digest;
use serde::Deserialize;

use super::error::shown;
use super::http::Ask;
use super::{RegistryError, Repository};

/// The largest manifest, in bytes: what registries take too.
const LARGEST: usize = 4 << 20;

/// Tags that are taken of one repository, at most.
const MOST_TAGS: usize = 100_000;

const ACCEPTED: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";

/// Media types of configurations of images.
const CONFIGS: [&str; 3] = [
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.config.v1+json",
    "application/octet-stream",
];

/// A manifest as it was sent.
pub(crate) struct Manifest {
    /// The digest of the bytes.
    pub(crate) digest: Digest,
    /// What they say.
    pub(crate) parsed: Parsed,
}

/// What a manifest says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// One image.
    Image {
        /// Its configuration.
        config: Descriptor,
        /// Its layers, base first.
        layers: Vec<Descriptor>,
    },
    /// Images for several platforms.
    Index(Vec<Descriptor>),
}

/// A blob or manifest that is named. Addresses that a descriptor gives are not read: nothing is fetched from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Descriptor {
    #[serde(default, rename = "mediaType")]
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) platform: Option<Platform>,
}

impl Parsed {
    /// Reads a manifest. `sent_as` is the media type of the answer, for those that do not name their own.
    pub(super) fn parse(bytes: &[u8], sent_as: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Any {
            #[serde(default, rename = "schemaVersion")]
            version: u64,
            #[serde(default, rename = "mediaType")]
            media_type: String,
            config: Option<Descriptor>,
            layers: Option<Vec<Descriptor>>,
            manifests: Option<Vec<Descriptor>>,
        }
        let any: Any =
            serde_json::from_slice(bytes).map_err(|error| format!("the manifest cannot be read: {error}"))?;
        let kind = if any.media_type.is_empty() { sent_as } else { &any.media_type };
        match any {
            Any { version: 1, .. } => {
                Err("the image is in Docker's schema 1, which has been given up: push it anew".into())
            }
            Any { config: None, layers: None, manifests: Some(manifests), .. } => Ok(Self::Index(manifests)),
            Any { config: Some(config), layers: Some(layers), manifests: None, .. } => {
                if !CONFIGS.contains(&config.media_type.as_str()) {
                    return Err(format!("it is no image: its configuration is {:?}", shown(&config.media_type)));
                }
                if layers.len() > MOST_LAYERS {
                    return Err(format!("the image has {} layers, at most {MOST_LAYERS} can be", layers.len()));
                }
                Ok(Self::Image { config, layers })
            }
            _ => Err(format!("it is neither an image nor a list of images: {:?}", shown(kind))),
        }
    }
}

/// The address of the next page: `<…>; rel="next"` (RFC 5988).
fn next_page(link: &str) -> Option<String> {
    let (address, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("next").then(|| address.to_owned())
}

/// The image of an index that serves `wanted` best.
fn choose(manifests: &[Descriptor], wanted: &Platform) -> Option<Descriptor> {
    let mut best: Option<(u8, &Descriptor)> = None;
    for descriptor in manifests {
        let serves = descriptor.platform.as_ref().map_or(0, |platform| platform.serves(wanted));
        if serves > best.map_or(0, |(serves, _)| serves) {
            best = Some((serves, descriptor));
        }
    }
    best.map(|(_, descriptor)| descriptor.clone())
}

impl Repository {
    /// Reads a manifest by tag or digest.
    pub(crate) async fn manifest(
        &self,
        reference: &str,
        expected: Option<Digest>,
        what: &str,
    ) -> Result<Manifest, RegistryError> {
        let mut ask = Ask::new(Method::GET, self.uri(&format!("manifests/{reference}"))?);
        ask.headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        let (sent_as, raw) = self
            .patiently(async || {
                let response = self.call(ask.clone(), self.http.limits.head).await?;
                let sent_as = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
                let sent_as = sent_as.unwrap_or_default().to_owned();
                Ok((sent_as, self.document(response, &format!("manifest for {what}"), LARGEST).await?))
            })
            .await?;
        let digest = self.check(&raw, expected)?;
        let parsed =
            Parsed::parse(&raw, &sent_as).map_err(|why| RegistryError::Unsupported(format!("{what}: {why}")))?;
        Ok(Manifest { digest, parsed })
    }

    /// Reads the manifest of the image for `wanted`: the one that is meant, and the one that it leads to.
    pub(crate) async fn image(
        &self,
        top: &Manifest,
        wanted: &Platform,
        what: &str,
    ) -> Result<(Descriptor, Vec<Descriptor>), RegistryError> {
        let mut inner;
        let mut parsed = &top.parsed;
        // An index may name another one, but not without end.
        for _ in 0..3 {
            let manifests = match parsed {
                Parsed::Image { config, layers } => return Ok((config.clone(), layers.clone())),
                Parsed::Index(manifests) => manifests,
            };
            let none =
                || RegistryError::NotFound(format!("no matching manifest for {wanted} in the manifest list of {what}"));
            let chosen = choose(manifests, wanted).ok_or_else(none)?;
            inner = self.manifest(&chosen.digest.to_string(), Some(chosen.digest), what).await?;
            parsed = &inner.parsed;
        }
        match parsed {
            Parsed::Image { config, layers } => Ok((config.clone(), layers.clone())),
            Parsed::Index(_) => Err(RegistryError::Unsupported(format!("{what}: lists of lists of lists of images"))),
        }
    }

    /// Reads a configuration.
    pub(crate) async fn config(&self, config: &Descriptor) -> Result<Bytes, RegistryError> {
        let what = format!("configuration {}", config.digest);
        if config.size > LARGEST_DOCUMENT as u64 {
            return Err(RegistryError::Unsupported(format!(
                "{what}: {} bytes, at most {LARGEST_DOCUMENT}",
                config.size
            )));
        }
        let ask = Ask::new(Method::GET, self.uri(&super::blob::place(config.digest))?);
        let raw = self
            .patiently(async || {
                let response = self.call(ask.clone(), self.http.limits.head).await?;
                self.document(response, &what, config.size as usize).await
            })
            .await?;
        self.check(&raw, Some(config.digest))?;
        Ok(raw)
    }

    /// The tags of the repository, as the registry lists them.
    pub(crate) async fn tags(&self) -> Result<Vec<String>, RegistryError> {
        #[derive(Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        let what = format!("list of tags of {}", self.path());
        let mut uri = self.uri("tags/list")?;
        let mut all: Vec<String> = Vec::new();
        loop {
            let ask = Ask::new(Method::GET, uri.clone());
            let (next, raw) = self
                .patiently(async || {
                    let response = self.call(ask.clone(), self.http.limits.head).await?;
                    let next = response.headers().get(LINK).and_then(|link| link.to_str().ok()).and_then(next_page);
                    Ok((next, self.document(response, &what, LARGEST).await?))
                })
                .await?;
            let unreadable = |error: serde_json::Error| RegistryError::host(self.host(), format!("{what}: {error}"));
            let page: Page = serde_json::from_slice(&raw).map_err(unreadable)?;
            let tags = page.tags.unwrap_or_default();
            let is_last = tags.is_empty();
            all.extend(tags);
            if all.len() > MOST_TAGS {
                return Err(RegistryError::host(self.host(), format!("{what}: more than {MOST_TAGS}")));
            }
            match next.filter(|_| !is_last) {
                Some(to) => uri = self.http.lead(&uri, &to).map_err(|why| RegistryError::host(self.host(), why))?,
                None => return Ok(all),
            }
        }
    }

    fn check(&self, bytes: &[u8], expected: Option<Digest>) -> Result<Digest, RegistryError> {
        let found = Digest::of(bytes);
        match expected {
            Some(expected) if expected != found => {
                Err(RegistryError::Digest { host: self.host().into(), expected, found })
            }
            _ => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(platform: &str) -> Descriptor {
        let digest = Digest::of(platform.as_bytes());
        Descriptor { media_type: String::new(), digest, size: 1, platform: Platform::parse(platform) }
    }

    #[test]
    fn takes_the_image_for_the_platform() {
        let all = ["linux/arm64", "unknown/unknown", "linux/amd64", "windows/amd64"].map(descriptor);
        let choose = |wanted: &str| choose(&all, &Platform::parse(wanted).expect("is one")).map(|d| d.digest);
        assert_eq!(choose("linux/amd64"), Some(all[2].digest));
        assert_eq!(choose("linux/arm64/v8"), Some(all[0].digest));
        assert_eq!(choose("linux/s390x"), None);
    }

    #[test]
    fn refuses_what_is_no_image() {
        let digest = Digest::of(b"x");
        let blob = |kind: &str| format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":3}}"#);
        let image = |config: &str, more: &str| format!(r#"{{"schemaVersion":2,"config":{config},"layers":[]{more}}}"#);
        let good = image(&blob(CONFIGS[1]), "");
        assert!(matches!(Parsed::parse(good.as_bytes(), ""), Ok(Parsed::Image { .. })));
        for (text, why) in [
            (image(&blob("application/vnd.cncf.helm.config.v1+json"), ""), "no image"),
            (image(&blob(CONFIGS[0]), r#","manifests":[]"#), "neither"),
            (r#"{"schemaVersion":1,"fsLayers":[]}"#.into(), "schema 1"),
            ("{}".into(), "neither"),
            ("[1,".into(), "cannot be read"),
            (good.replace(&digest.to_string(), "sha256:../../etc"), "digest"),
            (good.replace(":3}", ":-3}"), "cannot be read"),
        ] {
            let error = Parsed::parse(text.as_bytes(), "").expect_err(&text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
