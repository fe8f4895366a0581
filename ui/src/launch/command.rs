//! The docker command that says the same as the form.

use crate::launch::{Launch, Port, Syntax};

/// The arguments after `docker`.
pub(crate) fn command(launch: &Launch) -> Vec<String> {
    let mut out = vec!["run".to_owned(), if launch.terminal { "-it" } else { "-d" }.to_owned()];
    out.extend(launch.remove.then(|| "--rm".to_owned()));
    let mut option = |name: &str, value: &str| {
        if !value.is_empty() {
            out.extend([name.to_owned(), value.to_owned()]);
        }
    };
    option("--name", &launch.name);
    if launch.tell_who {
        option("--annotation", &format!("{}=true", outcrop_layers::watch::NOTIFY));
    }
    for mount in &launch.mounts {
        match mount.short().filter(|_| launch.syntax == Syntax::Short) {
            Some((name, value)) => option(name, &value),
            None => option("--mount", &mount.long()),
        }
    }
    launch.env.iter().for_each(|variable| option("-e", variable));
    option("-u", &launch.user);
    option("-w", &launch.workdir);
    option("--network", &launch.network);
    launch.ports.iter().for_each(|port| option("-p", &port_text(port)));
    option("--memory", &launch.memory.map(super::mount::size_text).unwrap_or_default());
    option("--cpus", &launch.cpus.map(|n| trimmed(n as f64 / 1e9)).unwrap_or_default());
    out.push(launch.image.clone());
    out.extend(launch.command.iter().cloned());
    out
}

fn trimmed(number: f64) -> String {
    format!("{number:.9}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn port_text(port: &Port) -> String {
    let address = if port.address.contains(':') { format!("[{}]", port.address) } else { port.address.clone() };
    let mut out = String::new();
    if !address.is_empty() {
        out = format!("{address}:");
    }
    if !port.host.is_empty() || !address.is_empty() {
        out = format!("{out}{}:", port.host);
    }
    out.push_str(&port.container);
    if port.protocol != "tcp" {
        out = format!("{out}/{}", port.protocol);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::{Mount, MountKind, check};

    #[test]
    fn says_the_same_as_the_form() {
        let bind = Mount {
            kind: MountKind::Bind,
            source: "/home/me/src".into(),
            target: "/src".into(),
            read_only: true,
            ..Mount::default()
        };
        let volume = Mount { source: "db".into(), target: "/var/lib/mysql".into(), ..Mount::default() };
        let mut launch = Launch {
            image: "app1".into(),
            name: "web".into(),
            command: vec!["flask".into(), "run".into()],
            terminal: true,
            remove: true,
            mounts: vec![volume, bind],
            env: vec!["A=1".into()],
            network: "host".into(),
            memory: Some(64 << 20),
            cpus: Some(1_500_000_000),
            ports: check::ports("8080:80 127.0.0.1::53/udp [::1]:1:2 80").expect("are ports"),
            ..Launch::default()
        };
        assert_eq!(
            command(&launch).join(" "),
            "run -it --rm --name web --mount type=volume,source=db,target=/var/lib/mysql \
             --mount type=bind,source=/home/me/src,target=/src,readonly -e A=1 --network host -p 8080:80 \
             -p 127.0.0.1::53/udp -p [::1]:1:2 -p 80 --memory 64m --cpus 1.5 app1 flask run"
        );
        launch.syntax = Syntax::Short;
        assert!(command(&launch).join(" ").contains("-v db:/var/lib/mysql -v /home/me/src:/src:ro"));
        launch = Launch { image: "x".into(), ..Launch::default() };
        assert_eq!(command(&launch).join(" "), "run -d x");
        launch.tell_who = true;
        assert_eq!(command(&launch).join(" "), "run -d --annotation outcrop.notify=true x");
    }
}
