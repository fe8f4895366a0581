//! One version of a file: which layer wrote or removed it, and what that changed.

use std::fmt;

/// What a layer did to a path, compared with the layers below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// The layer, 0 is the base.
    pub layer: u32,
    /// What it did.
    pub change: Change,
    /// Which metadata differ from the version below; empty when there is none or the type differs.
    pub differs: Differs,
    /// How the change was told apart; only files with content can be in doubt.
    pub evidence: Evidence,
    /// Position of the entry in the layer's index; for a removal, of the entry that it removed, in `from`'s index.
    pub(crate) record: u32,
    /// The layer whose index `record` belongs to.
    pub(crate) from: u32,
}

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Nothing was there before.
    Added,
    /// Written anew, with other content.
    Content,
    /// Stored again with the same content: what differs is in [`Version::differs`]. A copy-up for `chmod`, `chown` or `touch`.
    Metadata,
    /// Stored again, nothing differs.
    Identical,
    /// Something of another type took its place (a file for a folder, a link for a file).
    TypeChanged,
    /// A whiteout removed this path.
    Whiteout,
    /// Removed with a folder above it: that one has a whiteout.
    RemovedWithFolder,
    /// Hidden by an opaque folder above it.
    Opaque,
    /// Gone because a folder above it became something else.
    Replaced,
}

impl Change {
    /// Whether the path is no more after this.
    pub fn is_removal(self) -> bool {
        matches!(self, Self::Whiteout | Self::RemovedWithFolder | Self::Opaque | Self::Replaced)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doubt = if self.evidence == Evidence::Guess { "probably " } else { "" };
        match self.change {
            Change::Added => f.write_str("added"),
            Change::Content if self.differs.is_empty() => write!(f, "{doubt}new content"),
            Change::Content => write!(f, "{doubt}new content; {}", self.differs),
            Change::Metadata => write!(f, "{doubt}same content, stored again for {}", self.differs),
            Change::Identical => write!(f, "{doubt}stored again, nothing differs"),
            Change::TypeChanged => f.write_str("became something else"),
            Change::Whiteout => f.write_str("removed"),
            Change::RemovedWithFolder => f.write_str("removed with a folder above"),
            Change::Opaque => f.write_str("hidden by an opaque folder above"),
            Change::Replaced => f.write_str("gone: a folder above became something else"),
        }
    }
}

/// How a change was told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// Type, size, link text or metadata say it.
    Certain,
    /// Same size: the same modification time was taken for the same content, another time for other content. Comparing the
    /// content decides it (`verify`); builders that set all times to one value make this guess a weak one.
    Guess,
    /// The content was read and compared.
    Compared,
}

/// Which metadata differ.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Differs(u8);

impl Differs {
    /// Permission bits.
    pub const MODE: Self = Self(1);
    /// Owner or group.
    pub const OWNER: Self = Self(2);
    /// Modification time.
    pub const TIME: Self = Self(4);
    /// Extended attributes.
    pub const XATTR: Self = Self(8);

    /// Nothing differs.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether everything in `other` differs.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Adds `other` when `is` holds.
    pub(crate) fn set(&mut self, other: Self, is: bool) {
        if is {
            self.0 |= other.0;
        }
    }

    /// The words for what differs, in a fixed order.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        [(Self::MODE, "mode"), (Self::OWNER, "owner"), (Self::TIME, "time"), (Self::XATTR, "xattr")]
            .into_iter()
            .filter(move |(flag, _)| self.contains(*flag))
            .map(|(_, word)| word)
    }
}

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.words().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            f.write_str(word)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({self})")
    }
}
