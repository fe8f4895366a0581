//! `outcrop completions`.

use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

use super::{Failure, description};
use crate::report::safe;

/// Print completions for a shell
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop completions bash > /etc/bash_completion.d/outcrop
  outcrop completions zsh > ~/.zfunc/_outcrop
  outcrop completions fish > ~/.config/fish/completions/outcrop.fish")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut description(), "outcrop", &mut text);
        safe::print_raw(&String::from_utf8_lossy(&text))?;
        Ok(ExitCode::SUCCESS)
    }
}
