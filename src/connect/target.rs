//! Chooses the engine.
//!
//! The embedded engine is the default: nothing has to run. Another one is used when it is named, by a flag or by the
//! variables that Docker's own command line obeys. Docker's *current context* is not enough: it is set on most machines
//! that have Docker, and says nothing about outcrop; `--docker` follows it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::context;
use crate::config::{Config, Env};

/// Where Docker listens unless told otherwise.
const DOCKER_SOCKET: &str = "unix:///var/run/docker.sock";

/// An engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The one in this process.
    Embedded {
        /// Its data root.
        root: PathBuf,
    },
    /// One behind a socket.
    Host {
        /// `unix://…` or `tcp://…`.
        address: String,
        /// What made us choose it: `-H`, `DOCKER_HOST`, `context "x"`.
        why: String,
        /// Whether it is Podman's.
        podman: bool,
    },
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded { root } => write!(f, "embedded, {}", root.display()),
            Self::Host { address, why, .. } => write!(f, "{address} ({why})"),
        }
    }
}

/// What the command line says about the engine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    /// `--host`.
    pub(crate) host: Option<String>,
    /// `--context`.
    pub(crate) context: Option<String>,
    /// `--root`.
    pub(crate) root: Option<PathBuf>,
    /// `--embedded`.
    pub(crate) embedded: bool,
    /// `--docker`.
    pub(crate) docker: bool,
    /// `--podman`.
    pub(crate) podman: bool,
}

impl Choice {
    /// Decides. Flags come before the environment, and that before the configuration file.
    pub(crate) fn target(&self, env: &Env, config: &Config, is_root: bool) -> Result<Target, String> {
        if self.host.is_some() && self.context.is_some() {
            return Err("conflicting options: cannot specify both --host and --context".into());
        }
        let directory = env.docker_config();
        if self.embedded {
            return Ok(self.embedded_target(env, config, is_root));
        }
        if let Some(host) = &self.host {
            return host_target(host, "-H");
        }
        if let Some(name) = &self.context {
            return context_target(&directory, name);
        }
        if self.docker {
            return docker(env);
        }
        if self.podman {
            return podman(env, is_root);
        }
        if self.root.is_some() {
            return Ok(self.embedded_target(env, config, is_root));
        }
        if let Some(host) = env.get("DOCKER_HOST") {
            return host_target(host, "DOCKER_HOST");
        }
        if let Some(name) = env.get("DOCKER_CONTEXT") {
            return context_target(&directory, name);
        }
        match config.engine.as_deref() {
            None | Some("embedded") => Ok(self.embedded_target(env, config, is_root)),
            Some("docker") => docker(env),
            Some("podman") => podman(env, is_root),
            Some(host) => host_target(host, "config.toml"),
        }
    }

    /// The embedded engine on the root that was asked for.
    pub(crate) fn embedded_target(&self, env: &Env, config: &Config, is_root: bool) -> Target {
        let root =
            self.root.clone().or_else(|| env.get("OUTCROP_ROOT").map(PathBuf::from)).or_else(|| config.root.clone());
        Target::Embedded { root: root.unwrap_or_else(|| env.default_root(is_root)) }
    }
}

/// What `docker` itself would use.
fn docker(env: &Env) -> Result<Target, String> {
    let directory = env.docker_config();
    if let Some(host) = env.get("DOCKER_HOST") {
        return host_target(host, "DOCKER_HOST");
    }
    match env.get("DOCKER_CONTEXT").map(str::to_owned).or(context::current(&directory)?) {
        Some(name) => context_target(&directory, &name),
        None => host_target(DOCKER_SOCKET, "Docker's default socket"),
    }
}

fn podman(env: &Env, is_root: bool) -> Result<Target, String> {
    let found = if let Some(host) = env.get("CONTAINER_HOST") {
        (host.to_owned(), "CONTAINER_HOST")
    } else {
        let own = env.runtime(false).join("podman/podman.sock");
        let system = PathBuf::from("/run/podman/podman.sock");
        let socket = if !is_root && (own.exists() || !system.exists()) { own } else { system };
        (format!("unix://{}", socket.display()), "Podman's socket")
    };
    match host_target(&found.0, found.1)? {
        Target::Host { address, why, .. } => Ok(Target::Host { address, why, podman: true }),
        embedded @ Target::Embedded { .. } => Ok(embedded),
    }
}

fn context_target(directory: &Path, name: &str) -> Result<Target, String> {
    match context::host(directory, name)? {
        Some(host) => host_target(&host, &format!("context {name:?}")),
        None => host_target(DOCKER_SOCKET, "context \"default\""),
    }
}

/// Reads a host as Docker's `-H` takes it.
fn host_target(host: &str, why: &str) -> Result<Target, String> {
    let address = parse_host(host).map_err(|error| format!("{why}: {error}"))?;
    let podman = address.contains("/podman/");
    Ok(Target::Host { address, why: why.to_owned(), podman })
}

/// Fills in what Docker fills in: no scheme is TCP, no port is 2375, no path is Docker's socket.
pub(crate) fn parse_host(host: &str) -> Result<String, String> {
    let host = host.trim();
    let (scheme, rest) = match host.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None if host.starts_with('/') => ("unix", host),
        None => ("tcp", host),
    };
    match scheme {
        "unix" if rest.is_empty() => Ok(DOCKER_SOCKET.into()),
        "unix" => Ok(format!("unix://{rest}")),
        "tcp" | "http" => {
            let bare = rest.trim_end_matches('/');
            if bare.contains(char::is_whitespace) || bare.contains("://") {
                return Err(format!("invalid host {host:?}: write unix:///path or tcp://name:port"));
            }
            let (name, port) = match bare.rsplit_once(':') {
                Some((name, port)) if !port.contains(']') => (name, port),
                _ => (bare, ""),
            };
            let name = if name.is_empty() { "localhost" } else { name };
            let port = if port.is_empty() { "2375" } else { port };
            if port.parse::<u16>().is_err() {
                return Err(format!("invalid host {host:?}: {port:?} is no port"));
            }
            Ok(format!("tcp://{name}:{port}"))
        }
        "ssh" => super::ssh::arguments(host).map(|_| host.to_owned()),
        _ => Err(format!("invalid host {host:?}: write unix:///path, tcp://name:port or ssh://name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(choice: &Choice, env: &Env) -> Result<String, String> {
        choice.target(env, &Config::default(), false).map(|target| match target {
            Target::Embedded { root } => root.display().to_string(),
            Target::Host { address, why, .. } => format!("{address} ({why})"),
        })
    }

    #[test]
    fn the_nearest_word_counts() {
        let host = |host: &str| Choice { host: Some(host.into()), ..Choice::default() };
        let root = Choice { root: Some("/r".into()), ..Choice::default() };
        let env = Env::from([("HOME", "/h"), ("DOCKER_HOST", "tcp://a:1"), ("OUTCROP_ROOT", "/o")]);
        let bare = Env::from([("HOME", "/h"), ("OUTCROP_ROOT", "/o")]);
        let context = Env::from([("HOME", "/h"), ("DOCKER_CONTEXT", "default")]);
        for (choice, env, want) in [
            (Choice::default(), &bare, "/o"),
            (Choice::default(), &Env::from([("HOME", "/h")]), "/h/.local/share/outcrop"),
            (Choice::default(), &env, "tcp://a:1 (DOCKER_HOST)"),
            (Choice::default(), &context, "unix:///var/run/docker.sock (context \"default\")"),
            (root.clone(), &env, "/r"),
            (Choice { embedded: true, ..Choice::default() }, &env, "/o"),
            (host("unix:///x"), &env, "unix:///x (-H)"),
            (Choice { docker: true, ..root }, &bare, "unix:///var/run/docker.sock (Docker's default socket)"),
        ] {
            assert_eq!(place(&choice, env).as_deref(), Ok(want), "{choice:?} {env:?}");
        }
        assert!(place(&Choice { context: Some("x".into()), ..host("y") }, &bare).is_err());
    }

    #[test]
    fn hosts_as_docker() {
        for (host, want) in [
            ("unix://", "unix:///var/run/docker.sock"),
            ("unix://path/to/socket", "unix://path/to/socket"),
            ("/run/x.sock", "unix:///run/x.sock"),
            ("tcp://", "tcp://localhost:2375"),
            ("tcp://host:", "tcp://host:2375"),
            ("tcp://:7777", "tcp://localhost:7777"),
            ("[::1]:5555", "tcp://[::1]:5555"),
            ("[::1]", "tcp://[::1]:2375"),
            ("192.168:8080", "tcp://192.168:8080"),
        ] {
            assert_eq!(parse_host(host).as_deref(), Ok(want), "{host}");
        }
        for bad in [
            "something with spaces",
            "://",
            "unknown://",
            "tcp://:port",
            "tcp://invalid:port",
            "tcp://0.0.0.0:1234567890",
        ] {
            assert!(parse_host(bad).is_err(), "{bad}");
        }
    }
}
