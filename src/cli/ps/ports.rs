//! Ports in the words of `ps`: neighbours become ranges.

use std::net::IpAddr;

use crate::report::value::Value;

/// `0.0.0.0:8080->80/tcp, 90-92/tcp`.
pub(super) fn shown(ports: &[Value]) -> String {
    let mut all: Vec<Port> = ports.iter().map(Port::of).collect();
    all.sort();
    let mut groups: Vec<Group> = Vec::new();
    let (mut done, mut mapped) = (Vec::new(), Vec::new());
    for port in all {
        if !port.ip.is_empty() && port.public != port.private {
            mapped.push(format!("{}->{}/{}", joined(&port.ip, &port.public.to_string()), port.private, port.kind));
            continue;
        }
        match groups.iter_mut().find(|group| group.ip == port.ip && group.kind == port.kind) {
            Some(group) if port.private == group.last + 1 => group.last = port.private,
            Some(group) => {
                done.push(group.shown());
                (group.first, group.last) = (port.private, port.private);
            }
            None => groups.push(Group { ip: port.ip, kind: port.kind, first: port.private, last: port.private }),
        }
    }
    done.extend(groups.iter().map(Group::shown));
    done.extend(mapped);
    done.join(", ")
}

/// The order of the fields is the one in which docker sorts.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Port {
    private: i64,
    ip: String,
    public: i64,
    kind: String,
}

impl Port {
    fn of(value: &Value) -> Self {
        Self {
            private: value.number("PrivatePort").unwrap_or(0),
            ip: value.text("IP").to_owned(),
            public: value.number("PublicPort").unwrap_or(0),
            kind: value.text("Type").to_owned(),
        }
    }
}

struct Group {
    ip: String,
    kind: String,
    first: i64,
    last: i64,
}

impl Group {
    fn shown(&self) -> String {
        let range =
            if self.first == self.last { self.first.to_string() } else { format!("{}-{}", self.first, self.last) };
        let range = if self.ip.is_empty() { range } else { format!("{}->{range}", joined(&self.ip, &range)) };
        format!("{range}/{}", self.kind)
    }
}

fn joined(ip: &str, port: &str) -> String {
    if ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_as_docker() {
        let port = |ip: &str, private: i64, public: i64, kind: &str| {
            Value::object([
                ("IP", ip.into()),
                ("PrivatePort", private.into()),
                ("PublicPort", public.into()),
                ("Type", kind.into()),
            ])
        };
        let table: [(Vec<Value>, &str); 6] = [
            (vec![], ""),
            (vec![port("", 80, 0, "tcp")], "80/tcp"),
            (
                vec![port("0.0.0.0", 80, 8080, "tcp"), port("::", 80, 8080, "tcp")],
                "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
            ),
            (vec![port("", 82, 0, "tcp"), port("", 80, 0, "tcp"), port("", 81, 0, "tcp")], "80-82/tcp"),
            (vec![port("1.1.1.1", 80, 80, "tcp"), port("1.1.1.1", 81, 81, "tcp")], "1.1.1.1:80-81->80-81/tcp"),
            (vec![port("", 80, 0, "tcp"), port("", 90, 0, "tcp"), port("", 80, 0, "udp")], "80/tcp, 90/tcp, 80/udp"),
        ];
        for (ports, want) in table {
            assert_eq!(shown(&ports), want);
        }
    }
}
