//! What a Dockerfile's instructions say.

use super::heredoc::Heredoc;
use super::problem::Place;
use crate::container::HealthConfig;

/// One instruction.
#[derive(Clone, Debug)]
pub(crate) struct Instruction {
    pub(crate) kind: Kind,
    /// Where it stands.
    pub(crate) place: Place,
    /// As it was written, in one line.
    pub(crate) text: String,
}

/// A name and its value, quotes and variables still in both.
pub(crate) type Pair = (String, String);

/// What it asks for. Variables are still in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    From(From),
    Arg(Vec<(String, Option<String>)>),
    Env(Vec<Pair>),
    Label(Vec<Pair>),
    Run(Run),
    Copy(Copy),
    Cmd(CommandLine),
    Entrypoint(CommandLine),
    Shell(Vec<String>),
    Workdir(String),
    User(String),
    Expose(Vec<String>),
    Volume(Vec<String>),
    StopSignal(String),
    Healthcheck(Box<HealthConfig>),
    OnBuild(String),
    Maintainer(String),
}

/// `FROM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct From {
    pub(crate) image: String,
    /// After `AS`, in lower case.
    pub(crate) name: Option<String>,
    pub(crate) platform: Option<String>,
}

/// A command: a list of words, or a text for the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommandLine {
    Exec(Vec<String>),
    Shell(String),
}

impl CommandLine {
    /// The words to run.
    pub(crate) fn words(&self, shell: &[String]) -> Vec<String> {
        match self {
            Self::Exec(words) => words.clone(),
            Self::Shell(text) => shell.iter().chain([text]).cloned().collect(),
        }
    }
}

/// `RUN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) command: CommandLine,
    /// The texts of `--mount`.
    pub(crate) mounts: Vec<String>,
    /// `default`, `none` or `host`.
    pub(crate) network: Option<String>,
    /// A script with a `#!` line, that is run as it is.
    pub(crate) script: Option<Heredoc>,
}

/// `COPY` and `ADD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    /// Whether it is `ADD`.
    pub(crate) add: bool,
    pub(crate) sources: Vec<CopySource>,
    pub(crate) target: String,
    pub(crate) from: Option<String>,
    pub(crate) chown: Option<String>,
    pub(crate) chmod: Option<String>,
    pub(crate) excludes: Vec<String>,
    /// Whether directories of the source stay in the path (`--parents`).
    pub(crate) parents: bool,
    /// What a download must be.
    pub(crate) checksum: Option<String>,
    /// Whether archives are unpacked; by default local ones of ADD are.
    pub(crate) unpack: Option<bool>,
}

/// What is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CopySource {
    Path(String),
    Heredoc(Heredoc),
}

impl Copy {
    /// `COPY` or `ADD`.
    pub(crate) fn word(&self) -> &'static str {
        if self.add { "ADD" } else { "COPY" }
    }
}
