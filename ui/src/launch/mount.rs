//! One mount of a container that is to be started, and how docker writes it.

use std::fmt::Write as _;

/// What is mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MountKind {
    #[default]
    Volume,
    Bind,
    Tmpfs,
}

impl MountKind {
    pub(crate) const ALL: [Self; 3] = [Self::Volume, Self::Bind, Self::Tmpfs];

    /// Docker's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Bind => "bind",
            Self::Tmpfs => "tmpfs",
        }
    }
}

/// A mount as it was chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) kind: MountKind,
    /// A volume's name (empty for one without), a folder of the host; nothing for memory.
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) read_only: bool,
    /// A new volume stays empty: the image's files are not copied into it.
    pub(crate) no_copy: bool,
    /// The folder of the volume that is mounted.
    pub(crate) subpath: String,
    /// How mounts spread between host and container.
    pub(crate) propagation: String,
    /// Bytes of memory.
    pub(crate) size: Option<u64>,
    /// Permission bits of a folder in memory.
    pub(crate) mode: Option<u32>,
}

impl Mount {
    /// Reads options as `--mount` has them after source and target: `readonly,tmpfs-size=64m`.
    ///
    /// # Errors
    /// What is wrong, and with which word.
    pub(crate) fn set_options(&mut self, text: &str) -> Result<(), String> {
        let plain =
            Self { kind: self.kind, source: self.source.clone(), target: self.target.clone(), ..Self::default() };
        let mut next = plain;
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let (key, value) = word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value)));
            next.set_option(key, value)?;
        }
        *self = next;
        Ok(())
    }

    fn set_option(&mut self, key: &str, value: Option<&str>) -> Result<(), String> {
        let owner = match key.split_once('-') {
            Some(("volume", _)) => Some(MountKind::Volume),
            Some(("bind", _)) => Some(MountKind::Bind),
            Some(("tmpfs", _)) => Some(MountKind::Tmpfs),
            _ => None,
        };
        if let Some(owner) = owner.filter(|owner| *owner != self.kind) {
            return Err(format!("{key} is for a {} mount, this is a {}", owner.word(), self.kind.word()));
        }
        match key {
            "readonly" | "ro" => self.read_only = boolean(key, value)?,
            "volume-nocopy" => self.no_copy = boolean(key, value)?,
            "volume-subpath" => self.subpath = some(key, value)?,
            "bind-propagation" => {
                let value = some(key, value)?;
                let known = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];
                if !known.contains(&value.as_str()) {
                    return Err(format!("{key}: one of {}", known.join(", ")));
                }
                self.propagation = value;
            }
            "tmpfs-size" => {
                let value = some(key, value)?;
                let size =
                    super::check::memory(&value).ok_or_else(|| format!("{key}: a size such as 64m, not {value}"))?;
                self.size = Some(size);
            }
            "tmpfs-mode" => {
                let value = some(key, value)?;
                let mode = u32::from_str_radix(&value, 8).ok().filter(|mode| *mode <= 0o7777);
                self.mode = Some(mode.ok_or_else(|| format!("{key}: octal digits such as 1777, not {value}"))?);
            }
            _ => return Err(format!("{key} is no option here: {}", self.known())),
        }
        Ok(())
    }

    /// The options there are for its type.
    pub(crate) fn known(&self) -> &'static str {
        match self.kind {
            MountKind::Volume => "readonly, volume-nocopy, volume-subpath=DIR",
            MountKind::Bind => "readonly, bind-propagation=rslave",
            MountKind::Tmpfs => "readonly, tmpfs-size=64m, tmpfs-mode=1777",
        }
    }

    /// Its options, as `--mount` has them after source and target.
    pub(crate) fn options(&self) -> Vec<String> {
        let mut out = Vec::new();
        if self.read_only {
            out.push("readonly".into());
        }
        if self.no_copy {
            out.push("volume-nocopy".into());
        }
        if !self.subpath.is_empty() {
            out.push(format!("volume-subpath={}", self.subpath));
        }
        if !self.propagation.is_empty() {
            out.push(format!("bind-propagation={}", self.propagation));
        }
        if let Some(size) = self.size {
            out.push(format!("tmpfs-size={}", size_text(size)));
        }
        if let Some(mode) = self.mode {
            out.push(format!("tmpfs-mode={mode:o}"));
        }
        out
    }

    /// The value of `--mount`: comma separated fields, quoted as CSV where one holds a comma or a quote.
    pub(crate) fn long(&self) -> String {
        let mut fields = vec![format!("type={}", self.kind.word())];
        if !self.source.is_empty() && self.kind != MountKind::Tmpfs {
            fields.push(format!("source={}", self.source));
        }
        fields.push(format!("target={}", self.target));
        fields.extend(self.options());
        let mut out = String::new();
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            if field.contains([',', '"']) {
                let _ = write!(out, "\"{}\"", field.replace('"', "\"\""));
            } else {
                out.push_str(field);
            }
        }
        out
    }

    /// The short form, option and value; none where it cannot say this.
    pub(crate) fn short(&self) -> Option<(&'static str, String)> {
        let colon = self.source.contains(':') || self.target.contains(':');
        if colon || !self.subpath.is_empty() || self.kind != MountKind::Tmpfs && self.target.is_empty() {
            return None;
        }
        if self.kind == MountKind::Tmpfs {
            let mut options = Vec::new();
            options.extend(self.read_only.then(|| "ro".to_owned()));
            options.extend(self.size.map(|size| format!("size={}", size_text(size))));
            options.extend(self.mode.map(|mode| format!("mode={mode:o}")));
            let tail = if options.is_empty() { String::new() } else { format!(":{}", options.join(",")) };
            return Some(("--tmpfs", format!("{}{tail}", self.target)));
        }
        if self.source.is_empty() && (self.read_only || self.no_copy) {
            return None;
        }
        let mut modes = Vec::new();
        modes.extend(self.read_only.then_some("ro"));
        modes.extend(self.no_copy.then_some("nocopy"));
        modes.extend(Some(self.propagation.as_str()).filter(|p| !p.is_empty()));
        let head = if self.source.is_empty() { String::new() } else { format!("{}:", self.source) };
        let tail = if modes.is_empty() { String::new() } else { format!(":{}", modes.join(",")) };
        Some(("-v", format!("{head}{}{tail}", self.target)))
    }
}

fn some(key: &str, value: Option<&str>) -> Result<String, String> {
    value.filter(|value| !value.is_empty()).map(str::to_owned).ok_or_else(|| format!("{key} needs a value: {key}=…"))
}

fn boolean(key: &str, value: Option<&str>) -> Result<bool, String> {
    match value {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(format!("{key} is true or false, not {other:?}")),
    }
}

/// Bytes in docker's units of 1024, without loss.
pub(super) fn size_text(bytes: u64) -> String {
    for (shift, unit) in [(30, "g"), (20, "m"), (10, "k")] {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(kind: MountKind, source: &str, target: &str, options: &str) -> Mount {
        let mut mount = Mount { kind, source: source.into(), target: target.into(), ..Mount::default() };
        mount.set_options(options).expect("is valid");
        mount
    }

    #[test]
    fn writes_both_forms() {
        use MountKind::{Bind, Tmpfs, Volume};
        let table = [
            (mount(Volume, "db", "/data", ""), "type=volume,source=db,target=/data", Some(("-v", "db:/data"))),
            (mount(Volume, "", "/data", ""), "type=volume,target=/data", Some(("-v", "/data"))),
            (
                mount(Volume, "db", "/data", "ro,volume-nocopy"),
                "type=volume,source=db,target=/data,readonly,volume-nocopy",
                Some(("-v", "db:/data:ro,nocopy")),
            ),
            (mount(Volume, "db", "/d", "volume-subpath=a"), "type=volume,source=db,target=/d,volume-subpath=a", None),
            (
                mount(Bind, "/src", "/src", "readonly,bind-propagation=rslave"),
                "type=bind,source=/src,target=/src,readonly,bind-propagation=rslave",
                Some(("-v", "/src:/src:ro,rslave")),
            ),
            (
                mount(Bind, "/a,b", "/c\"d", ""),
                "type=bind,\"source=/a,b\",\"target=/c\"\"d\"",
                Some(("-v", "/a,b:/c\"d")),
            ),
            (mount(Bind, "/a:b", "/c", ""), "type=bind,source=/a:b,target=/c", None),
            (
                mount(Tmpfs, "", "/tmp", "tmpfs-size=64m,tmpfs-mode=1777"),
                "type=tmpfs,target=/tmp,tmpfs-size=64m,tmpfs-mode=1777",
                Some(("--tmpfs", "/tmp:size=64m,mode=1777")),
            ),
            (mount(Tmpfs, "", "/tmp", ""), "type=tmpfs,target=/tmp", Some(("--tmpfs", "/tmp"))),
        ];
        for (mount, long, short) in table {
            assert_eq!(mount.long(), long);
            assert_eq!(mount.short().as_ref().map(|(o, v)| (*o, v.as_str())), short);
        }
    }

    #[test]
    fn wrong_options_are_named() {
        let table = [
            (MountKind::Volume, "bind-propagation=shared", "bind mount"),
            (MountKind::Bind, "volume-nocopy", "volume mount"),
            (MountKind::Bind, "bind-propagation=loud", "rslave"),
            (MountKind::Tmpfs, "tmpfs-size=lots", "64m"),
            (MountKind::Tmpfs, "tmpfs-mode=999", "octal"),
            (MountKind::Volume, "readonly=no", "true or false"),
            (MountKind::Volume, "volume-subpath=", "needs a value"),
            (MountKind::Volume, "bogus", "no option"),
        ];
        for (kind, options, part) in table {
            let mut mount = Mount { kind, ..Mount::default() };
            let error = mount.set_options(options).expect_err("is wrong");
            assert!(error.contains(part), "{options}: {error}");
        }
    }

    #[test]
    fn options_come_back_as_they_went_in() {
        let text = "readonly,tmpfs-size=1500,tmpfs-mode=700";
        assert_eq!(mount(MountKind::Tmpfs, "", "/t", text).options().join(","), text);
    }
}
