//! What was found out about the root's file system, remembered until the next boot.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files;
use super::layout::Layout;
use super::transaction::Transaction;
use crate::driver::probe::probe;
use crate::sys::node;

/// What a trial told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tried {
    /// What it depends on: boot, device, rights. Another key needs another trial.
    key: String,
    pub(crate) kind: String,
    pub(crate) d_type: bool,
    /// Whether layers can be kept there, if perhaps not mounted.
    pub(crate) takes_layers: bool,
    /// In sentences without a full stop.
    pub(crate) problems: Vec<String>,
}

impl Tried {
    /// Reads what an earlier open found out; tries it out if there is nothing that holds still.
    pub(crate) fn remembered_or_new(layout: &Layout, rootless: bool) -> io::Result<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let device = std::fs::metadata(layout.root())?.dev();
        let user = rustix::process::geteuid().as_raw();
        let namespace = std::fs::read_link("/proc/self/ns/user").unwrap_or_default();
        let key = format!("{} {device} {user} {} {rootless}", boot.trim(), namespace.display());
        let remembered = files::read(&layout.tried(), 64 << 10).ok();
        let remembered = remembered.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        if let Some(remembered) = remembered.filter(|tried| tried.key == key && !boot.is_empty()) {
            return Ok(remembered);
        }
        let mut transaction = Transaction::begin(layout)?;
        if !layout.id().exists() {
            let mut id = [0; 16];
            getrandom::fill(&mut id).map_err(io::Error::other)?;
            transaction.publish_file(&layout.id(), hex::encode(id).as_bytes(), 0o600)?;
        }
        let tried = Self::new(transaction.directory(), rootless, key)?;
        transaction.publish_file(&layout.tried(), &serde_json::to_vec(&tried).map_err(io::Error::other)?, 0o600)?;
        transaction.finish()?;
        Ok(tried)
    }

    fn new(scratch: &Path, rootless: bool, key: String) -> io::Result<Self> {
        let probe = probe(scratch, rootless)?;
        let works = probe.works(rootless);
        // Without the right to mount, images can still be kept; without attributes or file types, layers cannot. An overlay
        // takes attributes, but as its own.
        let takes_layers = works || (probe.d_type && probe.kind != "overlay" && can_mark(scratch, rootless));
        Ok(Self { key, kind: probe.kind, d_type: probe.d_type, takes_layers, problems: probe.problems })
    }
}

/// Whether a directory takes the attribute that marks it opaque.
fn can_mark(directory: &Path, rootless: bool) -> bool {
    let key: &[u8] = if rootless { b"user.overlay.opaque" } else { b"trusted.overlay.opaque" };
    File::open(directory).is_ok_and(|directory| node::set_xattr(&directory, b"", key, b"y").is_ok())
}
