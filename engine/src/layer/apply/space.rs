//! Keeps the disk from being filled by what a layer claims or unpacks to.

use std::os::fd::{AsFd, BorrowedFd};

use super::ApplyError;
use crate::sys::fs;

/// After so many bytes it is measured again what is free.
const BETWEEN: u64 = 64 << 20;

/// What an entry costs besides its content, in bytes: an estimate that bounds how many are made between two measurements.
const ENTRY: u64 = 4096;

/// So many files must stay possible.
const FILES: u64 = 64;

/// Counts what may still be written.
pub(super) struct Space<'a> {
    on: BorrowedFd<'a>,
    floor: u64,
    left: u64,
}

impl<'a> Space<'a> {
    pub(super) fn new(on: BorrowedFd<'a>, floor: u64) -> Self {
        Self { on, floor, left: 0 }
    }

    /// Takes room for one entry with `bytes` of content.
    ///
    /// # Errors
    /// When less than the floor would stay free.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), ApplyError> {
        let cost = bytes.saturating_add(ENTRY);
        if let Some(left) = self.left.checked_sub(cost) {
            self.left = left;
            return Ok(());
        }
        let free = fs::free(self.on).map_err(ApplyError::Target)?;
        if free.files.is_some_and(|files| files < FILES) {
            return Err(ApplyError::Files { free: free.files.unwrap_or(0), filesystem: name(self.on) });
        }
        let usable = free.bytes.saturating_sub(self.floor);
        if cost > usable {
            return Err(self.full(bytes));
        }
        self.left = (usable - cost).min(BETWEEN);
        Ok(())
    }

    /// The error that `bytes` more do not fit.
    pub(super) fn full(&self, bytes: u64) -> ApplyError {
        let free = fs::free(self.on).map_or(0, |free| free.bytes);
        ApplyError::Space { needed: bytes, free, floor: self.floor, filesystem: name(self.on) }
    }
}

/// How the file system is called in messages.
fn name(fd: impl AsFd) -> String {
    fs::mounted(fd).map_or_else(|_| "the data root's file system".into(), |mounted| mounted.to_string())
}
