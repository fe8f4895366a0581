//! Scripts of commands, run on two engines and compared.
//!
//! A line is what stands after `docker`, with quotes as in a shell; `words <<< text` gives text and a line end on the standard input.
//! `$ ` before it makes it a line for `sh`, with `docker` set to the engine. `# ` is a comment. `! ` gives the reason why the
//! answers to the next line differ and ours is to stay: when they are the same, the test fails too. `@W` is a directory of
//! the run's own.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::outcrop::feed;

/// How long a command may take, for `timeout`.
const PATIENCE: &str = "60";

/// An engine that scripts are run on.
pub(super) struct Engine<'a> {
    /// Where its API is.
    pub(super) host: String,
    /// Its data root, which is taken out of what it says.
    pub(super) root: &'a Path,
    /// The directory for `@W`.
    pub(super) work: std::path::PathBuf,
}

/// Runs `script` on both and gives what differs and should not, or should and does not.
pub(super) fn differences(script: &str, theirs: &Engine<'_>, ours: &Engine<'_>) -> Vec<String> {
    let lines: Vec<&str> = script.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let commands: Vec<&str> = lines.iter().copied().filter(|line| !line.starts_with('!')).collect();
    let run = |engine: &Engine<'_>| {
        std::fs::create_dir_all(&engine.work).expect("a directory");
        commands.iter().map(|line| engine.run(line)).collect::<Vec<_>>()
    };
    let (ours, theirs) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| run(theirs));
        (run(ours), theirs.join().expect("dockerd's answers"))
    });
    let mut found = Vec::new();
    let (mut answers, mut reason) = (ours.into_iter().zip(theirs), None);
    for line in lines {
        if let Some(why) = line.strip_prefix("! ") {
            reason = Some(why);
            continue;
        }
        let Some((one, other)) = answers.next() else { break };
        match (reason.take(), one == other) {
            (None, false) => found.push(format!("{line}\n--- outcrop\n{one}\n--- dockerd\n{other}")),
            (Some(reason), true) => found.push(format!("{line}\nis the same, against: {reason}\n{one}")),
            _ => {}
        }
    }
    found
}

impl Engine<'_> {
    fn run(&self, line: &str) -> String {
        let line = line.replace("@W", &self.work.to_string_lossy());
        let mut command = Command::new("timeout");
        command.arg(PATIENCE).current_dir(&self.work).stdin(Stdio::null());
        for (name, value) in [("DOCKER_HOST", self.host.as_str()), ("DOCKER_CONFIG", "/nonexistent")] {
            command.env(name, value);
        }
        command.env_remove("DOCKER_CONTEXT").env_remove("DOCKER_API_VERSION");
        let output = if let Some(text) = line.strip_prefix("$ ") {
            command.args(["sh", "-c", text]).output().expect("sh")
        } else {
            let (words, input) = line.split_once(" <<< ").unwrap_or((&line, ""));
            command.arg("docker").args(split(words));
            if input.is_empty() {
                command.output().expect("docker")
            } else {
                feed(command, format!("{input}\n").as_bytes())
            }
        };
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        let text = text.replace(&*self.work.to_string_lossy(), "@W").replace(&*self.root.to_string_lossy(), "@ROOT");
        format!("{:?}\n{}", output.status.code(), comparable(&text))
    }
}

/// Words as a shell splits them, as far as quotes go.
pub(super) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut begun, mut quote) = (String::new(), false, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, ' ') => {
                if std::mem::take(&mut begun) {
                    words.push(std::mem::take(&mut word));
                }
            }
            (_, c) => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// An answer without what differs between any two runs: IDs, times, the order of JSON; errors without their case.
fn comparable(text: &str) -> String {
    let mut all = String::new();
    for line in text.lines() {
        let line = if line.contains("rror") { line.to_lowercase() } else { line.to_owned() };
        let line = match serde_json::from_str::<Value>(&line) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => sorted(&value),
            _ => line,
        };
        let words: Vec<String> = line.split_whitespace().map(without_ids).collect();
        let mut line = words.join(" ").replace("Less than a second", "1 second");
        for number in 0..60 {
            line = line.replace(&format!("{number} seconds"), "1 second");
        }
        let _ = writeln!(all, "{line}");
    }
    all
}

/// JSON with members and lists of objects in one order.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members.iter().map(|(key, value)| (key, sorted(value))).collect();
            format!("{members:#?}").replace('\\', "")
        }
        Value::Array(items) => {
            let mut items: Vec<String> = items.iter().map(sorted).collect();
            if value[0].is_object() {
                items.sort();
            }
            format!("[{}]", items.join(", "))
        }
        value => value.to_string(),
    }
}

/// A word with `<id>` for 12 or 64 hexadecimal digits (14 in volumes' short names), `<time>` for times.
fn without_ids(word: &str) -> String {
    let mut all = String::new();
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        let hex = run.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if let Some(after) = time(rest) {
            all.push_str("<time>");
            rest = after;
            continue;
        }
        all.push_str(if hex && matches!(run.len(), 12 | 14 | 64) { "<id>" } else { run });
        let mut chars = after.chars();
        all.extend(chars.next());
        rest = chars.as_str();
    }
    all
}

/// What stands after the RFC 3339 time that `text` begins with.
fn time(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit() && !"-:.TZ".contains(c)).unwrap_or(text.len());
    let (time, after) = text.split_at(end);
    let bytes = time.as_bytes();
    let fits = bytes.len() >= 20 && bytes[4] == b'-' && bytes[10] == b'T' && time.ends_with('Z');
    (fits && !time.starts_with("0001")).then_some(after)
}

#[test]
fn answers_are_compared_without_what_always_differs() {
    assert_eq!(split("run -e 'A b' --x \"c d\"e ''"), ["run", "-e", "A b", "--x", "c de", ""]);
    for (one, other) in [
        ("Up 3 seconds", "Up Less than a second"),
        ("0123456789ab x", "ffffffffffff  x"),
        (
            r#"{"a":1,"b":[{"x":1},{"y":"2026-11-28T10:00:00.1Z"}]}"#,
            r#"{"b":[{"y":"2026-11-29T10:00:00.12Z"},{"x":1}],"a":1}"#,
        ),
        ("Error: No", "Error: no"),
    ] {
        assert_eq!(comparable(one), comparable(other));
    }
    for (one, other) in [("0123456789ab", "0123456789a"), ("created", "exited"), (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#)] {
        assert_ne!(comparable(one), comparable(other));
    }
}
