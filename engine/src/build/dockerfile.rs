//! A Dockerfile understood: global arguments, and stages.

use super::instruction::{From, Instruction, Kind};
use super::lines::Lines;
use super::parse;
use super::problem::{Place, Problem};

/// A Dockerfile.
#[derive(Clone, Debug)]
pub struct Dockerfile {
    /// `ARG`s before the first `FROM`.
    pub(crate) arguments: Vec<Instruction>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) escape: char,
    /// The frontend that `# syntax=` names.
    pub(crate) syntax: Option<String>,
}

/// From one `FROM` to the next.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) from: From,
    pub(crate) place: Place,
    /// The `FROM` as it was written.
    pub(crate) text: String,
    pub(crate) steps: Vec<Instruction>,
}

impl Dockerfile {
    /// Reads one; `name` is for messages.
    ///
    /// # Errors
    /// The first thing that is wrong, with file, line and word.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, Problem> {
        let lines = Lines::read(name, bytes)?;
        let mut file =
            Self { arguments: Vec::new(), stages: Vec::new(), escape: lines.escape, syntax: lines.syntax.clone() };
        for line in &lines.all {
            let instruction = parse::instruction(&lines, line)?;
            match (instruction.kind, file.stages.last_mut()) {
                (Kind::From(from), _) => {
                    let taken =
                        file.stages.iter().any(|stage| stage.from.name.is_some() && stage.from.name == from.name);
                    if let Some(name) = from.name.as_deref().filter(|_| taken) {
                        let message =
                            format!("duplicate name for build stage: {name}; later stages could not tell them apart");
                        return Err(instruction.place.problem(name, message));
                    }
                    let Instruction { place, text, .. } = Instruction { kind: Kind::Arg(Vec::new()), ..instruction };
                    file.stages.push(Stage { from, place, text, steps: Vec::new() });
                }
                (kind, Some(stage)) => stage.steps.push(Instruction { kind, ..instruction }),
                (kind @ Kind::Arg(_), None) => file.arguments.push(Instruction { kind, ..instruction }),
                (_, None) => {
                    let message = "no build stage in current context: the first instruction must be FROM (or ARG)";
                    return Err(instruction.place.problem("", message));
                }
            }
        }
        if file.stages.is_empty() {
            return Err(Problem::of_file(&lines.source, "has no FROM"));
        }
        Ok(file)
    }

    /// How many steps the first `stages` stages have, global arguments counted.
    pub(crate) fn count(&self, stages: usize) -> usize {
        self.arguments.len() + self.stages.iter().take(stages).map(|stage| stage.steps.len() + 1).sum::<usize>()
    }

    /// The stage of that name or number.
    pub(crate) fn stage(&self, name: &str) -> Option<usize> {
        let by_name = self
            .stages
            .iter()
            .position(|stage| stage.from.name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(name)));
        by_name.or_else(|| name.parse().ok().filter(|&at: &usize| at < self.stages.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages() {
        let text = "ARG A=1\nARG B\nFROM x AS one\nRUN a\nRUN b\nFROM one\nCOPY --from=one c d\n";
        let file = Dockerfile::parse("Dockerfile", text.as_bytes()).expect("a Dockerfile");
        assert_eq!((file.arguments.len(), file.stages.len(), file.count(1), file.count(2)), (2, 2, 5, 7));
        assert_eq!(
            (file.stage("ONE"), file.stage("1"), file.stage("2"), file.stage("x")),
            (Some(0), Some(1), None, None)
        );
        for (text, said) in [
            ("RUN a", "Dockerfile:1: no build stage in current context"),
            ("ARG A", "Dockerfile: has no FROM"),
            ("FROM a AS b\nFROM c AS B", "Dockerfile:2: duplicate name for build stage: b"),
        ] {
            let error = Dockerfile::parse("Dockerfile", text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
