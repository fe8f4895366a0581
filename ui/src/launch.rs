//! A container that is to be started: what was chosen, and the docker command that says the same.
//!
//! The form writes mounts, it never reads docker's mount grammar, so only the writing half is here; what an engine would refuse
//! is checked in [`check`] against a table of what engines answer.

pub(crate) mod check;
mod command;
pub(crate) mod mount;
pub(crate) mod words;

use std::sync::Arc;

use crate::content::Content;

pub(crate) use command::command;
pub(crate) use mount::{Mount, MountKind};

/// How mounts are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// `--mount type=…`: says everything, and refuses a folder that is not there.
    #[default]
    Mount,
    /// `-v`: short, and makes a folder that is not there.
    Short,
}

/// A published port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Port {
    /// Address of this machine; empty for all.
    pub(crate) address: String,
    /// Port of this machine; empty for any free one.
    pub(crate) host: String,
    pub(crate) container: String,
    /// `tcp` or `udp`.
    pub(crate) protocol: String,
}

/// What was chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Launch {
    /// The image as the command names it.
    pub(crate) image: String,
    /// Empty: the engine makes one up.
    pub(crate) name: String,
    /// Empty: what the image says.
    pub(crate) command: Vec<String>,
    pub(crate) terminal: bool,
    pub(crate) remove: bool,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) syntax: Syntax,
    /// `NAME=value`.
    pub(crate) env: Vec<String>,
    pub(crate) user: String,
    pub(crate) workdir: String,
    pub(crate) network: String,
    /// Bytes.
    pub(crate) memory: Option<u64>,
    /// Billionths of a processor.
    pub(crate) cpus: Option<u64>,
    pub(crate) ports: Vec<Port>,
    /// Whether its calls tell who writes: where the kernel tells this user no processes.
    pub(crate) tell_who: bool,
}

/// What is at a path of this machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looked {
    pub(crate) path: String,
    pub(crate) seen: check::Seen,
    /// What is in it if it is a folder, and which of that are folders; sorted.
    pub(crate) entries: Vec<(String, bool)>,
}

/// What the form knows of image and engine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ground {
    /// The image the form was opened for, as it was asked.
    pub(crate) image: String,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) command: Vec<String>,
    pub(crate) user: String,
    pub(crate) workdir: String,
    /// Ports the image names, as `80/tcp`.
    pub(crate) ports: Vec<String>,
    /// Folders the image declares as volumes.
    pub(crate) declared: Vec<String>,
    pub(crate) volumes: Vec<String>,
    pub(crate) networks: Vec<String>,
    /// Names that containers have.
    pub(crate) containers: Vec<String>,
    /// Whether the engine's host is this machine, so that its folders can be seen.
    pub(crate) local: bool,
    /// Whether a container has to be started with the annotation that has it tell who writes.
    pub(crate) asked_who: bool,
    /// The image's tree, where it can be read in place.
    pub(crate) content: Option<Arc<Content>>,
}
