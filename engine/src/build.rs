//! Building images from Dockerfiles: classic Dockerfile semantics, a cache keyed as Docker's.

mod arguments;
mod chmod;
pub mod dockerfile;
mod expand;
mod flags;
pub mod glob;
mod heredoc;
pub mod ignore;
mod instruction;
mod json;
mod lines;
mod mounts;
mod parse;
mod pattern;
pub mod problem;

pub use dockerfile::Dockerfile;
pub use ignore::{Ignore, IgnoreError};
pub use problem::Problem;
