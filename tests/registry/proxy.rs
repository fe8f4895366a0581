//! Registries and web servers that only a proxy reaches.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::sync::{Arc, Mutex};

use super::server::Registry;
use super::{inspect, left, pushed};
use crate::outcrop::{Outcrop, text};
use crate::rootfs;
use crate::web::Authority;

/// A proxy to which every name is the same server, and that wants to know who asks.
struct Proxy {
    host: String,
    /// The first line of each connection, and whether it said who asks.
    seen: Arc<Mutex<Vec<(String, bool)>>>,
}

impl Proxy {
    fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let host = listener.local_addr().expect("has an address").to_string();
        let seen: Arc<Mutex<Vec<(String, bool)>>> = Arc::default();
        let (known, server) = (Arc::clone(&seen), server.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (known, server) = (Arc::clone(&known), server.clone());
                std::thread::spawn(move || pass(client, &server, &known));
            }
        });
        Self { host, seen }
    }

    /// What was seen since the last time.
    fn seen(&self) -> Vec<(String, bool)> {
        std::mem::take(&mut *self.seen.lock().expect("is whole"))
    }
}

fn pass(mut client: TcpStream, server: &str, seen: &Mutex<Vec<(String, bool)>>) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).ok().filter(|read| *read > 0)?;
    }
    // "me:secret"
    let known = head.to_ascii_lowercase().contains("proxy-authorization: basic bwu6c2vjcmv0\r\n");
    let first = head.lines().next()?.to_owned();
    let tunnel = first.starts_with("CONNECT ");
    seen.lock().ok()?.push((first, known));
    if !known {
        client.write_all(b"HTTP/1.1 407 who are you\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()?;
        return None;
    }
    let mut upstream = TcpStream::connect(server).ok()?;
    if tunnel {
        client.write_all(b"HTTP/1.1 200 go on\r\n\r\n").ok()?;
    } else {
        // A server takes whole addresses too.
        upstream.write_all(head.as_bytes()).ok()?;
    }
    upstream.write_all(reader.buffer()).ok()?;
    let (mut from, mut to) = (upstream.try_clone().ok()?, client.try_clone().ok()?);
    let back = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        to.shutdown(std::net::Shutdown::Both)
    });
    let _ = std::io::copy(&mut client, &mut upstream);
    let _ = upstream.shutdown(std::net::Shutdown::Both);
    let _ = back.join();
    Some(())
}

/// Runs outcrop with these variables for proxies and no others.
fn with(outcrop: &Outcrop, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = outcrop.command(arguments);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_ascii_lowercase());
    }
    command.envs(variables.iter().copied()).output().expect("starts")
}

fn fails(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[ignore = "needs root and docker-registry: run by .ci/run"]
fn plain_requests_go_through_a_proxy() {
    let registry = Registry::start();
    let proxy = Proxy::start(&registry.host);
    let address = format!("http://me:secret@{}", proxy.host);
    let outcrop = Outcrop::new();
    let name = "registry.test:5000/team/app:1";
    outcrop.feed(["import", "-", name], &rootfs::busybox());
    let insecure = ["--insecure-registry", "registry.test:5000"];
    let words = |more: &[&'static str]| [&insecure[..], more].concat();
    let digest = pushed(&text(&with(&outcrop, &[("HTTP_PROXY", &address)], &words(&["push", name]))));
    let before = inspect(&outcrop, name);
    outcrop.ok(["rmi", name]);
    let pulled = text(&with(&outcrop, &[("http_proxy", &address)], &words(&["pull", name])));
    assert!(pulled.contains(&format!("Digest: {digest}")), "{pulled}");
    assert_eq!(inspect(&outcrop, name), before);
    let seen = proxy.seen();
    assert!(
        seen.iter().any(|(line, known)| *known && line == "GET http://registry.test:5000/v2/ HTTP/1.1"),
        "{seen:?}"
    );
    // Files of web servers, too; nothing of the password is in the image.
    let folder = outcrop.scratch("folder");
    std::fs::create_dir_all(&folder).expect("makes");
    std::fs::write(folder.join("Dockerfile"), "FROM scratch\nADD http://files.test/v2/ /got\n").expect("writes");
    let build = ["build", "-t", "added", folder.to_str().expect("utf-8")];
    text(&with(&outcrop, &[("HTTP_PROXY", &address)], &build));
    assert_eq!(proxy.seen(), [("GET http://files.test/v2/ HTTP/1.1".to_owned(), true)]);
    assert!(!outcrop.ok(["inspect", "added"]).contains("secret"));
    let info = text(&with(&outcrop, &[("HTTP_PROXY", &address)], &["info", "--format", "{{.HttpProxy}}"]));
    assert_eq!(info.trim_end(), format!("http://xxxxx:xxxxx@{}", proxy.host));
    // Who is spared, and who is not let through.
    let spared = with(&outcrop, &[("HTTP_PROXY", &address), ("no_proxy", ".test")], &words(&["pull", name]));
    assert!(fails(&spared).contains("registry registry.test:5000: cannot connect: failed to lookup"), "{spared:?}");
    assert_eq!(proxy.seen(), []);
    let nobody = format!("http://{}", proxy.host);
    let refused = fails(&with(&outcrop, &[("HTTP_PROXY", &nobody)], &build));
    assert!(refused.contains("407"), "{refused}");
    assert_eq!(left(&outcrop), Vec::<String>::new());
}

#[test]
#[ignore = "needs root and docker-registry: run by .ci/run"]
fn encrypted_requests_go_through_a_tunnel() {
    let registry = Registry::start_with_tls(&Authority::new());
    let proxy = Proxy::start(&registry.host);
    let address = format!("me:secret@{}", proxy.host);
    let outcrop = Outcrop::new();
    let name = "registry.test/team/app:1";
    outcrop.feed(["import", "-", name], &rootfs::busybox());
    let words = |more: &[&'static str]| [&["--insecure-registry", "registry.test"][..], more].concat();
    let digest = pushed(&text(&with(&outcrop, &[("https_proxy", &address)], &words(&["push", name]))));
    outcrop.ok(["rmi", name]);
    // The upper case counts first.
    let both = [("HTTPS_PROXY", address.as_str()), ("https_proxy", "127.0.0.1:1")];
    let pulled = text(&with(&outcrop, &both, &words(&["pull", name])));
    assert!(pulled.contains(&format!("Digest: {digest}")), "{pulled}");
    let seen = proxy.seen();
    assert!(
        !seen.is_empty() && seen.iter().all(|(line, known)| *known && line == "CONNECT registry.test:443 HTTP/1.1"),
        "{seen:?}"
    );
    // Whose certificate it is, is looked at behind the proxy as before it.
    let unknown = fails(&with(&outcrop, &both, &["pull", name]));
    assert!(unknown.contains("invalid peer certificate"), "{unknown}");
    for (proxy, why) in [
        (format!("http://{}", proxy.host), "tunnel error: proxy authorization required"),
        ("http://me:secret@127.0.0.1:1".to_owned(), "through the proxy http://127.0.0.1:1/: Connection refused"),
        ("socks5://me:secret@127.0.0.1:1".to_owned(), "the proxy socks5://xxxxx:xxxxx@127.0.0.1:1 is no http://"),
    ] {
        let said = fails(&with(&outcrop, &[("HTTPS_PROXY", &proxy)], &["pull", name]));
        assert!(said.contains(why) && !said.contains("secret"), "{said}");
    }
}
