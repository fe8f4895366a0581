//! `outcrop keys`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use outcrop_ui::Keymap;

use super::{Failure, Session};
use crate::report::safe;

/// Print which key does what
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop keys
  outcrop keys --dive                    the keys that dive's users know
  outcrop keys --file my-keys.toml       with changes from a file")]
pub(crate) struct Keys {
    /// The keys of dive
    #[arg(long)]
    dive: bool,
    /// Keys from this file, over the others
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Keys {
    pub(crate) fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let file = self.file.or_else(|| session.config.keys.clone());
        safe::print(&keymap(self.dive, file.as_deref())?.table())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The keys, with those of `file` over them. `dive` as a file name stands for dive's keys.
pub(crate) fn keymap(dive: bool, file: Option<&Path>) -> Result<Keymap, Failure> {
    let dive = dive || file == Some(Path::new("dive"));
    let mut keys = if dive { Keymap::dive() } else { Keymap::default() };
    if let Some(path) = file.filter(|path| *path != Path::new("dive")) {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::io("read", path, &error))?;
        keys.apply(&text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    }
    Ok(keys)
}
