//! What the environment and the configuration file say. Read once, here; everything else gets values.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use outcrop_engine::registry::Proxies;
use serde::Deserialize;

/// The environment variables that matter, captured so that tests can make their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Env(HashMap<String, String>);

impl Env {
    /// The process's environment. Values that are not text are taken as not set.
    pub(crate) fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// A variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The user's home.
    fn home(&self) -> PathBuf {
        self.get("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from)
    }

    fn xdg(&self, name: &str, beside_home: &str) -> PathBuf {
        self.get(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| self.home().join(beside_home))
    }

    /// Docker's configuration directory.
    pub(crate) fn docker_config(&self) -> PathBuf {
        self.get("DOCKER_CONFIG").map_or_else(|| self.home().join(".docker"), PathBuf::from)
    }

    /// Where certificates of registries are, in directories called after them: Docker's places.
    pub(crate) fn certificates(&self, is_root: bool) -> Vec<PathBuf> {
        let all = PathBuf::from("/etc/docker/certs.d");
        if is_root { vec![all] } else { vec![self.xdg("XDG_CONFIG_HOME", ".config").join("docker/certs.d"), all] }
    }

    /// The proxies to registries and web servers, by the names that dockerd takes, in its order.
    pub(crate) fn proxies(&self) -> Proxies {
        let either = |upper, lower| self.get(upper).or_else(|| self.get(lower)).unwrap_or_default().to_owned();
        Proxies {
            http: either("HTTP_PROXY", "http_proxy"),
            https: either("HTTPS_PROXY", "https_proxy"),
            no: either("NO_PROXY", "no_proxy"),
        }
    }

    /// Where `config.toml` is.
    pub(crate) fn config(&self) -> PathBuf {
        self.xdg("XDG_CONFIG_HOME", ".config").join("outcrop")
    }

    /// Where what can be made again is kept.
    pub(crate) fn cache(&self) -> PathBuf {
        self.xdg("XDG_CACHE_HOME", ".cache").join("outcrop")
    }

    /// Where programs are looked for.
    pub(crate) fn path(&self) -> &str {
        self.get("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    }

    /// Where files without a name may be, as large as an image.
    pub(crate) fn spool(&self) -> PathBuf {
        self.get("TMPDIR").unwrap_or("/var/tmp").into()
    }

    /// The data root of this user: `/var/lib/outcrop` for root.
    pub(crate) fn default_root(&self, is_root: bool) -> PathBuf {
        if is_root { "/var/lib/outcrop".into() } else { self.xdg("XDG_DATA_HOME", ".local/share").join("outcrop") }
    }

    /// The directory for this user's sockets: `/run` for root.
    pub(crate) fn runtime(&self, is_root: bool) -> PathBuf {
        match self.get("XDG_RUNTIME_DIR") {
            Some(directory) if !is_root => directory.into(),
            _ if is_root => "/run".into(),
            _ => self.cache(),
        }
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Env {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// `config.toml`. Every key may be missing.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Config {
    /// The data root of the embedded engine.
    pub(crate) root: Option<PathBuf>,
    /// The engine to use unless one is named: a host as `-H` takes it, `docker`, `podman` or `embedded`.
    pub(crate) engine: Option<String>,
    /// Registries that are asked before Docker Hub: `https://host[:port]`.
    pub(crate) registry_mirrors: Vec<String>,
    /// Registries whose certificates are not looked at, and that may speak plain HTTP: `host[:port]`, or `10.0.0.0/8`.
    pub(crate) insecure_registries: Vec<String>,
    /// A theme file.
    pub(crate) theme: Option<PathBuf>,
    /// A file of keys.
    pub(crate) keys: Option<PathBuf>,
    /// Whether the terminal has a light ground.
    pub(crate) light: Option<bool>,
    /// Whether the mouse is used.
    pub(crate) mouse: Option<bool>,
    /// Sizes in powers of 1024.
    pub(crate) binary_sizes: Option<bool>,
}

impl Config {
    /// Reads `config.toml` in `directory`; a missing file is an empty one.
    pub(crate) fn read(directory: &Path) -> Result<Self, String> {
        let path = directory.join("config.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_root() {
        let env = Env::from([("HOME", "/home/me")]);
        assert_eq!(env.default_root(false), Path::new("/home/me/.local/share/outcrop"));
        assert_eq!(env.default_root(true), Path::new("/var/lib/outcrop"));
        let env = Env::from([("HOME", "/home/me"), ("XDG_DATA_HOME", "/data")]);
        assert_eq!(env.default_root(false), Path::new("/data/outcrop"));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert!(toml::from_str::<Config>("rooot = 'x'").is_err());
        let config: Config = toml::from_str("root = '/x'\nbinary-sizes = true").expect("is good");
        assert_eq!((config.root, config.binary_sizes), (Some("/x".into()), Some(true)));
    }
}
