//! Small parts of screens.

pub(crate) mod cursor;
pub(crate) mod edit;
pub(crate) mod program;
pub(crate) mod sgr;
pub(crate) mod strata;
pub(crate) mod treemap;
