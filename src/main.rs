//! outcrop: where the strata of a container come to the surface.
//!
//! | crate | what it is | knows |
//! |---|---|---|
//! | `outcrop` (here) | the command line; which engine; reports | all of them |
//! | `outcrop-ui` | everything on the screen | `outcrop-layers`, and an engine only as a Docker API |
//! | `outcrop-engine` | the embedded engine and its Docker API | `outcrop-layers` |
//! | `outcrop-layers` | layers to trees: archives, data roots, waste | nothing of the others |
//!
//! `ui` never depends on `engine`, nor `engine` on `ui`. Every command and every screen talks to an engine through one
//! client, `bollard`; to the embedded engine without a socket. Only this crate reads the environment, prints, and exits.

mod cli;
mod config;
mod connect;
mod report;

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all, while there is one thread: the process beside a running container is this program too.
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some(code) = outcrop_engine::container::shim::main(&arguments) {
        return code.into();
    }
    if let Err(error) = color_eyre::install() {
        eprintln!("outcrop: {error}");
    }
    cli::main()
}
