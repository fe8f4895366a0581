//! The json-file log driver: `<id>-json.log`, one JSON object a line, rotated by size.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::host_config::LogConfig;

/// Longest piece of one line of output that becomes one log line, as in Docker.
const PIECE: usize = 16 << 10;

/// Which of the two outputs a piece is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or everything of a pseudo-terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Writes a container's log.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: Option<File>,
    size: u64,
    most_bytes: Option<u64>,
    most_files: u32,
    /// What is noted with each line, as JSON, with a comma behind it.
    attributes: String,
    /// What came of each stream since its last line end.
    partial: [Vec<u8>; 2],
}

impl LogFile {
    /// Opens the log at `path` as `config` says, noting `attributes` with each line; driver `none` writes nothing.
    ///
    /// # Errors
    /// Also for an option that is none.
    pub(crate) fn open(path: &Path, config: &LogConfig, attributes: &BTreeMap<String, String>) -> io::Result<Self> {
        let (most_bytes, most_files) = options(config).map_err(io::Error::other)?;
        let mut log = Self {
            path: path.into(),
            file: None,
            size: 0,
            most_bytes,
            most_files,
            attributes: String::new(),
            partial: Default::default(),
        };
        if !attributes.is_empty() {
            log.attributes = format!("\"attrs\":{},", serde_json::to_string(attributes)?);
        }
        if config.kind != "none" {
            log.reopen()?;
        }
        Ok(log)
    }

    fn reopen(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(&self.path)?;
        self.size = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    /// Adds output: whole lines are written, the rest waits for its end.
    pub(crate) fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            return Ok(());
        }
        let mut waiting = std::mem::take(&mut self.partial[stream as usize]);
        waiting.extend_from_slice(bytes);
        let mut rest = &waiting[..];
        let time = super::state::now();
        let mut lines = Vec::new();
        loop {
            let window = &rest[..rest.len().min(PIECE)];
            let end = match window.iter().position(|&b| b == b'\n') {
                Some(at) => at + 1,
                None if rest.len() >= PIECE => PIECE,
                None => break,
            };
            line(&mut lines, stream, &rest[..end], &self.attributes, &time);
            rest = &rest[end..];
        }
        self.partial[stream as usize] = rest.to_vec();
        self.append(&lines)
    }

    /// Writes what waits for the end of its line.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let mut lines = Vec::new();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = std::mem::take(&mut self.partial[stream as usize]);
            if !rest.is_empty() {
                line(&mut lines, stream, &rest, &self.attributes, &super::state::now());
            }
        }
        self.append(&lines)
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() || self.file.is_none() {
            return Ok(());
        }
        let mut rest = lines;
        while !rest.is_empty() {
            if self.most_bytes.is_some_and(|most| self.size >= most) {
                self.rotate()?;
            }
            // Up to the line with which the file is full.
            let room =
                self.most_bytes.map_or(usize::MAX, |most| usize::try_from(most - self.size).unwrap_or(usize::MAX));
            let over = rest.get(room - 1..).and_then(|tail| tail.iter().position(|&byte| byte == b'\n'));
            let (now, later) = rest.split_at(over.map_or(rest.len(), |at| room + at));
            if let Some(file) = &mut self.file {
                file.write_all(now)?;
                self.size += now.len() as u64;
            }
            rest = later;
        }
        Ok(())
    }

    /// `x` becomes `x.1`, `x.1` becomes `x.2` and so on; with one file it starts anew.
    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        if self.most_files < 2 {
            File::create(&self.path)?;
        } else {
            for number in (1..self.most_files - 1).rev() {
                let from = rotated(&self.path, number);
                if from.exists() {
                    fs::rename(from, rotated(&self.path, number + 1))?;
                }
            }
            fs::rename(&self.path, rotated(&self.path, 1))?;
        }
        self.reopen()
    }
}

/// The path of an older log file.
pub(crate) fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(format!(".{number}"));
    name.into()
}

fn line(out: &mut Vec<u8>, stream: Stream, text: &[u8], attributes: &str, time: &str) {
    let stream = if stream == Stream::Stdout { "stdout" } else { "stderr" };
    out.extend(b"{\"log\":");
    // Invalid bytes become U+FFFD, as Go's encoder writes them.
    let text = String::from_utf8_lossy(text);
    serde_json::to_writer(&mut *out, &text).expect("writing a text to memory cannot fail");
    out.extend(b",\"stream\":\"");
    out.extend(stream.as_bytes());
    out.extend(b"\",");
    out.extend(attributes.as_bytes());
    out.extend(b"\"time\":\"");
    out.extend(time.as_bytes());
    out.extend(b"\"}\n");
}

/// Largest size and number of files; says what is wrong with an option.
pub(crate) fn options(config: &LogConfig) -> Result<(Option<u64>, u32), String> {
    match config.kind.as_str() {
        "" | "json-file" => {}
        "none" => return Ok((None, 1)),
        other => return Err(format!("logger: no log driver named '{other}' is registered")),
    }
    let (mut most_bytes, mut most_files) = (None, 1);
    for (key, value) in &config.config {
        match key.as_str() {
            "max-size" if value == "-1" => {}
            "max-size" => {
                let size = bytes(value).filter(|&size| size > 0);
                most_bytes = Some(size.ok_or_else(|| format!("invalid value for max-size: '{value}'"))?);
            }
            "max-file" => {
                let number = value.parse().ok().filter(|&number| number > 0);
                most_files = number.ok_or_else(|| "max-file cannot be less than 1".to_owned())?;
            }
            "labels" | "labels-regex" | "env" | "env-regex" | "tag" | "compress" | "mode" | "max-buffer-size" => {}
            other => return Err(format!("unknown log opt '{other}' for json-file log driver")),
        }
    }
    Ok((most_bytes, most_files))
}

/// `10k`, `3m`, `1g` and plain numbers; units of 1000, as Docker counts here.
fn bytes(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let text = lower.trim_end_matches("ib").trim_end_matches('b');
    let (digits, factor) = match text.as_bytes().last()? {
        b'k' => (&text[..text.len() - 1], 1_000),
        b'm' => (&text[..text.len() - 1], 1_000_000),
        b'g' => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1),
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(options: &[(&str, &str)]) -> LogConfig {
        let config = options.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        LogConfig { kind: "json-file".into(), config }
    }

    #[test]
    fn lines_and_pieces() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x-json.log");
        let mut log = LogFile::open(&path, &config(&[]), &BTreeMap::new()).expect("a log");
        log.write(Stream::Stdout, b"a\nb").expect("written");
        log.write(Stream::Stderr, b"\xff\"\n").expect("written");
        log.write(Stream::Stdout, b"c\n").expect("written");
        log.write(Stream::Stdout, &vec![b'x'; PIECE + 1]).expect("written");
        log.flush().expect("flushed");
        let text = fs::read_to_string(&path).expect("the log");
        let logs: Vec<String> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).expect("JSON")["log"].as_str().expect("text").into()
            })
            .collect();
        assert_eq!(logs[..3], ["a\n", "\u{fffd}\"\n", "bc\n"]);
        assert_eq!((logs[3].len(), logs[4].len(), logs.len()), (PIECE, 1, 5));
    }

    #[test]
    fn rotation_keeps_so_many_files() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x-json.log");
        let mut log =
            LogFile::open(&path, &config(&[("max-size", "1k"), ("max-file", "3")]), &BTreeMap::new()).expect("a log");
        for _ in 0..100 {
            log.write(Stream::Stdout, &[b"0123456789".repeat(10), b"\n".to_vec()].concat()).expect("written");
        }
        let names = fs::read_dir(directory.path()).expect("a directory").count();
        assert_eq!(names, 3);
        assert!(fs::metadata(rotated(&path, 2)).expect("the oldest").len() >= 1024);
    }

    #[test]
    fn options_are_checked() {
        assert_eq!(options(&config(&[("max-size", "10m"), ("max-file", "2")])), Ok((Some(10_000_000), 2)));
        assert_eq!(options(&config(&[("max-file", "2")])), Ok((None, 2)), "without a size there is one file");
        for bad in [("max-size", "x"), ("max-size", "0"), ("max-file", "0"), ("nope", "1")] {
            assert!(options(&config(&[bad])).is_err(), "{bad:?}");
        }
        assert!(options(&LogConfig { kind: "syslog".into(), ..LogConfig::default() }).is_err());
    }
}
