//! Makes a root file system of programs of this machine, with the shared libraries they need: an image without a registry.
//!
//! Nothing is executed to find that out: ELF headers are read as the dynamic loader reads them (`ld.so(8)`). What a program opens
//! only while it runs - modules of a script language, plug-ins, data - is not found.

mod elf;
mod libraries;
mod tree;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use self::elf::Elf;
use self::libraries::Libraries;
use self::tree::Tree;

/// Longest `#!` line that is read, in bytes; the kernel's limit is 256.
const LONGEST_SCRIPT_LINE: u64 = 256;

/// A root file system that is known but not yet copied.
#[derive(Debug)]
pub struct HostRoot {
    tree: Tree,
    programs: Vec<PathBuf>,
    libraries: usize,
    notes: Vec<String>,
}

/// Says why a program cannot be taken along.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// There is no such program.
    #[error("no program {program:?} on this machine (looked in {searched})")]
    NoProgram {
        /// What was asked for.
        program: String,
        /// Where it was looked for.
        searched: String,
    },
    /// A library that a program needs is nowhere.
    #[error("{} needs the library {library}, which is not on this machine", needed_by.display())]
    NoLibrary {
        /// The file that needs it.
        needed_by: PathBuf,
        /// Its name.
        library: String,
    },
    /// A file that is neither an ELF program nor a script.
    #[error("{} is no program: {why}", path.display())]
    NoFormat {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The tar cannot be written.
    #[error("writing the root file system: {0}")]
    Write(#[source] io::Error),
}

impl HostRoot {
    /// Finds `programs` (paths, or names looked up in the directories of `path`, which are separated by `:`) and all they need.
    ///
    /// # Errors
    /// When one of them, or a library that they name, is not there or cannot be read.
    pub fn collect(programs: &[String], path: &OsStr) -> Result<Self, HostError> {
        let mut collecting = Collecting {
            tree: Tree::new(Path::new("/")),
            libraries: Libraries::of_this_machine(),
            path,
            done: BTreeSet::new(),
            programs: Vec::new(),
            scripts: Vec::new(),
        };
        for program in programs {
            let found = collecting.program(program)?;
            collecting.programs.push(found);
        }
        collecting.finish()
    }

    /// Where the programs are in the root file system, in the order they were asked for.
    pub fn programs(&self) -> &[PathBuf] {
        &self.programs
    }

    /// How many shared libraries it has.
    pub fn libraries(&self) -> usize {
        self.libraries
    }

    /// What may be missing, in sentences without a full stop.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Writes it as a tar: paths sorted, everything owned by root, times of the files themselves, so that the same files give the
    /// same bytes. Gives its length in bytes.
    ///
    /// # Errors
    /// When a file cannot be read any more, has changed its size, or the tar cannot be written.
    pub fn write(&self, out: impl Write) -> Result<u64, HostError> {
        self.tree.write(out)
    }
}

struct Collecting<'a> {
    tree: Tree,
    libraries: Libraries,
    path: &'a OsStr,
    /// Files whose needs are known.
    done: BTreeSet<PathBuf>,
    programs: Vec<PathBuf>,
    scripts: Vec<String>,
}

impl Collecting<'_> {
    /// Adds a program and what it needs. Gives its path.
    fn program(&mut self, program: &str) -> Result<PathBuf, HostError> {
        let path = self.look_up(program)?;
        let real = self.tree.add(&path)?;
        if !self.done.insert(real.clone()) {
            return Ok(path);
        }
        let mut file = File::open(&real).map_err(read_error(&real))?;
        let mut start = Vec::new();
        Read::by_ref(&mut file).take(LONGEST_SCRIPT_LINE).read_to_end(&mut start).map_err(read_error(&real))?;
        if start.starts_with(b"#!") {
            self.script(&real, &start)?;
        } else {
            let elf = Elf::read(&real, file)?;
            self.loads(&real, &elf)?;
        }
        if path.file_name() == Some(OsStr::new("busybox")) {
            self.busybox(&path, &real)?;
        }
        Ok(path)
    }

    /// The path of a program, not resolved.
    fn look_up(&self, program: &str) -> Result<PathBuf, HostError> {
        let is_there = |path: &PathBuf| path.is_file();
        let found = if program.contains('/') {
            std::path::absolute(program).ok().filter(is_there)
        } else {
            std::env::split_paths(self.path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(program)).find(is_there)
        };
        found.ok_or_else(|| HostError::NoProgram {
            program: program.chars().take(200).collect(),
            searched: if program.contains('/') { "its own path".into() } else { self.path.to_string_lossy().into() },
        })
    }

    /// A script's interpreter, and what `env` would look up.
    fn script(&mut self, path: &Path, start: &[u8]) -> Result<(), HostError> {
        let line = start.split(|&b| b == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(&line[2..]).into_owned();
        let mut words = line.split_whitespace();
        let why = || HostError::NoFormat { path: path.into(), why: "its first line names no interpreter".into() };
        let interpreter = words.next().filter(|word| word.starts_with('/')).ok_or_else(why)?;
        self.scripts.push(path.display().to_string());
        self.program(interpreter)?;
        if interpreter.ends_with("/env")
            && let Some(looked_up) = words.find(|word| !word.starts_with('-') && !word.contains('='))
        {
            self.program(looked_up)?;
        }
        Ok(())
    }

    /// Adds the loader and all libraries that a program names, and those that these name.
    fn loads(&mut self, program: &Path, elf: &Elf) -> Result<(), HostError> {
        if let Some(loader) = &elf.interpreter {
            self.tree.add(loader)?;
        }
        let mut queue = vec![(program.to_owned(), elf.clone())];
        while let Some((path, needing)) = queue.pop() {
            for library in &needing.needed {
                let found = self.libraries.find(library, &path, &needing, (program, elf));
                let missing = || HostError::NoLibrary {
                    needed_by: path.clone(),
                    library: String::from_utf8_lossy(library).chars().take(200).collect(),
                };
                let found = found.ok_or_else(missing)?;
                let real = self.tree.add(&found.path)?;
                if found.needs_link {
                    self.tree.link_library(library, &found.path, elf.interpreter.as_deref());
                }
                if self.done.insert(real.clone()) {
                    let file = File::open(&real).map_err(read_error(&real))?;
                    let elf = Elf::read(&real, file)?;
                    queue.push((found.path, elf));
                }
            }
        }
        Ok(())
    }

    /// Gives busybox the names of its applets, which stand in it as a sorted table.
    fn busybox(&mut self, path: &Path, real: &Path) -> Result<(), HostError> {
        let content = std::fs::read(real).map_err(read_error(real))?;
        for name in applets(&content) {
            self.tree.link_program(&name, path);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<HostRoot, HostError> {
        // What libc loads by itself when names are looked up; not there with newer ones.
        let libc = self.tree.files().find(|path| path.ends_with("libc.so.6")).map(Path::to_owned);
        if let Some(libc) = libc {
            for name in ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"] {
                let path = libc.with_file_name(name);
                if path.is_file() {
                    self.tree.add(&path)?;
                }
            }
        }
        self.tree.complete();
        let libraries = self.tree.files().filter(|path| is_library(path)).count();
        let mut notes = Vec::new();
        if !self.scripts.is_empty() {
            let scripts = self.scripts.join(", ");
            notes.push(format!("what the interpreter of {scripts} reads besides, such as its modules, is not copied"));
        }
        Ok(HostRoot { tree: self.tree, programs: self.programs, libraries, notes })
    }
}

fn is_library(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        let name = name.as_bytes();
        name.ends_with(b".so") || name.windows(4).any(|part| part == b".so.")
    })
}

/// The names in busybox's table, which is sorted and begins with `[` and `[[` or with `acpid` and the like.
fn applets(content: &[u8]) -> Vec<String> {
    let begin = [&b"\0[\0[[\0"[..], b"\0ash\0", b"\0acpid\0"]
        .iter()
        .find_map(|first| content.windows(first.len()).position(|part| part == *first));
    let Some(begin) = begin else { return Vec::new() };
    let mut names: Vec<String> = Vec::new();
    for name in content[begin + 1..].split(|&b| b == 0) {
        let plain = !name.is_empty()
            && name.len() < 32
            && name.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"[._-".contains(b));
        let text = String::from_utf8_lossy(name).into_owned();
        if !plain || names.last().is_some_and(|last| *last >= text) {
            break;
        }
        names.push(text);
    }
    names
}

fn read_error(path: &Path) -> impl Fn(io::Error) -> HostError {
    let path = path.to_owned();
    move |source| HostError::Read { path: path.clone(), source }
}

#[cfg(test)]
mod tests;
