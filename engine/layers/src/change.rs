//! What happened to a path of a container's own layer: more than `docker diff` tells.

use serde::{Deserialize, Serialize};

/// One changed path, in the form that the engine's API has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DetailedChange {
    /// Path with a leading `/`; what is no UTF-8 is replaced.
    pub path: String,
    /// What happened.
    pub kind: Kind,
    /// What differs from the file below; nothing for a directory in which something changed, and for new and deleted paths.
    pub what: Vec<Aspect>,
    /// Bytes of the file as it is now; 0 for all but regular files.
    pub size: u64,
    /// Bytes that overlayfs copied up from the file below, holes left out. At most so many: a file that was truncated when it
    /// was opened was not copied, and nothing on disk tells.
    pub copied: u64,
    /// The layer that the file below is in; nothing for a new path.
    pub from: Option<Origin>,
}

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A file from below was copied up, and its content is another now.
    CopyUp,
    /// It is new, or replaces something of another type.
    New,
    /// It is gone: a whiteout hides what is below.
    Deleted,
    /// Its content is the same: owner, mode, time or attributes are not. The content was copied all the same.
    Metadata,
}

/// What can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// File, directory, link, device.
    Type,
    /// Bytes of a file, target of a link, number of a device.
    Content,
    /// Permissions.
    Mode,
    /// User or group.
    Owner,
    /// Modification time. Of directories it does not count.
    Time,
    /// Extended attributes, without those of overlayfs.
    Attributes,
}

/// The layer that a file comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Origin {
    /// Which layer of the image, 1 for the base; 0 for the container's init layer, which has Docker's mount points.
    pub layer: usize,
    /// Chain ID of that layer; empty for the init layer.
    #[serde(rename = "ChainID")]
    pub chain_id: String,
    /// Diff ID of that layer; empty for the init layer.
    #[serde(rename = "DiffID")]
    pub diff_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_the_api() {
        let change = DetailedChange {
            path: "/etc/x".into(),
            kind: Kind::CopyUp,
            what: vec![Aspect::Content, Aspect::Time],
            size: 3,
            copied: 2,
            from: Some(Origin { layer: 1, chain_id: "sha256:a".into(), diff_id: "sha256:b".into() }),
        };
        let text = serde_json::to_string(&change).expect("JSON");
        assert_eq!(
            text,
            r#"{"Path":"/etc/x","Kind":"copy-up","What":["content","time"],"Size":3,"Copied":2,"From":{"Layer":1,"ChainID":"sha256:a","DiffID":"sha256:b"}}"#
        );
        assert_eq!(serde_json::from_str::<DetailedChange>(&text).expect("reads"), change);
    }
}
