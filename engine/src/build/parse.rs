//! From lines to instructions: arguments counted, flags known, names valid.

mod copy;
mod health;

pub(crate) use copy::is_url;

use super::flags::{self, Flags, Known};
use super::heredoc::{self, Heredoc};
use super::instruction::{CommandLine, From, Instruction, Kind, Pair, Run};
use super::json;
use super::lines::{Line, Lines, is_blank};
use super::mounts::RunMount;
use super::problem::{Place, Problem, nearest};

/// The instructions.
const WORDS: [&str; 18] = [
    "FROM",
    "ARG",
    "ENV",
    "LABEL",
    "RUN",
    "COPY",
    "ADD",
    "CMD",
    "ENTRYPOINT",
    "SHELL",
    "WORKDIR",
    "USER",
    "EXPOSE",
    "VOLUME",
    "STOPSIGNAL",
    "HEALTHCHECK",
    "ONBUILD",
    "MAINTAINER",
];

/// One line, while it is being understood.
struct Parser<'a> {
    word: String,
    rest: &'a str,
    heredocs: &'a [Heredoc],
    escape: char,
    place: Place,
}

/// Understands one line.
pub(crate) fn instruction(lines: &Lines, line: &Line) -> Result<Instruction, Problem> {
    let place = lines.place(line);
    let (word, rest) = line.split();
    let parser = Parser {
        word: word.to_ascii_uppercase(),
        rest: rest.trim_end_matches(is_blank),
        heredocs: &line.heredocs,
        escape: lines.escape,
        place: place.clone(),
    };
    let kind = parser.kind(word)?;
    Ok(Instruction { kind, place, text: line.text.trim().to_owned() })
}

impl<'a> Parser<'a> {
    fn problem(&self, word: &str, message: impl Into<String>) -> Problem {
        self.place.problem(word, message)
    }

    /// `WORD why`, about the instruction's word.
    fn needs<T>(&self, why: &str) -> Result<T, Problem> {
        Err(self.problem("", format!("{} {why}", self.word)))
    }

    fn kind(&self, written: &str) -> Result<Kind, Problem> {
        Ok(match self.word.as_str() {
            "FROM" => Kind::From(self.from()?),
            "ARG" => Kind::Arg(self.arg()?),
            "ENV" => Kind::Env(self.pairs()?),
            "LABEL" => Kind::Label(self.pairs()?),
            "RUN" => Kind::Run(self.run()?),
            "COPY" => Kind::Copy(self.copy(false)?),
            "ADD" => Kind::Copy(self.copy(true)?),
            "CMD" => Kind::Cmd(self.command_line()?),
            "ENTRYPOINT" => Kind::Entrypoint(self.command_line()?),
            "SHELL" => Kind::Shell(self.shell()?),
            "WORKDIR" => Kind::Workdir(self.one()?),
            "USER" => Kind::User(self.one()?),
            "STOPSIGNAL" => Kind::StopSignal(self.one()?),
            "MAINTAINER" => Kind::Maintainer(self.one()?),
            "EXPOSE" => Kind::Expose(self.expose()?),
            "VOLUME" => Kind::Volume(self.volume()?),
            "HEALTHCHECK" => Kind::Healthcheck(Box::new(self.health()?)),
            "ONBUILD" => Kind::OnBuild(self.on_build()?),
            _ => {
                let meant =
                    nearest(written, WORDS).map(|meant| format!(" (did you mean {meant}?)")).unwrap_or_default();
                return Err(self.problem(written, format!("unknown instruction: {written}{meant}")));
            }
        })
    }

    /// The flags, and what follows them.
    fn flags(&self, known: &Known) -> Result<(Flags, &'a str), Problem> {
        Flags::take(self.rest, known, &self.place)
    }

    /// What follows, where no flag is known.
    fn plain(&self) -> Result<&'a str, Problem> {
        Ok(self.flags(&flags::NONE)?.1)
    }

    fn one(&self) -> Result<String, Problem> {
        match self.plain()? {
            "" => self.needs("requires exactly one argument"),
            text => Ok(text.into()),
        }
    }

    fn from(&self) -> Result<From, Problem> {
        let (flags, rest) = self.flags(&Known { one: &["platform"], ..flags::NONE })?;
        let words: Vec<&str> = rest.split(is_blank).filter(|word| !word.is_empty()).collect();
        let (image, name) = match words[..] {
            [image] => (image, None),
            [image, r#as, name] if r#as.eq_ignore_ascii_case("as") => (image, Some(name)),
            [_, other, _] => {
                let message = "FROM requires either one or three arguments: FROM IMAGE [AS NAME]";
                return Err(self.problem(other, message));
            }
            _ => return self.needs("requires either one or three arguments"),
        };
        let is_valid = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c))
        };
        if let Some(name) = name.filter(|name| !is_valid(&name.to_lowercase())) {
            let why = "name can't start with a number or contain symbols";
            return Err(self.problem(name, format!("invalid name for build stage: {name:?}, {why}")));
        }
        let platform = flags.get("platform").map(str::to_owned);
        Ok(From { image: image.into(), name: name.map(str::to_lowercase), platform })
    }

    fn arg(&self) -> Result<Vec<(String, Option<String>)>, Problem> {
        let words = split_words(self.plain()?, self.escape);
        if words.is_empty() {
            return self.needs("requires at least one argument");
        }
        let arg = |word: &String| match word.split_once('=') {
            Some(("", _)) => Err(self.problem(word, "ARG names can not be blank")),
            Some((name, value)) => Ok((name.to_owned(), Some(value.to_owned()))),
            None => Ok((word.clone(), None)),
        };
        words.iter().map(arg).collect()
    }

    /// `key=value …`, or the older `key all the rest`.
    fn pairs(&self) -> Result<Vec<Pair>, Problem> {
        let rest = self.plain()?;
        let words = split_words(rest, self.escape);
        let Some(first) = words.first() else { return self.needs("requires at least one argument") };
        if !first.contains('=') {
            let (key, value) = rest.split_once(is_blank).unwrap_or((rest, ""));
            let value = value.trim_start_matches(is_blank);
            if value.is_empty() {
                return self.needs("must have two arguments");
            }
            return Ok(vec![(key.into(), value.into())]);
        }
        let pair = |word: &String| match word.split_once('=') {
            Some(("", _)) => Err(self.problem(word, format!("{} names can not be blank", self.word))),
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => {
                let why = format!("Syntax error - can't find = in {word:?}. Must be of the form: name=value");
                Err(self.problem(word, why))
            }
        };
        words.iter().map(pair).collect()
    }

    fn exec_form(&self, text: &str) -> Result<Option<Vec<String>>, Problem> {
        json::words(text).map_err(|why| self.problem(text, why))
    }

    fn command(&self, text: &str) -> Result<CommandLine, Problem> {
        Ok(match self.exec_form(text)? {
            Some(words) => CommandLine::Exec(words),
            None if text.is_empty() => return self.needs("requires at least one argument"),
            None => CommandLine::Shell(text.into()),
        })
    }

    fn command_line(&self) -> Result<CommandLine, Problem> {
        self.command(self.plain()?)
    }

    fn run(&self) -> Result<Run, Problem> {
        let known = Known { one: &["network", "security"], many: &["mount", "device"], ..flags::NONE };
        let (flags, text) = self.flags(&known)?;
        for name in ["security", "device"] {
            if let Some(value) = flags.get(name).filter(|value| *value != "sandbox") {
                let message =
                    format!("--{name}={value} is not possible here: steps get no more rights than any container");
                return Err(self.problem(&format!("--{name}"), message));
            }
        }
        let network = flags.get("network").map(str::to_owned);
        if let Some(other) = network.as_deref().filter(|name| !["default", "none", "host"].contains(name)) {
            return Err(self.problem(other, format!("invalid network mode {other:?}: use default, none or host")));
        }
        let mounts = flags.all("mount");
        for mount in mounts.iter().filter(|mount| !mount.contains('$')) {
            RunMount::parse(mount).map_err(|(word, why)| self.problem(&word, format!("--mount: {why}")))?;
        }
        let mut command = self.command(text)?;
        if matches!(&command, CommandLine::Exec(words) if words.is_empty()) {
            return self.needs("requires at least one argument");
        }
        let mut script = None;
        if let CommandLine::Shell(text) = &mut command
            && let Some(first) = self.heredocs.first()
        {
            let alone = self.heredocs.len() == 1 && heredoc::words(text).len() == 1;
            if alone && first.text().starts_with("#!") {
                script = Some(first.clone());
            } else if alone {
                *text = first.text();
            } else {
                for heredoc in self.heredocs {
                    text.push('\n');
                    text.push_str(&heredoc.content);
                    text.push_str(&heredoc.name);
                }
            }
        }
        Ok(Run { command, mounts, network, script })
    }

    fn shell(&self) -> Result<Vec<String>, Problem> {
        let text = self.plain()?;
        match self.exec_form(text)? {
            Some(words) if words.is_empty() => self.needs("requires at least one argument"),
            Some(words) => Ok(words),
            None => Err(self.problem(text, "SHELL requires the arguments to be in JSON form")),
        }
    }

    fn expose(&self) -> Result<Vec<String>, Problem> {
        let mut ports: Vec<String> =
            self.plain()?.split(is_blank).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        if ports.is_empty() {
            return self.needs("requires at least one argument");
        }
        ports.sort();
        Ok(ports)
    }

    fn volume(&self) -> Result<Vec<String>, Problem> {
        let text = self.plain()?;
        let words = self
            .exec_form(text)?
            .unwrap_or_else(|| text.split(is_blank).filter(|word| !word.is_empty()).map(str::to_owned).collect());
        if words.is_empty() {
            return self.needs("requires at least one argument");
        }
        let words: Vec<String> = words.iter().map(|word| word.trim().to_owned()).collect();
        if words.iter().any(String::is_empty) {
            return self.needs("specified can not be an empty string");
        }
        Ok(words)
    }

    fn on_build(&self) -> Result<String, Problem> {
        let text = self.plain()?;
        let (trigger, rest) = text.split_once(is_blank).unwrap_or((text, ""));
        let upper = trigger.to_ascii_uppercase();
        match upper.as_str() {
            "" => return self.needs("requires at least one argument"),
            "ONBUILD" => {
                return Err(self.problem(trigger, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"));
            }
            "FROM" | "MAINTAINER" => {
                return Err(self.problem(trigger, format!("{upper} isn't allowed as an ONBUILD trigger")));
            }
            _ => {}
        }
        // What is wrong with it is told now and not when somebody builds on the image.
        let parser = Parser {
            word: upper,
            rest: rest.trim_start_matches(is_blank),
            heredocs: self.heredocs,
            escape: self.escape,
            place: self.place.clone(),
        };
        parser.kind(trigger)?;
        let mut whole = text.to_owned();
        for heredoc in self.heredocs {
            whole.push('\n');
            whole.push_str(&heredoc.content);
            whole.push_str(&heredoc.name);
        }
        Ok(whole)
    }
}

/// Splits at blanks outside of quotes; quotes and escape characters stay.
pub(crate) fn split_words(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quote, mut quoted) = (None, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match quote {
            None if c.is_whitespace() => {
                if quoted || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                quoted = false;
                continue;
            }
            None if matches!(c, '"' | '\'') => (quote, quoted) = (Some(c), true),
            Some(open) if open == c => quote = None,
            _ => {}
        }
        if c == escape && quote != Some('\'') {
            let Some(next) = chars.next() else { continue };
            word.push(c);
            word.push(next);
            continue;
        }
        word.push(c);
    }
    if quoted || !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests;
