//! `outcrop serve`.

use std::net::ToSocketAddrs;
use std::process::ExitCode;

use clap::Args;
use outcrop_engine::api::serve::{Address, Listener, serve};
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, Session};
use crate::report::safe;

/// Put the engine's Docker API on a socket, in the foreground, until SIGTERM or Ctrl-C
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop serve
  outcrop --root /data/outcrop serve -H unix:///run/outcrop.sock --group docker
  outcrop serve -H tcp://127.0.0.1:2375
  docker -H unix:///run/outcrop.sock images")]
pub(crate) struct Serve {
    /// Let this group use the unix socket too (name or number)
    #[arg(short, long, value_name = "GROUP")]
    group: Option<String>,
}

impl Serve {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let group = self.group.as_deref().map(group_id).transpose()?;
        let default = format!("unix://{}", session.env.runtime(session.is_root).join("outcrop.sock").display());
        let host = match session.global.host.as_slice() {
            [] => default,
            [host] => host.clone(),
            _ => return Err(Failure::new("serve listens on one address: give -H once")),
        };
        let connection = session.connect().await?;
        let Some(api) = connection.api else { return Err(Failure::new("serve needs the embedded engine")) };
        let mut end = signal(SignalKind::terminate())
            .map_err(|error| Failure::new(format!("cannot wait for signals: {error}")))?;
        let listener =
            Listener::bind(&address(&host, group)?).await.map_err(|error| Failure::new(error.to_string()))?;
        let root = api.engine().root().display().to_string();
        safe::say(&format!("outcrop: API on {}, data root {root}", listener.name()));
        let stop = async {
            tokio::select! {
                _ = end.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        let cancelled = serve(&api, listener, stop).await;
        if cancelled > 0 {
            safe::say(&format!("outcrop: {cancelled} requests were cancelled"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn address(host: &str, group: Option<u32>) -> Result<Address, Failure> {
    let wrong = || Failure::new(format!("cannot listen on {host:?}: write unix:///path or tcp://127.0.0.1:port"));
    if let Some(path) = host.strip_prefix("unix://").or_else(|| Some(host).filter(|host| host.starts_with('/'))) {
        return if path.is_empty() { Err(wrong()) } else { Ok(Address::Unix { path: path.into(), group }) };
    }
    let place = host.strip_prefix("tcp://").ok_or_else(wrong)?;
    let found = place.to_socket_addrs().map_err(|error| Failure::new(format!("cannot listen on {host}: {error}")))?;
    found.into_iter().next().map(Address::Tcp).ok_or_else(wrong)
}

/// The number of a group.
fn group_id(group: &str) -> Result<u32, Failure> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let table = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let mut lines = table.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines
        .find(|fields| fields.first() == Some(&group))
        .and_then(|fields| fields.get(2)?.parse().ok())
        .ok_or_else(|| Failure::new(format!("no group {group:?} in /etc/group")))
}
