//! `outcrop version`.

use std::process::ExitCode;

use clap::Args;

use super::{Failure, Session};
use crate::report::template::Template;
use crate::report::value::Value;
use crate::report::{format, safe};

/// Show versions of the program and of the engine
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop version
  outcrop --docker version --format '{{.Server.Version}}'")]
pub(crate) struct Version {
    /// Print with a template, or as JSON: json
    #[arg(short, long, value_name = "FORMAT", default_value = "")]
    format: String,
}

const PAGE: &str = "Client:
 Version:           {{.Client.Version}}
 API version:       {{.Client.ApiVersion}}
 OS/Arch:           {{.Client.Os}}/{{.Client.Arch}}
 Engine:            {{.Client.Context}}
{{with .Server}}
Server:{{with .Platform}} {{.Name}}{{end}}
 Engine:
  Version:          {{.Version}}
  API version:      {{.ApiVersion}} (minimum version {{.MinAPIVersion}})
  OS/Arch:          {{.Os}}/{{.Arch}}
  Kernel:           {{.KernelVersion}}{{range .Components}}{{if ne .Name \"Engine\"}}
 {{.Name}}:
  Version:          {{.Version}}{{end}}{{end}}
{{end}}";

impl Version {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let place = session.target()?.to_string();
        let (server, failed) = match session.connect().await {
            Ok(connection) => match connection.get("/version").await {
                Ok(server) => (server, None),
                Err(error) => (Value::Null, Some(Failure::from(error))),
            },
            Err(failure) => (Value::Null, Some(failure)),
        };
        let client = Value::object([
            ("Version", env!("CARGO_PKG_VERSION").into()),
            ("ApiVersion", bollard::API_DEFAULT_VERSION.to_string().into()),
            ("Os", "linux".into()),
            ("Arch", architecture().into()),
            ("Context", place.into()),
        ]);
        let all = Value::object([("Client", client), ("Server", server)]);
        let text = if self.format.is_empty() {
            Template::parse(PAGE)?.fill(&safe::value(all))?
        } else {
            format::one(&self.format, all)?
        };
        safe::print_raw(&text)?;
        failed.map_or(Ok(ExitCode::SUCCESS), Err)
    }
}

/// This machine's architecture in Go's names.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
