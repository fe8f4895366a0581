//! Small parts of screens.

pub(crate) mod cursor;
pub(crate) mod edit;
