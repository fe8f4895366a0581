//! Engines on other machines, as Docker reaches them: `ssh HOST docker system dial-stdio` is the socket.

use std::io;
use std::process::Stdio;

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use hyper::Response;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::process::Command;

use super::PATIENCE;

/// The arguments for the program `ssh`, from `ssh://[user@]host[:port]`.
pub(super) fn arguments(address: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("invalid host {address:?}: write ssh://[user@]host[:port]");
    let place = address.strip_prefix("ssh://").ok_or_else(wrong)?.trim_end_matches('/');
    let (user, place) = place.rsplit_once('@').map_or((None, place), |(user, place)| (Some(user), place));
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (place, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let plain = |text: &str| !text.is_empty() && !text.starts_with('-') && !text.contains(['/', ' ', '\'', '"']);
    if !plain(host) || user.is_some_and(|user| !plain(user)) || port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(wrong());
    }
    let mut arguments = vec!["-o".into(), "ConnectTimeout=30".into(), "-T".into()];
    for (flag, value) in [("-l", user), ("-p", port)] {
        if let Some(value) = value {
            arguments.extend([flag.to_owned(), value.to_owned()]);
        }
    }
    arguments.extend(["--", host, "docker", "system", "dial-stdio"].map(str::to_owned));
    Ok(arguments)
}

/// A client that starts `ssh` for each request.
pub(super) fn client(address: &str) -> Result<Docker, bollard::errors::Error> {
    let arguments = arguments(address).map_err(io::Error::other)?;
    let send = move |request: BollardRequest| {
        let arguments = arguments.clone();
        async move { send(&arguments, request).await.map_err(bollard::errors::Error::from) }
    };
    Docker::connect_with_custom_transport(send, Some("ssh://remote"), PATIENCE, API_DEFAULT_VERSION)
}

pub(super) async fn send(arguments: &[String], request: BollardRequest) -> io::Result<Response<Incoming>> {
    let mut child = Command::new("ssh")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| io::Error::other(format!("cannot start ssh: {error}")))?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("ssh has no pipes"));
    };
    let pipe = TokioIo::new(tokio::io::join(output, input));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(pipe).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        // The program lives as long as the connection.
        let _child = child;
        let _ = connection.with_upgrades().await;
    });
    let lost = |error| io::Error::other(format!("ssh ended before the engine answered: {error}"));
    sender.send_request(request).await.map_err(lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_and_nothing_that_ssh_takes_for_an_option() {
        let words = |address: &str| arguments(address).map(|words| words[3..].join(" "));
        assert_eq!(words("ssh://host").as_deref(), Ok("-- host docker system dial-stdio"));
        assert_eq!(words("ssh://me@host:22/").as_deref(), Ok("-l me -p 22 -- host docker system dial-stdio"));
        assert_eq!(words("ssh://[::1]:2222").as_deref(), Ok("-p 2222 -- ::1 docker system dial-stdio"));
        for bad in ["ssh://", "ssh://-oProxyCommand=x", "ssh://-x@host", "ssh://a b", "ssh://host:x", "tcp://host"] {
            assert!(arguments(bad).is_err(), "{bad}");
        }
    }
}
