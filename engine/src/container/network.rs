//! `--network`: none, the host's, another container's, or a private one connected through pasta where that is installed.
//!
//! Nothing here makes networks: pasta does, as for Podman.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sha2::{Digest, Sha256};

use super::host_config::HostConfig;
use super::port::Published;
use crate::sys::{mount, program};

/// A network that is always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// `bridge`, `host` or `none`.
    pub name: &'static str,
    /// `bridge`, `host` or `null`.
    pub driver: &'static str,
}

impl Network {
    /// All of them. `bridge` is the default one: a private one connected through pasta, or the host's where that is missing.
    pub const ALL: [Self; 3] = [
        Self { name: "bridge", driver: "bridge" },
        Self { name: "host", driver: "host" },
        Self { name: "none", driver: "null" },
    ];

    /// Its ID: 64 hexadecimal digits, the same in every data root.
    pub fn id(&self) -> String {
        hex::encode(Sha256::digest(format!("outcrop network {}", self.name)))
    }
}

/// How a container is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// A loopback interface and nothing else.
    None,
    /// The host's network.
    Host,
    /// That of the container of this name or ID.
    Container(String),
    /// Its own, connected by this program.
    Pasta(PathBuf),
}

/// What is said, once, where there is no pasta.
pub(crate) const NO_PASTA: &str = "pasta is not installed (package passt): the container uses the host's network; \
    --network none gives it none";

impl Connection {
    /// What `--network` asks for; `programs` is where pasta is looked for.
    ///
    /// # Errors
    /// The text for the user.
    pub(crate) fn of(host: &HostConfig, programs: &[PathBuf]) -> Result<Self, String> {
        match host.network_mode.as_str() {
            "none" => Ok(Self::None),
            "host" => Ok(Self::Host),
            "" | "default" | "bridge" | "private" | "pasta" => Ok(match find(programs) {
                Some(program) => Self::Pasta(program),
                None => Self::Host,
            }),
            other => match other.strip_prefix("container:") {
                Some(name) => Ok(Self::Container(name.to_owned())),
                None => Err(format!("network {other} not found")),
            },
        }
    }

    /// Whether the user did not ask for the host's network and gets it.
    pub(crate) fn is_second_choice(&self, host: &HostConfig) -> bool {
        *self == Self::Host && host.network_mode != "host"
    }
}

fn find(programs: &[PathBuf]) -> Option<PathBuf> {
    programs.iter().map(|directory| directory.join("pasta")).find(|path| path.is_file())
}

/// Where programs are looked for: the library reads no environment.
pub(crate) fn program_directories() -> Vec<PathBuf> {
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from).into()
}

/// The program that connects a container. It ends when this is dropped, and with the shim when that is killed.
#[derive(Debug)]
pub(crate) struct Connected {
    program: Child,
    place: PathBuf,
}

impl Drop for Connected {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
        hide(&self.place);
    }
}

/// Connects the network namespace of process `pid`.
///
/// pasta gives up the right to look at other processes before it enters the namespace, so that is shown to it at `place`, a file
/// that is there for this only.
pub(crate) fn connect(program: &Path, pid: i32, place: &Path, ports: &[Published]) -> Result<Connected, String> {
    let shown = || {
        std::fs::File::create(place)?;
        mount::bind(Path::new(&format!("/proc/{pid}/ns/net")), place, false)
    };
    let connected = shown()
        .map_err(|error| format!("cannot show the network namespace at {}: {error}", place.display()))
        .and_then(|()| start(program, pid, place, ports));
    match connected {
        Ok(program) => Ok(Connected { program, place: place.to_owned() }),
        Err(error) => {
            hide(place);
            Err(error)
        }
    }
}

/// Takes away the place where a container's network namespace was shown, after its shim has died, too.
pub(crate) fn hide(place: &Path) {
    let _ = mount::unmount(place);
    let _ = std::fs::remove_file(place);
}

fn start(pasta: &Path, pid: i32, namespace: &Path, ports: &[Published]) -> Result<Child, String> {
    let mut command = Command::new(pasta);
    command.args(["--config-net", "--foreground", "--quiet", "--no-map-gw", "-T", "none", "-U", "none"]);
    // Root's pasta would become nobody, who may not enter the namespace; root of a user namespace it leaves as it is.
    if rustix::process::geteuid().is_root() {
        command.args(["--runas", "0:0"]);
    }
    for (flag, protocol) in [("-t", "tcp"), ("-u", "udp")] {
        let ports: Vec<_> = ports.iter().filter(|port| port.protocol == protocol).map(spelled).collect();
        if ports.is_empty() {
            command.args([flag, "none"]);
        }
        for port in ports {
            command.arg(flag).arg(port);
        }
    }
    command.arg("--netns").arg(namespace);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    program::dies_with_this_thread(&mut command);
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", pasta.display()))?;
    // It says nothing when it is ready: its interface appearing does.
    for _ in 0..200 {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("{} ended with {status}", pasta.display()));
        }
        let devices = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
        if devices.lines().skip(2).any(|line| !line.trim_start().starts_with("lo:")) {
            return Ok(child);
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(format!("{} did not connect the container within a second", pasta.display()))
}

/// A published port in pasta's words, `[address/]host:container`.
fn spelled(port: &Published) -> String {
    let address = if port.address.is_empty() { String::new() } else { format!("{}/", port.address) };
    format!("{address}{}:{}", port.outside, port.inside)
}

/// The content of /etc/hosts.
pub(crate) fn hosts(network: &Connection, host: &HostConfig, name: &str, of_host: &str) -> String {
    const STANDARD: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
        ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";
    let mut text = if *network == Connection::Host { of_host.to_owned() } else { STANDARD.to_owned() };
    for entry in host.extra_hosts.iter().flatten() {
        if let Some((name, address)) = entry.split_once([':', '=']) {
            let address = if address == "host-gateway" { "127.0.0.1" } else { address.trim_matches(['[', ']']) };
            let _ = writeln!(text, "{address}\t{name}");
        }
    }
    if matches!(network, Connection::Pasta(_)) {
        let _ = writeln!(text, "127.0.1.1\t{name}");
    }
    text
}

/// The content of /etc/resolv.conf: the host's, or what `--dns` and its likes say instead.
pub(crate) fn resolv_conf(network: &Connection, host: &HostConfig, of_host: &str) -> String {
    let given = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let (servers, search, options) = (given(&host.dns), given(&host.dns_search), given(&host.dns_options));
    // A server on the host's loopback interface cannot be reached from another network.
    let unreachable = |line: &str| {
        let address = line.strip_prefix("nameserver").map(str::trim);
        *network != Connection::Host && address.is_some_and(|address| address.starts_with("127.") || address == "::1")
    };
    let mut text = String::new();
    for line in of_host.lines().map(str::trim) {
        let replaced = (!servers.is_empty() && line.starts_with("nameserver"))
            || (!search.is_empty() && (line.starts_with("search") || line.starts_with("domain")))
            || (!options.is_empty() && line.starts_with("options"));
        if !replaced && !unreachable(line) && !line.is_empty() {
            text.push_str(line);
            text.push('\n');
        }
    }
    for server in servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    if !search.is_empty() && search != ["."] {
        let _ = writeln!(text, "search {}", search.join(" "));
    }
    if !options.is_empty() {
        let _ = writeln!(text, "options {}", options.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        let of = |mode: &str| Connection::of(&HostConfig { network_mode: mode.into(), ..HostConfig::default() }, &[]);
        assert_eq!(of("none"), Ok(Connection::None));
        assert_eq!(of("default"), Ok(Connection::Host));
        assert_eq!(of("container:x"), Ok(Connection::Container("x".into())));
        assert_eq!(of("nope"), Err("network nope not found".into()));
    }

    #[test]
    fn ports_in_pasta_s_words() {
        let port =
            |address: &str, outside| Published { protocol: "tcp".into(), inside: 80, address: address.into(), outside };
        assert_eq!(spelled(&port("", 8080)), "8080:80");
        assert_eq!(spelled(&port("127.0.0.1", 81)), "127.0.0.1/81:80");
    }

    #[test]
    fn name_servers() {
        let mut host = HostConfig::default();
        let of_host = "# x\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch a b\n";
        assert_eq!(resolv_conf(&Connection::None, &host, of_host), "# x\nnameserver 10.0.0.1\nsearch a b\n");
        assert!(resolv_conf(&Connection::Host, &host, of_host).contains("127.0.0.53"));
        host.dns = Some(vec!["9.9.9.9".into()]);
        host.dns_search = Some(vec![".".into()]);
        assert_eq!(resolv_conf(&Connection::None, &host, of_host), "# x\nnameserver 9.9.9.9\n");
    }
}
