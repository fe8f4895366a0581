//! Reading a container's log: json-file, rotated files too, from the end, and what comes.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::error::{ContainerError, Doing, Result};
use super::host_config::HostConfig;
use super::log_file::{Stream, rotated};
use super::record::{Directory, Record};
use super::run_directory::RunDirectory;
use super::{Containers, log_file};
use crate::progress::Cancel;

/// Longest line of a log file that is read: 16 KiB of output, every byte written as `\u0000`.
const LONGEST: u64 = 256 << 10;
/// How often a followed log is looked at.
const STEP: Duration = Duration::from_millis(25);

/// What of a log is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// Go on with what comes, until the container ends.
    pub follow: bool,
    /// Nanoseconds since 1970, before which nothing is given.
    pub since: Option<i128>,
    /// Nanoseconds since 1970, after which nothing is given.
    pub until: Option<i128>,
    /// Only so many of the last lines.
    pub tail: Option<usize>,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Where it was written.
    pub stream: Stream,
    /// When, RFC 3339.
    pub time: String,
    /// What, with its line end if it had one.
    pub text: String,
    /// What the log driver's options note with it.
    pub attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    log: String,
    #[serde(default)]
    stream: String,
    #[serde(default)]
    time: String,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
}

impl Containers {
    /// Gives the lines of a container's log to `each`, oldest first, until it says `false`. A log that is followed ends with
    /// the container, with the time asked for, or when `cancel` is set.
    ///
    /// # Errors
    /// Also for the log driver `none`, which keeps nothing. A damaged line is left out.
    pub fn logs(
        &self,
        name: &str,
        options: &LogOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(LogLine) -> bool,
    ) -> Result<()> {
        let (record, host) = self.readable_log(name)?;
        let path = Directory::of(self.root(), &record.id).file(&format!("{}-json.log", record.id));
        let (_, most_files) = log_file::options(&host.log_config).map_err(ContainerError::Invalid)?;
        let mut reading = Reading { path, file: None, rest: Vec::new() };
        if !reading.past(most_files, options, each)? || !options.follow {
            return Ok(());
        }
        let run = RunDirectory::of(self.root(), &record.id);
        loop {
            // Asked first: what was written before the end is read then.
            let lives = run.has_shim() && !cancel.is_cancelled() && !over(options);
            if !reading.news(options, each)? || !lives {
                return Ok(());
            }
            std::thread::sleep(STEP);
        }
    }
}

impl Containers {
    /// The record of a container whose log can be read.
    pub(crate) fn log_record(&self, name: &str) -> Result<Record> {
        self.readable_log(name).map(|(record, _)| record)
    }

    fn readable_log(&self, name: &str) -> Result<(Record, HostConfig)> {
        let record = self.record(name)?;
        let host = Directory::of(self.root(), &record.id).host_config()?;
        if host.log_config.kind == "none" {
            return Err(ContainerError::Unsupported("configured logging driver does not support reading".into()));
        }
        Ok((record, host))
    }
}

/// Whether nothing more can come that was asked for.
fn over(options: &LogOptions) -> bool {
    options.until.is_some_and(|until| until < jiff::Timestamp::now().as_nanosecond())
}

struct Reading {
    path: PathBuf,
    file: Option<BufReader<File>>,
    rest: Vec<u8>,
}

impl Reading {
    /// What is there; false when `each` has enough.
    fn past(&mut self, most_files: u32, options: &LogOptions, each: &mut dyn FnMut(LogLine) -> bool) -> Result<bool> {
        let mut last: VecDeque<LogLine> = VecDeque::new();
        let older = (1..most_files).rev().map(|number| rotated(&self.path, number)).filter(|path| path.exists());
        let current = self.path.exists().then(|| self.path.clone());
        for path in older.chain(current.clone()) {
            let mut file = BufReader::new(File::open(&path).doing("open", &path)?);
            let mut rest = Vec::new();
            while let Some(line) = next(&mut file, &mut rest).doing("read", &path)? {
                let Some(line) = wanted(&line, options) else { continue };
                match options.tail {
                    None if !each(line.clone()) => return Ok(false),
                    None | Some(0) => {}
                    Some(most) => {
                        if last.len() == most {
                            last.pop_front();
                        }
                        last.push_back(line);
                    }
                }
            }
            if current.as_ref() == Some(&path) {
                self.file = Some(file);
                self.rest = rest;
            }
        }
        Ok(last.into_iter().all(&mut *each))
    }

    /// What came since; false when `each` has enough.
    fn news(&mut self, options: &LogOptions, each: &mut dyn FnMut(LogLine) -> bool) -> Result<bool> {
        loop {
            if let Some(file) = &mut self.file {
                while let Some(line) = next(file, &mut self.rest).doing("read", &self.path)? {
                    if let Some(line) = wanted(&line, options)
                        && !each(line)
                    {
                        return Ok(false);
                    }
                }
            }
            if !self.reopen()? {
                return Ok(true);
            }
        }
    }

    /// Opens the file anew where it was rotated or cut; tells whether.
    fn reopen(&mut self) -> Result<bool> {
        let Ok(meta) = std::fs::metadata(&self.path) else { return Ok(false) };
        if let Some(file) = &mut self.file {
            let same = file.get_ref().metadata().doing("look at", &self.path)?.ino() == meta.ino();
            let at = file.stream_position().doing("read", &self.path)?;
            if same && at <= meta.len() {
                return Ok(false);
            }
            if same {
                file.seek(SeekFrom::Start(0)).doing("read", &self.path)?;
                return Ok(true);
            }
        }
        self.file = Some(BufReader::new(File::open(&self.path).doing("open", &self.path)?));
        self.rest.clear();
        Ok(true)
    }
}

/// The next whole line; what has no end yet waits in `rest`.
fn next(file: &mut BufReader<File>, rest: &mut Vec<u8>) -> std::io::Result<Option<Vec<u8>>> {
    file.take(LONGEST).read_until(b'\n', rest)?;
    if rest.last() == Some(&b'\n') || rest.len() as u64 >= LONGEST {
        return Ok(Some(std::mem::take(rest)));
    }
    Ok(None)
}

fn wanted(line: &[u8], options: &LogOptions) -> Option<LogLine> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let stream = if line.stream == "stderr" { Stream::Stderr } else { Stream::Stdout };
    let asked = if stream == Stream::Stderr { options.stderr } else { options.stdout };
    if !asked {
        return None;
    }
    if options.since.is_some() || options.until.is_some() {
        let time = line.time.parse::<jiff::Timestamp>().ok()?.as_nanosecond();
        if options.since.is_some_and(|since| time < since) || options.until.is_some_and(|until| time > until) {
            return None;
        }
    }
    Some(LogLine { stream, time: line.time, text: line.log, attributes: line.attrs })
}
