//! `RUN --mount`: caches, other stages' files, memory, secrets.

use super::problem::nearest;

/// What a step sees for as long as it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunMount {
    pub(crate) kind: MountKind,
    /// Where it appears.
    pub(crate) target: String,
    /// What of it; `/` where nothing is said.
    pub(crate) source: String,
    /// The stage or image it comes from.
    pub(crate) from: Option<String>,
    /// Name of a cache or secret.
    pub(crate) id: Option<String>,
    pub(crate) read_only: Option<bool>,
    pub(crate) sharing: Sharing,
    /// Whether a secret must be there.
    pub(crate) required: bool,
    /// The variable that a secret becomes.
    pub(crate) env: Option<String>,
    pub(crate) mode: Option<u32>,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Bytes of memory.
    pub(crate) size: Option<i64>,
}

/// The kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MountKind {
    #[default]
    Bind,
    Cache,
    Tmpfs,
    Secret,
}

/// How steps that run at once share a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sharing {
    #[default]
    Shared,
    /// Each has one of its own.
    Private,
    /// One waits for the other.
    Locked,
}

/// The fields of the grammar.
const FIELDS: [&str; 19] = [
    "type",
    "target",
    "dst",
    "destination",
    "source",
    "src",
    "from",
    "id",
    "ro",
    "readonly",
    "rw",
    "readwrite",
    "sharing",
    "required",
    "env",
    "mode",
    "uid",
    "gid",
    "size",
];

/// The word that is wrong, and why.
type Wrong = (String, String);

impl RunMount {
    /// Reads `type=cache,target=/x`.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        let mut mount = Self { source: "/".into(), ..Self::default() };
        // The kind first: what other fields mean depends on it.
        for field in text.split(',') {
            let (key, value) = field.split_once('=').unwrap_or((field, ""));
            if key.trim().eq_ignore_ascii_case("type") {
                mount.kind = kind(value.trim())?;
            }
        }
        for field in text.split(',') {
            let (key, value) = field.split_once('=').map_or((field, None), |(key, value)| (key, Some(value.trim())));
            mount.field(&key.trim().to_ascii_lowercase(), value, field)?;
        }
        if mount.kind == MountKind::Secret && mount.target.is_empty() && mount.env.is_none() {
            let id = mount.id.as_deref().unwrap_or_default();
            mount.target = format!("/run/secrets/{}", id.rsplit('/').next().unwrap_or(id));
        }
        if mount.kind == MountKind::Secret && mount.id.is_none() {
            let name = mount.target.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned);
            mount.id = Some(name.ok_or_else(|| (text.to_owned(), "a secret needs an id".to_owned()))?);
        }
        if mount.target.is_empty() && mount.kind != MountKind::Secret {
            return Err((text.into(), "a mount needs a target".into()));
        }
        Ok(mount)
    }

    fn field(&mut self, key: &str, value: Option<&str>, field: &str) -> Result<(), Wrong> {
        let wrong = |why: String| Err((field.to_owned(), why));
        let flag = match value {
            None | Some("" | "true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err((field.to_owned(), format!("invalid value for {key}: {other:?}; use true or false"))),
        };
        match (key, value) {
            ("ro" | "readonly", _) => self.read_only = Some(flag?),
            ("rw" | "readwrite", _) => self.read_only = Some(!flag?),
            ("required", _) => self.required = flag?,
            (_, None) if FIELDS.contains(&key) => return wrong(format!("{key} needs a value")),
            ("type", _) => {}
            ("target" | "dst" | "destination", Some(value)) => self.target = value.into(),
            ("source" | "src", Some(value)) => self.source = value.into(),
            ("from", Some(value)) => self.from = Some(value.into()),
            ("id", Some(value)) => self.id = Some(value.into()),
            ("env", Some(value)) => self.env = Some(value.into()),
            ("sharing", Some("shared")) => self.sharing = Sharing::Shared,
            ("sharing", Some("private")) => self.sharing = Sharing::Private,
            ("sharing", Some("locked")) => self.sharing = Sharing::Locked,
            ("sharing", _) => return wrong("sharing is one of shared, private and locked".into()),
            ("mode", Some(value)) => match u32::from_str_radix(value, 8) {
                Ok(mode) if mode <= 0o7777 => self.mode = Some(mode),
                _ => return wrong(format!("invalid mode {value:?}: write it as 0755")),
            },
            ("uid" | "gid", Some(value)) => match value.parse() {
                Ok(id) if key == "uid" => self.uid = id,
                Ok(id) => self.gid = id,
                Err(_) => return wrong(format!("invalid {key} {value:?}: it must be a number")),
            },
            ("size", Some(value)) => match crate::mount::ram_in_bytes(value).ok() {
                Some(size) => self.size = Some(size),
                None => return wrong(format!("invalid size {value:?}: write it as 64m")),
            },
            (other, _) => {
                let meant = nearest(other, FIELDS).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
                return wrong(format!("unexpected key {other:?}{meant}"));
            }
        }
        Ok(())
    }
}

fn kind(text: &str) -> Result<MountKind, Wrong> {
    const KINDS: [&str; 4] = ["bind", "cache", "tmpfs", "secret"];
    Ok(match text {
        "bind" => MountKind::Bind,
        "cache" => MountKind::Cache,
        "tmpfs" => MountKind::Tmpfs,
        "secret" => MountKind::Secret,
        "ssh" => return Err(("ssh".into(), "type=ssh is not possible: no agent is forwarded; use type=secret".into())),
        other => {
            let meant = nearest(other, KINDS).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
            return Err((other.into(), format!("unsupported mount type {other:?}{meant}")));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read() {
        let mount =
            RunMount::parse("type=cache,id=apt,target=/var/cache/apt,sharing=locked,mode=0700,uid=7").expect("a mount");
        assert_eq!((mount.kind, mount.id.as_deref(), mount.sharing), (MountKind::Cache, Some("apt"), Sharing::Locked));
        assert_eq!((mount.target.as_str(), mount.mode, mount.uid), ("/var/cache/apt", Some(0o700), 7));
        let mount = RunMount::parse("target=/a,from=b,source=c,rw").expect("a mount");
        assert_eq!(
            (mount.kind, mount.from.as_deref(), mount.source.as_str(), mount.read_only),
            (MountKind::Bind, Some("b"), "c", Some(false))
        );
        assert_eq!(RunMount::parse("type=secret,id=a/b").expect("a mount").target, "/run/secrets/b");
        assert_eq!(RunMount::parse("type=secret,target=/x/y").expect("a mount").id.as_deref(), Some("y"));
        for (bad, why) in [
            ("type=cache", "needs a target"),
            ("type=ssh", "no agent"),
            ("type=secret", "needs an id"),
            ("target=/a,sourc=b", "did you mean source?"),
            ("target=/a,ro=maybe", "use true or false"),
            ("target=/a,mode=9", "invalid mode"),
            ("target", "needs a value"),
        ] {
            let (_, said) = RunMount::parse(bad).expect_err(bad);
            assert!(said.contains(why), "{bad}: {said}");
        }
    }
}
