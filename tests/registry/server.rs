//! Debian's registry, and a proxy before it that breaks connections.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::web::Authority;

/// A running `docker-registry`; ended when dropped.
pub(crate) struct Registry {
    pub(crate) host: String,
    child: Child,
    _directory: tempfile::TempDir,
}

impl Registry {
    /// Starts one on a free port of this machine, and waits until it answers.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// Starts one that knows the user `me` with the password `secret`, and nobody else.
    pub(crate) fn start_for_users() -> Self {
        Self::start_with("auth:\n  htpasswd:\n    realm: test\n    path: USERS\n")
    }

    /// Starts one that speaks TLS, with a certificate of `authority`.
    pub(crate) fn start_with_tls(authority: &Authority) -> Self {
        let files = tempfile::tempdir().expect("temporary directory");
        let (certificate, key) = authority.certificate("127.0.0.1");
        let path = |name: &str| files.path().join(name).display().to_string();
        std::fs::write(path("crt"), certificate.pem()).expect("writes");
        std::fs::write(path("key"), key.serialize_pem()).expect("writes");
        Self::start_with(&format!("  tls:\n    certificate: {}\n    key: {}\n", path("crt"), path("key")))
    }

    /// Starts one with more in its configuration, which ends with the part `http`.
    fn start_with(more: &str) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let free = TcpListener::bind("127.0.0.1:0").expect("binds");
        let host = free.local_addr().expect("has an address").to_string();
        drop(free);
        let config = directory.path().join("config.yml");
        let data = directory.path().join("data");
        let users = directory.path().join("users");
        std::fs::write(&users, "me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n").expect("writes");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {host}\n{}",
            data.display(),
            more.replace("USERS", &users.display().to_string()),
        );
        std::fs::write(&config, text).expect("writes");
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("apt-get install docker-registry");
        while TcpStream::connect(&host).is_err() {
            assert!(child.try_wait().expect("waits").is_none(), "docker-registry ended");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { host, child, _directory: directory }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the proxy does to what the registry sends.
#[derive(Default)]
struct State {
    /// So many bytes pass in all, then it hangs; 0 is no limit.
    hang: AtomicU64,
    hanging: AtomicBool,
    /// Each connection is cut after so many bytes; 0 is no limit.
    cut: AtomicU64,
    passed: AtomicU64,
    /// Milliseconds between two pieces.
    pause: AtomicU64,
    /// Blobs that were asked for, and from which byte.
    asked: Mutex<Vec<(String, u64)>>,
}

/// A proxy.
pub(crate) struct Cutter {
    pub(crate) host: String,
    state: Arc<State>,
}

impl Cutter {
    /// Starts one before `registry`.
    pub(crate) fn start(registry: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let host = listener.local_addr().expect("has an address").to_string();
        let state = Arc::new(State::default());
        let (registry, shared) = (registry.to_owned(), Arc::clone(&state));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&registry) else { continue };
                let (up, to) = (client.try_clone().expect("clones"), server.try_clone().expect("clones"));
                let state = Arc::clone(&shared);
                std::thread::spawn(move || state.ask(up, to));
                let state = Arc::clone(&shared);
                std::thread::spawn(move || state.pass(server, client));
            }
        });
        Self { host, state }
    }

    pub(crate) fn hang_after(&self, bytes: u64) {
        self.state.hang.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn wait_until_hanging(&self) {
        while !self.state.hanging.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends the limits, and counts from nothing.
    pub(crate) fn let_through(&self) {
        self.state.hang.store(0, Ordering::Relaxed);
        self.state.passed.store(0, Ordering::Relaxed);
    }

    pub(crate) fn cut_each(&self, bytes: u64) {
        self.state.cut.store(bytes, Ordering::Relaxed);
    }

    /// Lets a piece of 64 KiB through each so many milliseconds, on every connection.
    pub(crate) fn slow_down(&self, pause: u64) {
        self.state.pause.store(pause, Ordering::Relaxed);
    }

    /// The blobs that were asked for since the last time, and from which byte on.
    pub(crate) fn asked(&self) -> Vec<(String, u64)> {
        std::mem::take(&mut self.state.asked.lock().expect("not poisoned"))
    }

    pub(crate) fn passed(&self) -> u64 {
        self.state.passed.load(Ordering::Relaxed)
    }
}

impl State {
    /// Hands requests on, and notes those for blobs.
    fn ask(&self, mut client: TcpStream, mut server: TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = client.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..read]);
            if let Some((_, rest)) = text.split_once("/blobs/sha256:") {
                let from =
                    text.to_lowercase().split("range: bytes=").nth(1).and_then(|r| r.split('-').next()?.parse().ok());
                let blob = rest.split(' ').next().unwrap_or_default().to_owned();
                self.asked.lock().expect("not poisoned").push((blob, from.unwrap_or(0)));
            }
            if server.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = server.shutdown(std::net::Shutdown::Both);
    }

    fn pass(&self, mut server: TcpStream, mut client: TcpStream) {
        let (mut buffer, mut here) = (vec![0; 64 << 10], 0);
        while let Ok(read @ 1..) = server.read(&mut buffer) {
            let hang = self.hang.load(Ordering::Relaxed);
            if hang > 0 && self.passed.load(Ordering::Relaxed) >= hang {
                self.hanging.store(true, Ordering::Relaxed);
                // Until whoever waits for more goes away.
                while self.hang.load(Ordering::Relaxed) > 0 {
                    std::thread::sleep(Duration::from_millis(10));
                }
                break;
            }
            let cut = self.cut.load(Ordering::Relaxed);
            if client.write_all(&buffer[..read]).is_err() || (cut > 0 && here >= cut) {
                break;
            }
            here += read as u64;
            std::thread::sleep(Duration::from_millis(self.pause.load(Ordering::Relaxed)));
            self.passed.fetch_add(read as u64, Ordering::Relaxed);
        }
        let _ = client.shutdown(std::net::Shutdown::Both);
        let _ = server.shutdown(std::net::Shutdown::Both);
    }
}
