//! What is done to an engine's containers and volumes: each piece a job, each said as docker would say it.

use std::path::PathBuf;

use crate::launch::Launch;

/// A piece of work that is to begin.
#[derive(Debug)]
pub(crate) struct Task {
    /// What the job is called.
    pub(crate) title: String,
    /// The docker commands that would do the same, each without the word `docker`.
    pub(crate) commands: Vec<Vec<String>>,
    pub(crate) work: Work,
}

impl Task {
    pub(crate) fn new(title: impl Into<String>, command: &[&str], work: Work) -> Self {
        Self { title: title.into(), commands: Vec::new(), work }.and(command)
    }

    /// One more command that belongs to it.
    pub(crate) fn and(mut self, command: &[&str]) -> Self {
        self.commands.push(command.iter().map(|&word| word.to_owned()).collect());
        self
    }
}

/// A container, by ID, and what people call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// What is done to containers one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Start,
    Stop,
    Kill,
    Restart,
    Pause,
    Unpause,
}

impl Verb {
    /// Docker's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
        }
    }

    /// What is said when it is done.
    pub(crate) fn done(self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::Stop => "stopped",
            Self::Kill => "killed",
            Self::Restart => "restarted",
            Self::Pause => "paused",
            Self::Unpause => "goes on",
        }
    }
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Work {
    Each {
        verb: Verb,
        containers: Vec<Named>,
    },
    RemoveContainers {
        containers: Vec<Named>,
        force: bool,
    },
    Rename {
        container: Named,
        name: String,
    },
    Commit {
        container: Named,
        repository: String,
        tag: String,
    },
    Export {
        container: Named,
        path: PathBuf,
        expected: u64,
    },
    CopyOut {
        container: Named,
        from: String,
        to: PathBuf,
    },
    CopyIn {
        container: Named,
        from: PathBuf,
        to: String,
    },
    CreateVolume(NewVolume),
    RemoveVolumes {
        names: Vec<String>,
    },
    /// Containers, then volumes, then images by their names.
    RemoveAll {
        containers: Vec<Named>,
        volumes: Vec<String>,
        images: Vec<String>,
    },
    CloneVolume {
        from: String,
        to: String,
    },
    BackupVolume {
        name: String,
        path: PathBuf,
        expected: u64,
    },
    RestoreVolume {
        name: String,
        path: PathBuf,
    },
    Launch(Box<Launch>),
}

/// A volume that is to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NewVolume {
    pub(crate) name: String,
    pub(crate) driver: String,
    pub(crate) options: Vec<(String, String)>,
    pub(crate) labels: Vec<(String, String)>,
}
