//! Dockerfile instructions that change a configuration, as `import --change` and `commit --change` take them.

mod words;

use serde_json::{Map, Value, json};

use words::{expand, pairs, split};

/// Says what is wrong with an instruction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No instruction, or one that has no meaning without a build.
    #[error("{0} is not a valid change command")]
    Unknown(String),
    /// Something is missing or too much.
    #[error("{instruction}: {why}")]
    Arguments {
        /// The instruction.
        instruction: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// The part `config` of an image configuration, in Docker's names.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    config: Map<String, Value>,
    command_set: bool,
}

fn wrong(instruction: &'static str, why: impl Into<String>) -> ChangeError {
    ChangeError::Arguments { instruction, why: why.into() }
}

impl Changes {
    /// Starts with a configuration.
    pub fn new(config: Map<String, Value>) -> Self {
        Self { config, command_set: false }
    }

    /// The changed configuration.
    pub fn into_config(self) -> Map<String, Value> {
        self.config
    }

    /// Applies a text of one or more instructions, one a line; a backslash at its end continues a line.
    pub fn apply(&mut self, text: &str) -> Result<(), ChangeError> {
        let joined = text.replace("\\\r\n", "").replace("\\\n", "");
        for line in joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            self.instruction(word, rest.trim())?;
        }
        Ok(())
    }

    fn instruction(&mut self, word: &str, rest: &str) -> Result<(), ChangeError> {
        match word.to_ascii_uppercase().as_str() {
            "CMD" => {
                self.set("Cmd", command(rest));
                self.command_set = true;
            }
            "ENTRYPOINT" => {
                self.set("Entrypoint", command(rest));
                // A command of the base was meant for its own entry point.
                if !self.command_set {
                    self.config.remove("Cmd");
                }
            }
            "ENV" => self.environment(rest)?,
            "LABEL" => self.label(rest)?,
            "EXPOSE" => self.expose(rest)?,
            "VOLUME" => self.volume(rest)?,
            "USER" => self.one("USER", "User", rest)?,
            "WORKDIR" => self.directory(rest)?,
            "STOPSIGNAL" => self.stop_signal(rest)?,
            "HEALTHCHECK" => self.health_check(rest)?,
            "ONBUILD" => self.on_build(rest)?,
            _ => return Err(ChangeError::Unknown(word.into())),
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.config.insert(key.into(), value.into());
    }

    /// The environment so far, `KEY=value`.
    fn env(&self) -> Vec<String> {
        let env = self.config.get("Env").and_then(Value::as_array);
        env.into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect()
    }

    fn expand(&self, instruction: &'static str, word: &str) -> Result<String, ChangeError> {
        expand(word, &self.env()).map_err(|why| wrong(instruction, why))
    }

    fn object(&mut self, key: &str) -> &mut Map<String, Value> {
        let value = self.config.entry(key).or_insert_with(|| json!({}));
        if !value.is_object() {
            *value = json!({});
        }
        match value {
            Value::Object(object) => object,
            _ => unreachable!("it was made one above"),
        }
    }

    fn environment(&mut self, rest: &str) -> Result<(), ChangeError> {
        let before = self.env();
        let mut env = before.clone();
        for (key, value) in pairs("ENV", rest).map_err(|why| wrong("ENV", why))? {
            // All values of one instruction see the environment before it.
            let expanded = |text: &str| expand(text, &before).map_err(|why| wrong("ENV", why));
            let (key, value) = (expanded(&key)?, expanded(&value)?);
            let entry = format!("{key}={value}");
            match env.iter_mut().find(|old| old.split('=').next() == Some(key.as_str())) {
                Some(old) => *old = entry,
                None => env.push(entry),
            }
        }
        self.set("Env", env);
        Ok(())
    }

    fn label(&mut self, rest: &str) -> Result<(), ChangeError> {
        for (key, value) in pairs("LABEL", rest).map_err(|why| wrong("LABEL", why))? {
            let (key, value) = (self.expand("LABEL", &key)?, self.expand("LABEL", &value)?);
            self.object("Labels").insert(key, value.into());
        }
        Ok(())
    }

    fn expose(&mut self, rest: &str) -> Result<(), ChangeError> {
        let words = split(rest);
        if words.is_empty() {
            return Err(wrong("EXPOSE", "requires at least one argument"));
        }
        for word in words {
            for word in split(&self.expand("EXPOSE", &word)?) {
                for port in ports(&word).map_err(|why| wrong("EXPOSE", why))? {
                    self.object("ExposedPorts").insert(port, json!({}));
                }
            }
        }
        Ok(())
    }

    fn volume(&mut self, rest: &str) -> Result<(), ChangeError> {
        let words = match json_words(rest) {
            Some(words) => words,
            None => split(rest).iter().map(|word| self.expand("VOLUME", word)).collect::<Result<_, _>>()?,
        };
        if words.is_empty() {
            return Err(wrong("VOLUME", "requires at least one argument"));
        }
        for word in words {
            let path = word.trim();
            if path.is_empty() {
                return Err(wrong("VOLUME", "specified can not be an empty string"));
            }
            self.object("Volumes").insert(path.into(), json!({}));
        }
        Ok(())
    }

    fn one(&mut self, instruction: &'static str, key: &str, rest: &str) -> Result<(), ChangeError> {
        match &split(rest)[..] {
            [word] => {
                let value = self.expand(instruction, word)?;
                self.set(key, value);
                Ok(())
            }
            _ => Err(wrong(instruction, "requires exactly one argument")),
        }
    }

    fn directory(&mut self, rest: &str) -> Result<(), ChangeError> {
        if rest.is_empty() {
            return Err(wrong("WORKDIR", "requires exactly one argument"));
        }
        let path = self.expand("WORKDIR", rest)?;
        let before = self.config.get("WorkingDir").and_then(Value::as_str).unwrap_or_default();
        let path = if path.starts_with('/') { path } else { format!("/{before}/{path}") };
        self.set("WorkingDir", clean(&path));
        Ok(())
    }

    fn stop_signal(&mut self, rest: &str) -> Result<(), ChangeError> {
        self.one("STOPSIGNAL", "StopSignal", rest)?;
        let signal = self.config["StopSignal"].as_str().unwrap_or_default();
        if is_signal(signal) { Ok(()) } else { Err(wrong("STOPSIGNAL", format!("Invalid signal: {signal}"))) }
    }

    fn on_build(&mut self, rest: &str) -> Result<(), ChangeError> {
        let trigger = rest.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        match trigger.as_str() {
            "" => return Err(wrong("ONBUILD", "requires at least one argument")),
            "ONBUILD" => return Err(wrong("ONBUILD", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")),
            "FROM" | "MAINTAINER" => {
                return Err(wrong("ONBUILD", format!("{trigger} isn't allowed as an ONBUILD trigger")));
            }
            _ => {}
        }
        let triggers = self.config.entry("OnBuild").or_insert_with(|| json!([]));
        match triggers.as_array_mut() {
            Some(triggers) => triggers.push(rest.into()),
            None => *triggers = json!([rest]),
        }
        Ok(())
    }

    fn health_check(&mut self, rest: &str) -> Result<(), ChangeError> {
        let mut check = Map::new();
        let mut rest = rest;
        while let Some(option) = rest.strip_prefix("--") {
            let (option, after) = option.split_once(char::is_whitespace).unwrap_or((option, ""));
            let (name, value) =
                option.split_once('=').ok_or_else(|| wrong("HEALTHCHECK", format!("--{option} needs a value")))?;
            let (key, number) = health_option(name, value).map_err(|why| wrong("HEALTHCHECK", why))?;
            check.insert(key.into(), number.into());
            rest = after.trim_start();
        }
        let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let command = command.trim();
        match kind.to_ascii_uppercase().as_str() {
            "NONE" if command.is_empty() => {
                check.insert("Test".into(), json!(["NONE"]));
            }
            "NONE" => return Err(wrong("HEALTHCHECK", "NONE takes no arguments")),
            "CMD" if command.is_empty() => return Err(wrong("HEALTHCHECK", "Missing command after HEALTHCHECK CMD")),
            "CMD" => {
                let test = match json_words(command) {
                    Some(words) => [vec!["CMD".to_owned()], words].concat(),
                    None => vec!["CMD-SHELL".into(), command.into()],
                };
                check.insert("Test".into(), json!(test));
            }
            other => return Err(wrong("HEALTHCHECK", format!("Unknown type {other:?} in HEALTHCHECK (try CMD)"))),
        }
        self.set("Healthcheck", check);
        Ok(())
    }
}

fn health_option(name: &str, value: &str) -> Result<(&'static str, i64), String> {
    let key = match name {
        "interval" => "Interval",
        "timeout" => "Timeout",
        "start-period" => "StartPeriod",
        "start-interval" => "StartInterval",
        "retries" => {
            let retries: i64 = value.parse().map_err(|_| format!("--retries must be a number, found {value:?}"))?;
            return if retries >= 0 { Ok(("Retries", retries)) } else { Err("--retries cannot be negative".into()) };
        }
        other => return Err(format!("unknown flag: --{other}")),
    };
    let nanoseconds = crate::filters::parse_duration(value)
        .and_then(|n| i64::try_from(n).ok())
        .ok_or_else(|| format!("--{name} must be a duration such as 30s, found {value:?}"))?;
    if nanoseconds != 0 && nanoseconds < 1_000_000 {
        return Err(format!("Interval {name:?} cannot be less than 1ms"));
    }
    Ok((key, nanoseconds))
}

/// `["a", "b"]` as words; `None` if it is no JSON list of texts.
fn json_words(text: &str) -> Option<Vec<String>> {
    text.starts_with('[').then(|| serde_json::from_str(text).ok()).flatten()
}

/// The exec form as it is, anything else for a shell.
fn command(rest: &str) -> Vec<String> {
    json_words(rest).unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into(), rest.into()])
}

/// `[[ip:]host:]port[-port][/protocol]` as Docker's keys; what comes before the container's port does not matter here.
pub(crate) fn ports(text: &str) -> Result<Vec<String>, String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(format!("Invalid proto: {protocol}"));
    }
    let range = ports.rsplit(':').next().unwrap_or(ports);
    let (low, high) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| text.parse::<u16>().map_err(|_| format!("Invalid containerPort: {range}"));
    let (low, high) = (number(low)?, number(high)?);
    if low > high {
        return Err(format!("Invalid range specified for port: {range}"));
    }
    Ok((low..=high).map(|port| format!("{port}/{protocol}")).collect())
}

/// Go's `path.Clean` of an absolute path.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// A number from 1 to 64, or a Linux signal's name with or without `SIG`.
fn is_signal(text: &str) -> bool {
    const NAMES: [&str; 34] = [
        "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
        "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
        "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
    ];
    if let Ok(number) = text.parse::<u8>() {
        return (1..=64).contains(&number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let real_time = |prefix: &str, sign: char, most: u8| {
        name.strip_prefix(prefix).is_some_and(|rest| {
            rest.is_empty()
                || rest.strip_prefix(sign).and_then(|n| n.parse().ok()).is_some_and(|n| (1..=most).contains(&n))
        })
    };
    NAMES.contains(&name) || real_time("RTMIN", '+', 15) || real_time("RTMAX", '-', 14)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(changes: &[&str]) -> Result<Value, ChangeError> {
        let mut config = Changes::default();
        for change in changes {
            config.apply(change)?;
        }
        Ok(config.into_config().into())
    }

    #[test]
    fn instructions_change_what_they_name() {
        let table: [(&[&str], Value); 19] = [
            (&["CMD [\"sh\", \"-l\"]"], json!({"Cmd": ["sh", "-l"]})),
            (&["cmd echo $HOME"], json!({"Cmd": ["/bin/sh", "-c", "echo $HOME"]})),
            (&["CMD a", "ENTRYPOINT [\"x\"]"], json!({"Cmd": ["/bin/sh", "-c", "a"], "Entrypoint": ["x"]})),
            (&["ENV A=1 B=\"b c\"", "ENV A=2"], json!({"Env": ["A=2", "B=b c"]})),
            (&["ENV A some words"], json!({"Env": ["A=some words"]})),
            (&["ENV A=x", "ENV A=y B=$A"], json!({"Env": ["A=y", "B=x"]})),
            (&["ENV P=/a", "WORKDIR ${P}/b", "WORKDIR ../c"], json!({"Env": ["P=/a"], "WorkingDir": "/a/c"})),
            (&["LABEL a=b \"c d\"=\"e f\""], json!({"Labels": {"a": "b", "c d": "e f"}})),
            (
                &["EXPOSE 80 53/UDP 8000-8002"],
                json!({"ExposedPorts": {"80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}, "8002/tcp": {}}}),
            ),
            (&["VOLUME /a /b"], json!({"Volumes": {"/a": {}, "/b": {}}})),
            (&["VOLUME [\"/a b\"]"], json!({"Volumes": {"/a b": {}}})),
            (&["USER 1000:1000"], json!({"User": "1000:1000"})),
            (&["STOPSIGNAL SIGRTMIN+3"], json!({"StopSignal": "SIGRTMIN+3"})),
            (&["ONBUILD RUN x", "ONBUILD COPY a b"], json!({"OnBuild": ["RUN x", "COPY a b"]})),
            (&["HEALTHCHECK NONE"], json!({"Healthcheck": {"Test": ["NONE"]}})),
            (
                &["HEALTHCHECK --interval=30s --retries=3 CMD curl -f x"],
                json!({"Healthcheck": {"Interval": 30_000_000_000_i64, "Retries": 3, "Test": ["CMD-SHELL", "curl -f x"]}}),
            ),
            (&["HEALTHCHECK CMD [\"a\"]"], json!({"Healthcheck": {"Test": ["CMD", "a"]}})),
            (&["# comment\nUSER a\nWORKDIR b"], json!({"User": "a", "WorkingDir": "/b"})),
            (&["ENV A=1 \\\n B=2"], json!({"Env": ["A=1", "B=2"]})),
        ];
        for (changes, expected) in table {
            assert_eq!(after(changes), Ok(expected), "{changes:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for change in [
            "RUN x",
            "FROM a",
            "COPY a b",
            "FOO",
            "USER",
            "USER a b",
            "EXPOSE",
            "EXPOSE x",
            "EXPOSE 70000",
            "EXPOSE 9-8",
            "EXPOSE 80/icmp",
            "ENV",
            "ENV A",
            "ENV A=1 B",
            "LABEL",
            "VOLUME",
            "VOLUME [\"\"]",
            "STOPSIGNAL SIGFOO",
            "STOPSIGNAL 65",
            "ONBUILD",
            "ONBUILD ONBUILD RUN x",
            "ONBUILD FROM x",
            "HEALTHCHECK",
            "HEALTHCHECK NONE x",
            "HEALTHCHECK CMD",
            "HEALTHCHECK --interval=1 CMD x",
            "HEALTHCHECK --foo=1 CMD x",
            "HEALTHCHECK RUN x",
            "WORKDIR",
            "ENV A=${B",
        ] {
            assert!(after(&[change]).is_err(), "{change}");
        }
    }
}
