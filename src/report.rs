//! What commands print: tables, JSON, Go templates, sizes and times, all as Docker writes them.

pub(crate) mod filter;
pub(crate) mod format;
pub(crate) mod indent;
pub(crate) mod progress;
pub(crate) mod safe;
pub(crate) mod table;
pub(crate) mod template;
pub(crate) mod units;
pub(crate) mod value;
