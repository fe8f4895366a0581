//! Trees, views and waste over layers described in text.

mod advice;
mod hostile;
mod oracle;
mod text;
mod tree;
mod waste;
