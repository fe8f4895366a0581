//! What an engine would refuse, said beside the field while it is typed.

use crate::launch::{Mount, MountKind, Port};

/// A path without its doubled and last slashes, `.` and `..`, as engines clean it before they compare.
pub(crate) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Whether an engine takes this as the name of a container or of a local volume: two characters or more, the first a letter or digit.
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && name.len() > 1
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// Says what is wrong with a container's name; `taken` are those there are.
pub(crate) fn name(name: &str, taken: &[String]) -> Option<String> {
    if name.is_empty() {
        return None;
    }
    if !is_name(name) {
        return Some("two or more of letters, digits, _ . - with a letter or digit first".into());
    }
    taken.iter().any(|other| other == name).then(|| "another container has this name".into())
}

/// Says what is wrong with a volume's name.
pub(crate) fn volume(name: &str) -> Option<String> {
    if name.is_empty() || is_name(name) {
        return None;
    }
    Some(if name.len() == 1 {
        "a volume's name has two characters or more".into()
    } else if name.starts_with(['/', '.', '~']) {
        "no volume name: for a folder of the host choose the type bind".into()
    } else {
        "letters, digits, _ . - with a letter or digit first".into()
    })
}

/// Says what is wrong with a mount's target; `others` are the targets of the other mounts.
pub(crate) fn target(path: &str, others: &[&str]) -> Option<String> {
    if path.is_empty() {
        return Some("where in the container? for example /data".into());
    }
    if !path.starts_with('/') {
        return Some(format!("starts with a slash: {}", clean(path)));
    }
    let path = clean(path);
    if path == "/" {
        return Some("cannot replace the whole tree: choose a folder, for example /data".into());
    }
    if path == "/proc" || path.starts_with("/proc/") || path == "/sys" {
        return Some("the kernel's own files cannot be replaced".into());
    }
    others.iter().any(|other| clean(other) == path).then(|| "another mount has this target".into())
}

/// What a look at a path of the host told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Not looked at, or another machine's.
    #[default]
    Unknown,
    There,
    Missing,
    Failed(String),
}

/// Says what is wrong with a folder or file of the host. In the short form a missing folder is made.
pub(crate) fn bind(path: &str, seen: &Seen, makes: bool) -> Option<String> {
    if path.is_empty() {
        return Some("which folder of the host? ctrl-o chooses one".into());
    }
    if !path.starts_with('/') {
        return Some("an absolute path, from / on; ctrl-o chooses one".into());
    }
    match seen {
        Seen::Missing if !makes => Some("there is no such folder; the short form, -v, would make it".into()),
        Seen::Failed(why) => Some(why.clone()),
        _ => None,
    }
}

/// Says what is wrong with a mount, first things first.
pub(crate) fn mount(mount: &Mount, others: &[&str], seen: &Seen, makes: bool) -> Option<String> {
    let source = match mount.kind {
        MountKind::Volume => volume(&mount.source),
        MountKind::Bind => bind(&mount.source, seen, makes),
        MountKind::Tmpfs => None,
    };
    if source.is_none() && mount.kind == MountKind::Volume && mount.source.is_empty() && !mount.subpath.is_empty() {
        return Some("a folder of a volume needs the volume's name".into());
    }
    source.or_else(|| target(&mount.target, others))
}

/// Reads a size as docker does: digits with b, k, m, g or t, in units of 1024.
pub(crate) fn memory(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let shift = match text[end..].trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    let bytes = number * f64::from(shift).exp2();
    (0.0..9.2e18).contains(&bytes).then_some(bytes as u64)
}

/// The least memory an engine gives a container, in bytes.
pub(crate) const LEAST_MEMORY: u64 = 6 << 20;

/// Reads a number of processors, in billionths.
pub(crate) fn cpus(text: &str) -> Option<u64> {
    let number: f64 = text.trim().parse().ok()?;
    (number > 0.0 && number <= 100_000.0).then(|| (number * 1e9).round() as u64).filter(|n| *n > 0)
}

/// Reads published ports: `8080:80`, `127.0.0.1:8080:80/udp`, `80`, several with spaces or commas.
pub(crate) fn ports(text: &str) -> Result<Vec<Port>, String> {
    text.split([' ', ',']).filter(|word| !word.is_empty()).map(port).collect()
}

fn port(word: &str) -> Result<Port, String> {
    let wrong = || format!("{word}: write 8080:80, 127.0.0.1:8080:80 or 53:53/udp");
    let (rest, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    if !matches!(protocol, "tcp" | "udp" | "sctp") {
        return Err(wrong());
    }
    let number = |text: &str| text.parse::<u16>().is_ok_and(|n| n > 0);
    let (head, container) = rest.rsplit_once(':').map_or((None, rest), |(head, last)| (Some(head), last));
    let (address, host) = match head {
        None => ("", ""),
        Some(head) => head.rsplit_once(':').unwrap_or(("", head)),
    };
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let fine = number(container)
        && (host.is_empty() || number(host))
        && (address.is_empty() || address.parse::<std::net::IpAddr>().is_ok());
    if !fine {
        return Err(wrong());
    }
    let [address, host, container, protocol] = [address, host, container, protocol].map(str::to_owned);
    Ok(Port { address, host, container, protocol })
}

/// Reads environment variables: `A=1 B="x y"`.
pub(crate) fn env(text: &str) -> Result<Vec<String>, String> {
    let words = super::words::split(text).ok_or("a quote has no end")?;
    match words.iter().find(|word| !word.contains('=') || word.starts_with('=')) {
        Some(word) => Err(format!("{word}: write NAME=value")),
        None => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What dockerd 20.10.24 says to these names of volumes and containers.
    #[test]
    fn names_as_engines_take_them() {
        let table = [
            ("a", false),
            ("ab", true),
            ("A1", true),
            ("1a", true),
            ("_a", false),
            ("-a", false),
            (".a", false),
            ("a.b", true),
            ("a_b", true),
            ("a-b", true),
            ("a b", false),
            ("a/b", false),
            ("a:b", false),
            ("a\n", false),
            ("é", false),
            ("..", false),
            ("volume$", false),
            ("%2e%2e", false),
            ("a\u{1b}[31m", false),
        ];
        for (text, good) in table {
            assert_eq!(volume(text).is_none(), good, "{text:?}");
            assert_eq!(name(text, &[]).is_none(), good, "{text:?}");
        }
        assert!(name("web", &["web".into()]).expect("is taken").contains("another"));
        assert!(name("", &[]).is_none() && volume("").is_none(), "the engine makes one up");
    }

    /// What dockerd 20.10.24 says to these targets.
    #[test]
    fn targets_as_engines_take_them() {
        let table = [
            ("/data", true),
            ("/data/", true),
            ("data", false),
            ("", false),
            ("/", false),
            ("//", false),
            ("/a/..", false),
            ("/proc", false),
            ("/proc/x", false),
            ("/process", true),
            ("/x", false),
            ("/x/", false),
            ("/y/../x", false),
        ];
        for (path, good) in table {
            assert_eq!(target(path, &["/x"]).is_none(), good, "{path}");
        }
    }

    #[test]
    fn folders_of_the_host() {
        assert!(bind("/", &Seen::There, false).is_none());
        assert!(bind("/x", &Seen::Missing, false).expect("is missing").contains("would make it"));
        assert!(bind("/x", &Seen::Missing, true).is_none(), "-v makes it");
        assert!(bind("/x", &Seen::Unknown, false).is_none(), "another machine's cannot be seen");
        assert!(bind("/x", &Seen::Failed("no".into()), true).is_some());
        assert!(bind("src", &Seen::There, true).is_some() && bind("", &Seen::Unknown, true).is_some());
    }

    #[test]
    fn numbers_as_docker_reads_them() {
        let table = [
            ("64m", Some(64 << 20)),
            ("1.5g", Some(3 << 29)),
            ("512MiB", Some(512 << 20)),
            ("100", Some(100)),
            ("0", Some(0)),
            ("", None),
            ("m", None),
            ("-1", None),
            ("1x", None),
            ("99999999t", None),
        ];
        for (text, bytes) in table {
            assert_eq!(memory(text), bytes, "{text}");
        }
        assert_eq!(cpus("1.5"), Some(1_500_000_000));
        assert!(["0", "-1", "x", "", "nan", "inf"].into_iter().all(|text| cpus(text).is_none()));
    }

    #[test]
    fn ports_as_docker_reads_them() {
        let read = |text: &str| {
            ports(text).map(|list| {
                list.into_iter().map(|p| format!("{}|{}|{}|{}", p.address, p.host, p.container, p.protocol)).collect()
            })
        };
        let many: Vec<String> = vec!["|8080|80|tcp".into(), "127.0.0.1|53|53|udp".into(), "||80|tcp".into()];
        assert_eq!(read("8080:80, 127.0.0.1:53:53/udp 80"), Ok(many));
        assert_eq!(read("[::1]:8080:80"), Ok(vec!["::1|8080|80|tcp".into()]));
        for wrong in ["x", "80:", ":80:", "0", "70000", "1:2:3:4", "80/icmp", "host:80:80"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn environment() {
        assert_eq!(env("A=1 B='x y'"), Ok(vec!["A=1".into(), "B=x y".into()]));
        assert!(env("A").is_err() && env("=1").is_err() && env("A='x").is_err());
        assert_eq!(env(""), Ok(Vec::new()));
    }
}
