//! Debian's registry over TLS: whose certificates are trusted.

use std::process::{Command, Output};

use super::{inspect, left, pushed};
use crate::outcrop::{Outcrop, text};
use crate::rootfs;
use crate::web::Authority;

use super::server::Registry;

/// The same command, for which `/etc` also has what is in `beside`. Nothing of the machine is changed.
fn with_etc(beside: &std::path::Path, command: &Command) -> Output {
    let mut whole = Command::new("unshare");
    let script = "mount -t overlay overlay -o lowerdir=\"$0\":/etc /etc && exec \"$@\"";
    whole.args(["--mount", "sh", "-c", script]).arg(beside).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => whole.env(name, value),
            None => whole.env_remove(name),
        };
    }
    whole.output().expect("unshare")
}

#[test]
#[ignore = "needs root and docker-registry: run by .ci/run"]
fn certificates_of_registries_are_looked_at() {
    let (authority, other) = (Authority::new(), Authority::new());
    let registry = Registry::start_with_tls(&authority);
    let name = format!("{}/team/app:1", registry.host);
    let outcrop = Outcrop::new();
    outcrop.feed(["import", "-", &name], &rootfs::busybox());
    let etc = |authority: &Authority| {
        let place = tempfile::tempdir().expect("temporary directory");
        let own = place.path().join("docker/certs.d").join(&registry.host);
        std::fs::create_dir_all(&own).expect("makes");
        std::fs::write(own.join("ca.crt"), authority.pem()).expect("writes");
        place
    };
    // As Docker's users have it: the authority's certificate below /etc/docker/certs.d.
    let right = etc(&authority);
    let digest = pushed(&text(&with_etc(right.path(), &outcrop.command(["push", &name]))));
    let before = inspect(&outcrop, &name);
    outcrop.ok(["rmi", &name]);
    let pulled = text(&with_etc(right.path(), &outcrop.command(["pull", &name])));
    assert!(pulled.contains(&format!("Digest: {digest}")), "{pulled}");
    assert_eq!(inspect(&outcrop, &name), before);
    // Without it, and with another one.
    let wrong = etc(&other);
    for output in [outcrop.run(["pull", &name]), with_etc(wrong.path(), &outcrop.command(["pull", &name]))] {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains(&format!("registry {}: cannot connect: invalid peer certificate: ", registry.host)),
            "{said}"
        );
        let want = format!(
            "; nobody whom this machine trusts signed it: \
             put its authority's certificate in /etc/docker/certs.d/{host}/ca.crt, or in SSL_CERT_FILE",
            host = registry.host
        );
        assert!(!output.status.success() && said.contains(&want), "{said}");
    }
    let output = outcrop.run(["login", "-u", "me", "-p", "x", &registry.host]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("UnknownIssuer"));
    // The file that all programs look at.
    let file = outcrop.scratch("authority.pem");
    std::fs::write(&file, authority.pem()).expect("writes");
    text(&outcrop.command(["pull", &name]).env("SSL_CERT_FILE", &file).output().expect("starts"));
    // Registries that are called insecure, on the command line and in the file.
    outcrop.ok(["--insecure-registry", &registry.host, "pull", &name]);
    let config = outcrop.scratch("config");
    std::fs::create_dir_all(config.join("outcrop")).expect("makes");
    std::fs::write(config.join("outcrop/config.toml"), "insecure-registries = ['127.0.0.0/8']\n").expect("writes");
    text(&outcrop.command(["pull", &name]).env("XDG_CONFIG_HOME", &config).output().expect("starts"));
    assert_eq!(left(&outcrop), Vec::<String>::new());
}
