//! Copy-on-write, live: what overlayfs does when a container writes, to which file, from which layer, and for whom.
//!
//! A [`Watch`] runs in threads of its own. [`Watch::attach`] takes an [`Overlay`]: one that is mounted ([`mounts`]) or one that
//! will be, as a container that was created and not started. [`Watch::start`] also returns [`Updates`], a queue of these:
//!
//! - [`Update::Attached`] tells what is watched, by which mechanism, why that one, and what it cannot do;
//! - [`Update::Event`] is one fact. Facts of an overlay come in the order in which they happened;
//! - [`Update::Detached`] ends an overlay, and tells whether all that was told equals what is there.
//!
//! A screen takes what has come since it last looked ([`Updates::try_recv`]), adds it to its own [`Totals`] and [`Adviser`],
//! appends it to its feed, and draws from these: nothing is shared with the threads, so drawing never waits. Pausing the
//! display is not drawing; the updates are still taken. A [`Recorder`] writes the same updates to a file, and a [`Replay`]
//! gives them back, so that a recording is shown by the same code.
//!
//! How it is known: a copy-up is a file that overlayfs made in its work directory and then linked or moved into the upper
//! one. fanotify marks on the filesystem report both with the process, in order; a model of the upper directory, kept from
//! these reports alone, turns them into facts. Where there are no such marks, directories are marked, or watched by inotify,
//! or read again and again. The kernel tells an ordinary user no processes: who wrote is then inferred from what an engine is told
//! of its container's system calls ([`Notice`]), where it is. When nothing happens, when reports were lost, and at the end, the upper directory is read and
//! compared with the model; what differs is told as an event of its own.

mod advice;
mod beneath;
mod calibrate;
mod choice;
mod compare;
mod error;
mod event;
mod group;
mod lowers;
mod model;
pub mod mounts;
mod names;
mod notice;
mod notices;
mod out;
mod overlay;
mod pump;
mod raw;
mod raw_path;
mod record;
mod run;
mod totals;
mod updates;
mod watcher;

pub use advice::{About, Advice, Adviser};
pub use error::WatchError;
pub use event::{Certainty, Data, Event, Evidence, How, Kind, Lower, Node, Reason, Who};
pub use notice::{Act, Notice};
pub use overlay::{Attached, LowerLayer, NOTICES, NOTIFY, Overlay, Update};
pub use raw_path::RawPath;
pub use record::{Recorder, Replay};
pub use run::{Options, Watch};
pub use totals::{Bytes, Counts, FileTotals, LayerTotals, ProcessTotals, Totals};
pub use updates::{UpdateSender, Updates, updates};
