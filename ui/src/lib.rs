//! Everything outcrop shows on the screen.
//!
//! Messages (keys, answers, news of jobs) go into `App::update`; requests come out; `App::draw` only reads. One client, bollard,
//! answers the requests, whatever engine is behind it; what is inside a layer comes from the `outcrop-layers` crate.
//!
//! | module | what it is |
//! |---|---|
//! | `run` | the loop: drain, draw once, idle at no cost; the terminal is always given back |
//! | `action`, `keymap` | what can be done, and which key does it; help and palette are made from these |
//! | `message` | what happens, and what is asked for |
//! | `app`, `screen`, `popup`, `widget` | what is seen |
//! | `plain` | lines instead of screens |
//! | `client`, `job`, `work` | who answers, slow work, and what it does |
//! | `launch` | a container to be started: its mounts, its checks, the docker command that says the same |
//! | `pen`, `safe_text`, `theme`, `size` | how text gets on the screen |
//!
//! The crate never reads the environment and contains no unsafe code.
#![forbid(unsafe_code)]

mod action;
mod app;
mod client;
mod content;
mod filter;
mod job;
mod keymap;
mod launch;
mod live;
mod message;
mod model;
mod options;
mod pen;
mod plain;
mod popup;
mod run;
mod safe_text;
mod screen;
mod size;
mod theme;
mod widget;
mod work;

#[cfg(test)]
mod tests;

pub use action::Action;
pub use keymap::{Chord, Keymap, KeysError, Scope};
pub use options::{Backend, Connection, Error, Kind, Open, Options, Pack, Packed, Tried, Users, Watching};
pub use plain::plain;
pub use run::run;
pub use safe_text::{Charset, shell_quote, visible};
pub use size::Units;
pub use theme::{Level, Theme};
