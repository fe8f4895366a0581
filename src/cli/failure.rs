//! How a command fails: one line that says what, on what, and what to do.

use std::io;
use std::process::ExitCode;

use bollard::errors::Error as Client;

use crate::connect::ConnectError;
use crate::report::template::TemplateError;

/// What is printed, and what the program ends with.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// An error as most are: exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// Another exit code.
    pub(crate) fn with_code(message: impl Into<String>, code: u8) -> Self {
        Self { message: message.into(), code }
    }

    /// A wrong command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::with_code(message, 125)
    }

    /// Ends quietly: everything has been said, or nobody listens.
    pub(crate) fn silent(code: u8) -> Self {
        Self { message: String::new(), code }
    }

    /// What is printed.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What the program ends with.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    /// A failed system call on `path`.
    pub(crate) fn io(what: &str, path: &std::path::Path, error: &io::Error) -> Self {
        Self::new(format!("cannot {what} {}: {error}", path.display()))
    }
}

impl From<Client> for Failure {
    fn from(error: Client) -> Self {
        Self::new(explain(&error))
    }
}

/// What is said of what other engines cannot do.
pub(crate) const NOT_OURS: &str = "only outcrop's own engine can do that: leave -H, DOCKER_HOST and --context out";

/// Whether an engine says with this that it does not know the endpoint.
pub(crate) fn is_not_ours(message: &str) -> bool {
    message.to_lowercase().contains("page not found") || message.trim().eq_ignore_ascii_case("not found")
}

/// The error of an endpoint that only outcrop's own engine has.
pub(crate) fn own(error: Client) -> Failure {
    match error {
        Client::DockerResponseServerError { status_code: 404 | 405, ref message } if is_not_ours(message) => {
            Failure::new(NOT_OURS)
        }
        error => error.into(),
    }
}

/// The client's error in the words that Docker's users know.
pub(crate) fn explain(error: &Client) -> String {
    match error {
        Client::DockerResponseServerError { status_code, message } if message.trim().is_empty() => {
            format!("what answers there is no Docker engine, or is out of order: it says only status {status_code}")
        }
        Client::DockerResponseServerError { message, .. } => {
            format!("Error response from daemon: {}", message.trim_end())
        }
        Client::DockerStreamError { error } => error.trim_end().to_owned(),
        Client::RequestTimeoutError => "the engine does not answer".into(),
        other => {
            let mut text = other.to_string();
            let mut source = std::error::Error::source(other);
            while let Some(inner) = source {
                let inner_text = inner.to_string();
                if !text.contains(&inner_text) {
                    text = format!("{text}: {inner_text}");
                }
                source = inner.source();
            }
            // Names of the client's parts, which tell a user nothing.
            for part in ["Error in the hyper legacy client: ", "client error (Connect): "] {
                text = text.replace(part, "");
            }
            format!("cannot talk to the engine: {text}")
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<TemplateError> for Failure {
    fn from(error: TemplateError) -> Self {
        Self::new(error.to_string())
    }
}

/// Printing failed. A reader that has gone (`outcrop images | head -1`) is no error.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::silent(141)
        } else {
            Self::new(format!("cannot print: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_answer_is_told_as_one() {
        let said =
            |message: &str| explain(&Client::DockerResponseServerError { status_code: 503, message: message.into() });
        assert_eq!(said("no such thing\n"), "Error response from daemon: no such thing");
        assert!(said(" \n").ends_with("it says only status 503"));
    }

    #[tokio::test]
    async fn who_cannot_be_reached_is_told_without_the_clients_parts() {
        let docker = bollard::Docker::connect_with_http("tcp://127.0.0.1:1", 5, bollard::API_DEFAULT_VERSION);
        let error = docker.expect("a client").ping().await.expect_err("nobody is there");
        let said = explain(&error);
        assert!(said.contains("refused") && !said.contains("hyper") && !said.contains("(Connect)"), "{said}");
    }
}
