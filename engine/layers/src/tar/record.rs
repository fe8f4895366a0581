//! What a tar reader tells others, and what it asks of what is below.

use std::io::{self, Read};

use super::Member;

/// Listens to all bytes of a tar while it is read. `()` ignores them.
pub trait Record {
    /// Takes bytes that are no file's content: headers, padding, the end.
    fn raw(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Announces a member whose headers have passed; its stored content follows, if it has any.
    fn member(&mut self, member: &Member) -> io::Result<()>;
    /// Takes stored content of the member announced last.
    fn content(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Ends that member's content.
    fn end(&mut self) -> io::Result<()>;
}

impl Record for () {
    fn raw(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn member(&mut self, _: &Member) -> io::Result<()> {
        Ok(())
    }
    fn content(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Something of known length in which content can be passed over without reading it.
pub trait Skip: Read {
    /// Passes over exactly `bytes`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if there are fewer.
    fn skip(&mut self, bytes: u64) -> io::Result<()>;
}
