//! A scripted workload on an overlay, which prints the facts that a watch of it must tell.
//!
//! `workload prepare DIR` makes three lower directories in DIR; `workload run DIR [SYNC]` starts four processes, which work on
//! DIR, where the three are merged. A fact a line: process, kind, path, and for a copy-up layer and bytes, tab-separated.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const WORKERS: usize = 4;
/// Layers that the files are spread over.
const LAYERS: usize = 3;
const COPY_UPS: usize = 500;
const CREATES: usize = 500;
const FOLDERS: usize = 25;
const FURTHER_WRITES: usize = 125;
const CHMODS: usize = 25;
const RENAMES: usize = 25;
const DELETES_LOWER: usize = 125;
const DELETES_COPIED: usize = 75;
const DELETES_NEW: usize = 50;
const OPAQUES: usize = 5;
/// Files of a worker in lower directories.
const FILES: usize = COPY_UPS + CHMODS + RENAMES + DELETES_LOWER;
const IN_FOLDER: usize = 50;
const LINE: &[u8] = b"a line of a log, about as long as such lines are\n";

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["prepare", dir] => prepare(Path::new(dir)),
        ["run", dir] => run(dir, ""),
        ["run", dir, "sync"] => run(dir, "sync"),
        ["work", dir, number, sync] => {
            let worker: usize = number.parse().map_err(io::Error::other)?;
            Worker::new(Path::new(dir), worker, sync == "sync").work()
        }
        _ => Err(io::Error::other("usage: workload prepare DIR | run DIR [sync]")),
    }
}

fn size(file: usize) -> usize {
    1 + file * 7919 % 50_000
}

/// Where a file of a worker is.
fn place(worker: usize, file: usize) -> String {
    format!("w{worker}/d{}/f{file}", file / IN_FOLDER)
}

fn prepare(dir: &Path) -> io::Result<()> {
    let content: Vec<u8> = (0..60_000u32).map(|n| (n * 31 % 251) as u8).collect();
    for worker in 0..WORKERS {
        for layer in 0..LAYERS {
            for folder in 0..FILES.div_ceil(IN_FOLDER) {
                fs::create_dir_all(dir.join(format!("lower{layer}/w{worker}/d{folder}")))?;
            }
        }
        for file in 0..FILES {
            let at = dir.join(format!("lower{}", file % LAYERS)).join(place(worker, file));
            fs::write(at, &content[..size(file)])?;
        }
        for opaque in 0..OPAQUES {
            let at = dir.join(format!("lower1/w{worker}/o{opaque}"));
            fs::create_dir(&at)?;
            (0..3).try_for_each(|n| fs::write(at.join(format!("x{n}")), "x"))?;
        }
    }
    Ok(())
}

fn run(dir: &str, sync: &str) -> io::Result<()> {
    let program = std::env::current_exe()?;
    let start = |worker: usize| {
        let mut command = Command::new(&program);
        command.args(["work", dir, &worker.to_string(), sync]).stdout(Stdio::piped()).spawn()
    };
    let workers: Vec<_> = (0..WORKERS).map(start).collect::<io::Result<_>>()?;
    for worker in workers {
        let output = worker.wait_with_output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!("a worker ended with {}", output.status)));
        }
        io::stdout().write_all(&output.stdout)?;
    }
    Ok(())
}

struct Worker {
    dir: PathBuf,
    number: usize,
    sync: bool,
    facts: String,
    copied_folders: HashSet<String>,
}

impl Worker {
    fn new(dir: &Path, number: usize, sync: bool) -> Self {
        Self { dir: dir.to_owned(), number, sync, facts: String::new(), copied_folders: HashSet::new() }
    }

    fn fact(&mut self, kind: &str, path: &str, more: &str) {
        let line = [&std::process::id().to_string(), kind, path, more].join("\t");
        self.facts.push_str(&line);
        self.facts.push('\n');
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    fn lower(&self, file: usize) -> String {
        place(self.number, file)
    }

    /// The folders above `path` are copied up before anything changes in them.
    fn folders(&mut self, path: &str) {
        let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        for end in ends {
            let folder = &path[..end];
            if self.copied_folders.insert(folder.to_owned()) {
                self.fact("copy-up", folder, "");
            }
        }
    }

    fn copied_up(&mut self, file: usize) {
        let path = self.lower(file);
        self.folders(&path);
        self.fact("copy-up", &path, &format!("{} {}", file % LAYERS, size(file)));
    }

    fn append(&mut self, path: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(self.at(path))?;
        file.write_all(LINE)?;
        self.synced(&file)?;
        self.fact("write", path, &LINE.len().to_string());
        Ok(())
    }

    fn synced(&self, file: &File) -> io::Result<()> {
        if self.sync { file.sync_all() } else { Ok(()) }
    }

    fn work(mut self) -> io::Result<()> {
        let w = self.number;
        for file in 0..COPY_UPS {
            self.copied_up(file);
            self.append(&self.lower(file))?;
        }
        for n in 0..FOLDERS {
            let path = format!("w{w}/new{n}");
            fs::create_dir(self.at(&path))?;
            self.fact("create", &path, "");
        }
        for n in 0..CREATES {
            let path = format!("w{w}/new{}/n{n}", n % FOLDERS);
            let mut file = File::create(self.at(&path))?;
            file.write_all(&LINE.repeat(1 + n % 20))?;
            self.synced(&file)?;
            self.fact("create", &path, "");
            self.fact("write", &path, &(LINE.len() * (1 + n % 20)).to_string());
        }
        for file in 0..FURTHER_WRITES {
            self.append(&self.lower(file))?;
        }
        self.change_modes()?;
        self.rename()?;
        self.delete()?;
        self.folders_of_others()?;
        io::stdout().write_all(self.facts.as_bytes())
    }

    /// Of all workers together 50 files of lower layers and 50 that were written before.
    fn change_modes(&mut self) -> io::Result<()> {
        let lower = CHMODS / 2 + self.number % 2;
        for n in 0..CHMODS {
            let file = if n < lower { COPY_UPS + n } else { n };
            let path = self.lower(file);
            if n < lower {
                self.copied_up(file);
            }
            fs::set_permissions(self.at(&path), fs::Permissions::from_mode(0o700))?;
            self.fact("attributes", &path, "");
        }
        Ok(())
    }

    fn rename(&mut self) -> io::Result<()> {
        let w = self.number;
        for n in 0..RENAMES {
            let file = COPY_UPS + CHMODS + n;
            self.copied_up(file);
            let to = format!("w{w}/renamed{n}");
            fs::rename(self.at(&self.lower(file)), self.at(&to))?;
            self.fact("rename", &to, "whiteout");
        }
        for n in 0..RENAMES {
            let from = format!("w{w}/new{}/n{n}", n % FOLDERS);
            let to = format!("w{w}/moved{n}");
            fs::rename(self.at(&from), self.at(&to))?;
            self.fact("rename", &to, "");
        }
        Ok(())
    }

    fn delete(&mut self) -> io::Result<()> {
        let remove = |worker: &mut Self, path: String, kind: &str| {
            fs::remove_file(worker.at(&path))?;
            worker.folders(if kind == "whiteout" { &path } else { "" });
            worker.fact(kind, &path, "");
            io::Result::Ok(())
        };
        for n in 0..DELETES_LOWER {
            let path = self.lower(COPY_UPS + CHMODS + RENAMES + n);
            remove(self, path, "whiteout")?;
        }
        for n in 0..DELETES_COPIED {
            let path = self.lower(COPY_UPS - 1 - n);
            remove(self, path, "whiteout")?;
        }
        for n in 0..DELETES_NEW {
            let n = CREATES - 1 - n;
            let path = format!("w{}/new{}/n{n}", self.number, n % FOLDERS);
            remove(self, path, "delete")?;
        }
        Ok(())
    }

    /// Renames folders, and replaces folders of a lower layer.
    fn folders_of_others(&mut self) -> io::Result<()> {
        let w = self.number;
        for n in 0..12 + usize::from(w < 2) {
            let to = format!("w{w}/folder{n}");
            fs::rename(self.at(&format!("w{w}/new{n}")), self.at(&to))?;
            self.fact("rename", &to, "");
        }
        for n in 0..OPAQUES {
            let path = format!("w{w}/o{n}");
            fs::remove_dir_all(self.at(&path))?;
            self.folders(&format!("{path}/x"));
            for file in 0..3 {
                self.fact("whiteout", &format!("{path}/x{file}"), "");
            }
            self.fact("whiteout", &path, "");
            fs::create_dir(self.at(&path))?;
            self.fact("opaque", &path, "");
        }
        Ok(())
    }
}
