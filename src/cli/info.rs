//! `outcrop info`.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, Session};
use crate::report::value::Value;
use crate::report::{format, safe, units};

/// Show what the engine and its host are
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop info
  outcrop info --format '{{.DockerRootDir}}'")]
pub(crate) struct Info {
    /// Print with a template, or as JSON: json
    #[arg(short, long, value_name = "FORMAT", default_value = "")]
    format: String,
}

impl Info {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let connection = session.connect().await?;
        let info = connection.get("/info").await?;
        if !self.format.is_empty() {
            safe::print_raw(&format::one(&self.format, info)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        safe::print(&page(&info, &session.target()?.to_string()))?;
        for warning in info.list("Warnings") {
            safe::say(&format!("WARNING: {warning}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn page(info: &Value, place: &str) -> String {
    let mut out = format!("Client:\n Version:    {}\n Engine:     {place}\n\nServer:\n", env!("CARGO_PKG_VERSION"));
    let mut line = |level: usize, name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(out, "{:level$}{name}: {value}", "");
        }
    };
    let number = |name: &str| info.number(name).unwrap_or(0).to_string();
    line(1, "Containers", &number("Containers"));
    line(2, "Running", &number("ContainersRunning"));
    line(2, "Paused", &number("ContainersPaused"));
    line(2, "Stopped", &number("ContainersStopped"));
    line(1, "Images", &number("Images"));
    line(1, "Server Version", info.text("ServerVersion"));
    line(1, "Storage Driver", info.text("Driver"));
    for pair in info.list("DriverStatus") {
        if let Value::List(pair) = pair
            && let [Value::Text(name), Value::Text(value)] = pair.as_slice()
        {
            line(2, name, value);
        }
    }
    line(1, "Logging Driver", info.text("LoggingDriver"));
    line(1, "Cgroup Driver", info.text("CgroupDriver"));
    line(1, "Cgroup Version", info.text("CgroupVersion"));
    line(1, "Kernel Version", info.text("KernelVersion"));
    line(1, "Operating System", info.text("OperatingSystem"));
    line(1, "OSType", info.text("OSType"));
    line(1, "Architecture", info.text("Architecture"));
    line(1, "CPUs", &number("NCPU"));
    line(1, "Total Memory", &units::binary_size(info.number("MemTotal").unwrap_or(0) as f64));
    line(1, "Name", info.text("Name"));
    line(1, "ID", info.text("ID"));
    line(1, "Docker Root Dir", info.text("DockerRootDir"));
    out
}
