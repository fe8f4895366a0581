//! Transactions: what a process is about to change, written down before it changes it.
//!
//! `outcrop/txn/<random>/` holds what is staged, a `lock` that is held (`flock`) for as long as the process works, and an
//! `intent` with one record a line, synced before the change it announces. A transaction whose lock is free belongs to a dead
//! process: [`super::recovery`] then removes what the intent names and nothing refers to.
//! Transactions are made under the root's short lock, so nobody meets one half made.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use outcrop_layers::digest::{ChainId, Digest, ImageId};

use super::layout::Layout;
use super::lock::Changing;
use super::{files, recovery};
use crate::driver::CacheId;

/// One line of the intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// A layer directory that is about to be published or removed.
    Cache(CacheId),
    /// A layer that is about to be registered or removed.
    Chain(ChainId),
    /// An image that is about to be registered or removed.
    Image(ImageId),
    /// A registered layer that this transaction counts on: nobody may remove it while the transaction lives.
    Lease(ChainId),
    /// All is done; what remains in the directory is rubbish.
    Done,
}

impl Record {
    fn line(&self) -> String {
        match self {
            Self::Cache(id) => format!("cache {id}\n"),
            Self::Chain(chain) => format!("chain {}\n", chain.0.hex()),
            Self::Image(id) => format!("image {}\n", id.0.hex()),
            Self::Lease(chain) => format!("lease {}\n", chain.0.hex()),
            Self::Done => "done\n".into(),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let digest = || Digest::from_hex(rest).ok();
        match word {
            "cache" => Some(Self::Cache(rest.parse().ok()?)),
            "chain" => Some(Self::Chain(ChainId(digest()?))),
            "image" => Some(Self::Image(ImageId(digest()?))),
            "lease" => Some(Self::Lease(ChainId(digest()?))),
            "done" => Some(Self::Done),
            _ => None,
        }
    }

    /// Reads an intent; a last line that was cut off announces nothing that has happened, so it is left out.
    pub(crate) fn read(intent: &Path) -> io::Result<Vec<Self>> {
        let text = files::if_there(files::read(intent, 64 << 20))?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        Ok(whole.lines().filter_map(Self::parse).collect())
    }
}

/// A running transaction. Dropped without [`Transaction::finish`] it is undone.
#[derive(Debug)]
pub(crate) struct Transaction {
    layout: Layout,
    directory: PathBuf,
    intent: File,
    _lock: File,
    records: Vec<Record>,
    next: u32,
    open: bool,
}

impl Transaction {
    /// Starts one; waits for the root's short lock, but does not keep it.
    ///
    /// Take the lock after the transaction, never before: dropping an unfinished one waits for it.
    pub(crate) fn begin(layout: &Layout) -> io::Result<Self> {
        let _held = Changing::wait(&layout.lock())?;
        let mut random = [0; 12];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let directory = layout.transactions().join(hex::encode(random));
        files::make_directory(&directory, 0o700)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let lock = options.open(directory.join("lock"))?;
        lock.lock()?;
        let intent = OpenOptions::new().append(true).create_new(true).mode(0o600).open(directory.join("intent"))?;
        // The entries must be on disk before anything that the intent announces.
        files::sync_directory(&directory)?;
        files::sync_directory(&layout.transactions())?;
        Ok(Self { layout: layout.clone(), directory, intent, _lock: lock, records: Vec::new(), next: 0, open: true })
    }

    /// Where things are staged.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The layout that it changes.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What was announced so far.
    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    /// Announces changes; they are on disk when it returns.
    pub(crate) fn note(&mut self, records: Vec<Record>) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let lines: String = records.iter().map(Record::line).collect();
        self.intent.write_all(lines.as_bytes())?;
        self.intent.sync_data()?;
        self.records.extend(records);
        Ok(())
    }

    /// A name in the staging directory that nothing has yet.
    pub(crate) fn fresh(&mut self, what: &str) -> PathBuf {
        self.next += 1;
        self.directory.join(format!("{what}-{}", self.next))
    }

    /// Makes `bytes` the content of a file of the root, at once and durably.
    pub(crate) fn publish_file(&mut self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        let staged = self.fresh("file");
        files::write_new(&staged, bytes, mode)?;
        files::rename(&staged, path)
    }

    /// Moves something of the root into the transaction, to be deleted with it. Tells whether it was there.
    pub(crate) fn take_away(&mut self, path: &Path) -> io::Result<bool> {
        let away = self.fresh("away");
        Ok(files::if_there(files::rename(path, &away))?.is_some())
    }

    /// Ends it: what was published stays. Deletes the staging directory; what cannot be deleted now goes at the next open.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.open = false;
        self.note(vec![Record::Done])?;
        // Done is on disk, so nothing depends on how far this gets.
        let _ = recovery::clear(&self.layout, &self.directory);
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        // Whoever fails here leaves it to the next open, which does the same.
        if let Ok(held) = Changing::wait(&self.layout.lock()) {
            let _ = recovery::undo(&self.layout, &held, &self.directory, &self.records);
        }
        let _ = recovery::clear(&self.layout, &self.directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_a_cut_line_does_not_count() {
        let digest = Digest::of(b"x");
        let records = vec![
            Record::Cache("ab-init".parse().expect("one name")),
            Record::Chain(ChainId(digest)),
            Record::Image(ImageId(digest)),
            Record::Lease(ChainId(digest)),
            Record::Done,
        ];
        let text: String = records.iter().map(Record::line).collect();
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("intent");
        std::fs::write(&path, &text).expect("writes");
        assert_eq!(Record::read(&path).expect("reads"), records);
        for cut in 0..text.len() {
            std::fs::write(&path, &text[..cut]).expect("writes");
            let whole = text[..cut].matches('\n').count();
            assert_eq!(Record::read(&path).expect("reads"), records[..whole], "cut at {cut}");
        }
        std::fs::write(&path, "cache ../../etc\nchain 12\n\0\n").expect("writes");
        assert_eq!(Record::read(&path).expect("reads"), []);
    }
}
