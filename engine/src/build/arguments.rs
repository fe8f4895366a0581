//! Build arguments: what `ARG` declares, `--build-arg` gives, and everybody has.

use std::collections::{BTreeMap, BTreeSet};

use outcrop_layers::archive::Platform;

/// Proxies: allowed without an `ARG`, and no part of the cache's key unless declared.
const BUILT_IN: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The arguments of one build.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    given: BTreeMap<String, Option<String>>,
    /// Declared before the first `FROM`.
    global: BTreeMap<String, Option<String>>,
    /// Declared in this stage.
    declared: BTreeMap<String, Option<String>>,
    /// Declared anywhere.
    referenced: BTreeSet<String>,
}

impl Arguments {
    /// With `given` from outside; a name without a value leaves the default, as in Docker. The image is for `target`, made on `build`.
    pub(crate) fn new(given: &BTreeMap<String, Option<String>>, target: &Platform, build: &Platform) -> Self {
        let mut arguments = Self { given: given.clone(), ..Self::default() };
        for (side, platform) in [("TARGET", target), ("BUILD", build)] {
            let facts = [
                ("PLATFORM", platform.to_string()),
                ("OS", platform.os.clone()),
                ("ARCH", platform.architecture.clone()),
                ("VARIANT", platform.variant.clone().unwrap_or_default()),
            ];
            for (fact, value) in facts {
                arguments.global.insert(format!("{side}{fact}"), Some(value));
            }
        }
        arguments
    }

    /// Declares one before the first stage.
    pub(crate) fn declare_global(&mut self, name: &str, value: Option<String>) {
        self.referenced.insert(name.to_owned());
        if value.is_some() || !self.global.contains_key(name) {
            self.global.insert(name.to_owned(), value);
        }
    }

    /// Declares one in this stage.
    pub(crate) fn declare(&mut self, name: &str, value: Option<String>) {
        self.referenced.insert(name.to_owned());
        self.declared.insert(name.to_owned(), value);
    }

    /// Forgets what the stage before declared.
    pub(crate) fn begin_stage(&mut self) {
        self.declared.clear();
    }

    /// The value of a global one.
    pub(crate) fn global(&self, name: &str) -> Option<String> {
        let default = self.global.get(name)?;
        self.given.get(name).cloned().flatten().or_else(|| default.clone())
    }

    fn value(&self, name: &str) -> Option<String> {
        let places = [&self.given, &self.declared, &self.global];
        places.into_iter().find_map(|place| place.get(name).cloned().flatten())
    }

    /// `name=value` of all that a step sees beside its environment `env`.
    pub(crate) fn beside(&self, env: &[String]) -> Vec<String> {
        let in_env = |name: &str| env.iter().any(|entry| entry.split('=').next() == Some(name));
        let built_in = BUILT_IN.iter().map(|name| (*name).to_owned()).filter(|name| self.given.contains_key(name));
        let names: BTreeSet<String> = self.declared.keys().cloned().chain(built_in).collect();
        let entry = |name: &String| self.value(name).map(|value| format!("{name}={value}"));
        names.iter().filter(|name| !in_env(name)).filter_map(entry).collect()
    }

    /// Those of `beside` that decide whether a step is the same.
    pub(crate) fn counting<'a>(&self, beside: &'a [String]) -> Vec<&'a String> {
        let counts = |entry: &&String| {
            let name = entry.split('=').next().unwrap_or_default();
            self.referenced.contains(name) || !BUILT_IN.contains(&name)
        };
        beside.iter().filter(counts).collect()
    }

    /// Names that were given and that nothing declared.
    pub(crate) fn unused(&self) -> Vec<&str> {
        let used = |name: &str| self.referenced.contains(name) || BUILT_IN.contains(&name);
        self.given.keys().map(String::as_str).filter(|name| !used(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes() {
        let platform = Platform { os: "linux".into(), architecture: "arm64".into(), variant: Some("v8".into()) };
        let given = BTreeMap::from([
            ("A".to_owned(), Some("given".to_owned())),
            ("http_proxy".to_owned(), Some("p".to_owned())),
            ("X".to_owned(), Some("x".to_owned())),
            ("B".to_owned(), None),
            ("E".to_owned(), None),
        ]);
        let mut arguments = Arguments::new(&given, &platform, &platform);
        arguments.declare_global("A", Some("global".into()));
        arguments.declare_global("B", Some("global".into()));
        assert_eq!(arguments.global("A").as_deref(), Some("given"));
        assert_eq!((arguments.global("X"), arguments.global("B").as_deref()), (None, Some("global")));
        assert_eq!(arguments.beside(&[]), ["http_proxy=p"]);
        arguments.declare("A", None);
        arguments.declare("B", None);
        arguments.declare("C", Some("own".into()));
        arguments.declare("D", None);
        arguments.declare("E", Some("left".into()));
        arguments.declare("TARGETARCH", None);
        let beside = arguments.beside(&["C=env".to_owned()]);
        assert_eq!(beside, ["A=given", "B=global", "E=left", "TARGETARCH=arm64", "http_proxy=p"]);
        assert_eq!(arguments.counting(&beside), ["A=given", "B=global", "E=left", "TARGETARCH=arm64"]);
        assert_eq!(arguments.unused(), ["X"]);
        arguments.begin_stage();
        assert_eq!(arguments.beside(&[]), ["http_proxy=p"]);
    }
}
