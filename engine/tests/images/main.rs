//! Images in a data root, through the engine's own functions: load, save, tag, remove, import, damage, access.

mod access;
mod damage;
mod full;
mod import;
mod load;
mod remove;
mod support;
