//! Makes `docker save` archives, sound ones and hostile ones.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// One member of a tar: name bytes as they are, header fields as they are.
pub(crate) struct Member {
    name: Vec<u8>,
    header: tar::Header,
    content: Vec<u8>,
}

impl Member {
    /// A regular file.
    pub(crate) fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        let mut member = Self::new(name, tar::EntryType::Regular);
        member.content = content.as_ref().to_vec();
        member.header.set_size(member.content.len() as u64);
        member
    }

    /// Anything without content.
    pub(crate) fn new(name: impl AsRef<[u8]>, kind: tar::EntryType) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(if kind == tar::EntryType::Directory { 0o755 } else { 0o644 });
        header.set_size(0);
        Self { name: name.as_ref().to_vec(), header, content: Vec::new() }
    }

    /// A link of `kind` to `target`.
    pub(crate) fn link(name: &str, kind: tar::EntryType, target: &str) -> Self {
        let mut member = Self::new(name, kind);
        member.header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        member
    }

    /// Changes the header.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut tar::Header)) -> Self {
        change(&mut self.header);
        self
    }
}

/// Packs `members`; names longer than a header get a GNU long name.
pub(crate) fn pack(members: Vec<Member>) -> Vec<u8> {
    let mut out = Vec::new();
    for mut member in members {
        if member.name.len() > 100 {
            let mut long = Member::file("././@LongLink", [&member.name[..], &[0]].concat());
            long.header.set_entry_type(tar::EntryType::GNULongName);
            write(&mut out, long);
            member.name.truncate(100);
        }
        write(&mut out, member);
    }
    out.extend([0; 1024]);
    out
}

fn write(out: &mut Vec<u8>, mut member: Member) {
    member.header.as_mut_bytes()[..member.name.len()].copy_from_slice(&member.name);
    member.header.set_cksum();
    out.extend(member.header.as_bytes());
    out.extend(&member.content);
    out.resize(out.len().next_multiple_of(512), 0);
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// What goes into an archive of one image.
pub(crate) struct Image {
    /// `name:tag`.
    pub(crate) tag: String,
    /// Tars, base first, as they are stored.
    pub(crate) layers: Vec<Vec<u8>>,
    /// Diff IDs to claim instead of the true ones.
    pub(crate) diff_ids: Option<Vec<String>>,
    /// Keys to set in the configuration.
    pub(crate) config: Value,
}

impl Image {
    /// An image of these layers for this machine.
    pub(crate) fn of(tag: &str, layers: Vec<Vec<u8>>) -> Self {
        Self { tag: tag.into(), layers, diff_ids: None, config: json!({}) }
    }

    /// The archive's members, in the order in which docker writes them.
    pub(crate) fn members(&self) -> Vec<Member> {
        let mut config = json!({"architecture": architecture(), "os": "linux", "config": {}, "history": []});
        config["rootfs"]["type"] = "layers".into();
        config["rootfs"]["diff_ids"] = self
            .diff_ids
            .clone()
            .unwrap_or_else(|| self.layers.iter().map(|layer| format!("sha256:{}", sha256(layer))).collect())
            .into();
        for (key, value) in self.config.as_object().expect("an object") {
            config[key] = value.clone();
        }
        let config = config.to_string();
        let name = format!("{}.json", sha256(config.as_bytes()));
        let mut members: Vec<_> =
            self.layers.iter().enumerate().map(|(n, layer)| Member::file(format!("{n}/layer.tar"), layer)).collect();
        let layers: Vec<_> = (0..self.layers.len()).map(|n| format!("{n}/layer.tar")).collect();
        members.push(Member::file(&name, config));
        let manifest = json!([{"Config": name, "RepoTags": [self.tag], "Layers": layers}]);
        members.push(Member::file("manifest.json", manifest.to_string()));
        members
    }

    /// The archive.
    pub(crate) fn archive(&self) -> Vec<u8> {
        pack(self.members())
    }
}

/// This machine's architecture in Go's names.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
