//! Builds: what is asked for, what a plan says of each step, and what a builder says while it goes on.

use outcrop_layers::digest::ChainId;
use serde::Deserialize;

/// What is to be built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recipe {
    /// A folder of this machine.
    pub(crate) folder: String,
    /// The Dockerfile's name in it.
    pub(crate) dockerfile: String,
    /// The image's name; empty for none.
    pub(crate) name: String,
    /// The stage to stop at; empty for the last.
    pub(crate) target: String,
    pub(crate) arguments: Vec<(String, String)>,
    pub(crate) no_cache: bool,
    /// Whether images that the Dockerfile names are fetched also when they are here.
    pub(crate) pull: bool,
    /// `os/arch[/variant]`; empty for this machine's.
    pub(crate) platform: String,
}

impl Recipe {
    /// The words after `docker` that do the same.
    pub(crate) fn command(&self) -> Vec<String> {
        let mut words = vec!["build".to_owned()];
        let mut add = |flag: &str, value: &str| words.extend([flag.to_owned(), value.to_owned()]);
        if !self.name.is_empty() {
            add("-t", &self.name);
        }
        if self.dockerfile != "Dockerfile" {
            add("-f", &self.path());
        }
        if !self.target.is_empty() {
            add("--target", &self.target);
        }
        for (name, value) in &self.arguments {
            add("--build-arg", &format!("{name}={value}"));
        }
        if !self.platform.is_empty() {
            add("--platform", &self.platform);
        }
        for (on, flag) in [(self.no_cache, "--no-cache"), (self.pull, "--pull")] {
            words.extend(on.then(|| flag.to_owned()));
        }
        words.push(self.folder.clone());
        words
    }

    /// The Dockerfile's path.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.folder.trim_end_matches('/'), self.dockerfile)
    }
}

/// A layer that a step laid down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Laid {
    /// Chain IDs, base first; the last is the layer's own.
    pub(crate) chains: Vec<ChainId>,
    /// Bytes; for `FROM` those of the whole base.
    pub(crate) bytes: u64,
}

/// What would be done with one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PlannedStep {
    pub(crate) number: usize,
    /// Its line in the Dockerfile.
    pub(crate) line: usize,
    pub(crate) instruction: String,
    pub(crate) reused: bool,
    pub(crate) why: String,
    /// The image that it was before.
    pub(crate) image: Option<String>,
    /// Chain ID of the layer that it laid down before.
    pub(crate) layer: Option<String>,
    /// Bytes of that layer.
    pub(crate) size: Option<u64>,
    /// Filled in by who asked.
    #[serde(skip)]
    pub(crate) laid: Option<Laid>,
}

/// What a build would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Plan {
    pub(crate) dockerfile: String,
    /// How many steps at the beginning are those of the first plan.
    pub(crate) shared: usize,
    pub(crate) steps: Vec<PlannedStep>,
}

/// News of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// A step begins.
    Step { number: usize, of: usize, instruction: String },
    /// It was made before.
    Cached,
    /// The image of a step, by short ID.
    Image(String),
    /// A step laid down a layer.
    Laid(Laid),
    /// Time passes.
    Clock,
    /// What a command, or the builder, wrote.
    Output(String),
    /// The whole is done: the image's ID.
    Built(String),
    /// It failed; the text says why.
    Failed(String),
}

/// Reads the words of a classic builder. Commands write into the same stream, so that one which writes what a builder says is
/// believed only where it fits: steps come one after the other.
#[derive(Debug, Default)]
pub(crate) struct Words {
    step: usize,
    of: usize,
    /// The end of the builder's line comes by itself.
    owes_end: bool,
}

impl Words {
    /// What a piece of the stream says.
    pub(crate) fn read(&mut self, text: &str) -> Option<News> {
        if self.owes_end && text == "\n" {
            self.owes_end = false;
            return None;
        }
        self.owes_end = !text.ends_with('\n');
        let line = text.trim_end();
        if let Some((number, of, instruction)) = step(line)
            && number == self.step + 1
            && (self.of == 0 || of == self.of)
        {
            (self.step, self.of) = (number, of);
            return Some(News::Step { number, of, instruction: instruction.to_owned() });
        }
        if let Some(rest) = line.strip_prefix(" ---> ") {
            return match rest {
                "Using cache" => Some(News::Cached),
                id if id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit()) => Some(News::Image(id.to_owned())),
                rest if rest.starts_with("Running in ") => None,
                rest => Some(News::Output(format!("{rest}\n"))),
            };
        }
        let own = ["Removing intermediate container ", "Successfully built ", "Successfully tagged "];
        if own.iter().any(|word| line.starts_with(word)) {
            return None;
        }
        self.owes_end = false;
        Some(News::Output(text.to_owned()))
    }
}

/// Reads `Step 1/5 : FROM base`.
fn step(line: &str) -> Option<(usize, usize, &str)> {
    let (numbers, instruction) = line.strip_prefix("Step ")?.split_once(" : ")?;
    let (number, of) = numbers.split_once('/')?;
    Some((number.parse().ok()?, of.parse().ok()?, instruction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_builders_say() {
        let mut words = Words::default();
        let said: Vec<News> = [
            "Step 1/2 : FROM base",
            "\n",
            " ---> 0123456789ab\n",
            "Step 2/2 : RUN echo hi\n",
            " ---> Running in 0123456789ab\n",
            "hi\n",
            "Step 9/9 : a command said this\n",
            "\n",
            "Removing intermediate container 0123456789ab\n",
            " ---> fedcba987654\n",
            "Successfully built fedcba987654\n",
        ]
        .iter()
        .filter_map(|text| words.read(text))
        .collect();
        let step = |number, instruction: &str| News::Step { number, of: 2, instruction: instruction.into() };
        let output = |text: &str| News::Output(text.into());
        let expected = [
            step(1, "FROM base"),
            News::Image("0123456789ab".into()),
            step(2, "RUN echo hi"),
            output("hi\n"),
            output("Step 9/9 : a command said this\n"),
            output("\n"),
            News::Image("fedcba987654".into()),
        ];
        assert_eq!(said, expected);
        assert_eq!(words.read(" ---> Using cache\n"), Some(News::Cached));
        assert_eq!(words.read(" ---> [Warning] x\n"), Some(output("[Warning] x\n")));
    }

    #[test]
    fn reads_a_plan() {
        let text = r#"{"Dockerfile":"Dockerfile","Shared":1,"Steps":[{"Number":1,"Of":1,"Line":1,"Instruction":"FROM base",
            "Reused":true,"Why":"it is here","Image":"sha256:00","Layer":null,"Size":null}]}"#;
        let plan: Plan = serde_json::from_str(text).expect("is a plan");
        assert_eq!((plan.shared, plan.steps[0].reused, plan.steps[0].image.as_deref()), (1, true, Some("sha256:00")));
    }

    #[test]
    fn says_the_command() {
        let recipe = Recipe {
            folder: "/src".into(),
            dockerfile: "Dockerfile2".into(),
            name: "app2".into(),
            target: "last".into(),
            arguments: vec![("A".into(), "b".into())],
            no_cache: true,
            pull: true,
            platform: "linux/arm64".into(),
        };
        let words = "build -t app2 -f /src/Dockerfile2 --target last --build-arg A=b --platform linux/arm64 --no-cache --pull /src";
        assert_eq!(recipe.command().join(" "), words);
    }
}
