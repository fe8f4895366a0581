//! What goes wrong with registries.

use std::io;

use outcrop_layers::digest::Digest;

/// Says which registry failed, and why.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry does not have it.
    #[error("{0}")]
    NotFound(String),
    /// The registry does not let this user.
    #[error("{what}: {detail}")]
    Denied {
        /// What was asked for.
        what: String,
        /// What the registry says.
        detail: String,
    },
    /// The user name or the password is wrong.
    #[error("{host}: unauthorized: {detail}")]
    Unauthorized {
        /// The registry, or the server of its tokens.
        host: String,
        /// What it says.
        detail: String,
    },
    /// The registry cannot be reached, or what it answers cannot be.
    #[error("registry {host}: {detail}")]
    Host {
        /// Host and port.
        host: String,
        /// The cause.
        detail: String,
    },
    /// The connection broke off: it may be tried again.
    #[error("registry {host}: {detail}")]
    Cut {
        /// Host and port.
        host: String,
        /// The cause.
        detail: String,
    },
    /// What the registry sends is not what was asked for.
    #[error("registry {host}: digest differs: expected {expected}, got {found}")]
    Digest {
        /// Host and port.
        host: String,
        /// What was asked for.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// It is no image for this engine.
    #[error("{0}")]
    Unsupported(String),
    /// A file of ours.
    #[error("cannot {what}: {source}")]
    Local {
        /// The verb and its object.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Stopped on request.
    #[error("cancelled")]
    Cancelled,
}

impl RegistryError {
    /// A host that answers wrongly.
    pub(super) fn host(host: &str, detail: impl Into<String>) -> Self {
        Self::Host { host: host.into(), detail: detail.into() }
    }

    /// Whether trying again may help.
    pub(super) fn is_cut(&self) -> bool {
        matches!(self, Self::Cut { .. })
    }
}

/// Text of a registry for a message: one line of at most 300 characters.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect::<String>().trim().to_owned()
}
