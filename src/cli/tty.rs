//! The terminal that a container's terminal is shown on: raw while it is, and its size.

use std::io::{self, IsTerminal};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// Standard input in raw mode, as it was before when this is dropped.
pub(crate) struct Raw(Termios);

impl Raw {
    /// Puts standard input into raw mode, if it is a terminal.
    pub(crate) fn enter() -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        Ok(Some(Self(before)))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Rows and columns of standard output, if it is a terminal.
pub(crate) fn size() -> Option<(u16, u16)> {
    tcgetwinsize(io::stdout())
        .ok()
        .map(|size| (size.ws_row, size.ws_col))
        .filter(|(rows, columns)| *rows > 0 && *columns > 0)
}

/// Docker's complaint when a terminal is asked for on an input that is none.
pub(crate) fn check(stdin: bool, tty: bool) -> Result<(), super::Failure> {
    if stdin && tty && !io::stdin().is_terminal() {
        return Err(super::Failure::new(
            "the input device is not a TTY\nLeave -t out: the command then reads what is piped in, as it is.",
        ));
    }
    Ok(())
}
