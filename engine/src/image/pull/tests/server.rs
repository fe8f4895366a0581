//! A registry on this machine that can be made to behave badly: HTTP by hand, a thread a connection.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outcrop_layers::digest::Digest;

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) host: String,
    pub(super) range: Option<u64>,
    pub(super) authorization: Option<String>,
    /// How often that path was asked for before.
    pub(super) before: usize,
}

/// What is answered.
pub(super) enum Answer {
    /// The truth.
    Well,
    /// A status, headers and a body.
    This(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The truth, but the connection ends after so many bytes of it.
    Cut(usize),
    /// As many bytes as the truth has, but others.
    Wrong,
    /// The truth, one byte now and then.
    Slow,
    /// Bytes without end.
    Endless,
    /// Nothing.
    Silence,
}

type Behaviour = dyn Fn(&Asked) -> Answer + Send + Sync;

/// What the registry has, and what it was asked for.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) log: Arc<Mutex<Vec<Asked>>>,
}

/// Blobs by digest, manifests by tag and digest: what is below `blobs/` and `manifests/`.
pub(super) type Content = HashMap<String, Vec<u8>>;

impl Server {
    pub(super) fn start(content: Content, behaviour: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let host = listener.local_addr().expect("has an address").to_string();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (content, behaviour): (_, Arc<Behaviour>) = (Arc::new(content), Arc::new(behaviour));
        let asked = Arc::clone(&log);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (content, behaviour, asked) = (Arc::clone(&content), Arc::clone(&behaviour), Arc::clone(&asked));
                // A client that goes away ends it.
                std::thread::spawn(move || drop(serve(stream, &content, &*behaviour, &asked)));
            }
        });
        Self { host, log }
    }

    /// The places where blobs were asked for from.
    pub(super) fn ranges(&self) -> Vec<u64> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let blobs = log.iter().filter(|asked| asked.path.contains("/blobs/") && !asked.path.contains("config"));
        blobs.map(|asked| asked.range.unwrap_or(0)).collect()
    }

    pub(super) fn forget(&self) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn serve(stream: TcpStream, content: &Content, behaviour: &Behaviour, log: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut asked = Asked { path, host: String::new(), range: None, authorization: None, before: 0 };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            match name.to_lowercase().as_str() {
                "host" => value.clone_into(&mut asked.host),
                "range" => asked.range = value.trim_start_matches("bytes=").trim_end_matches('-').parse().ok(),
                "authorization" => asked.authorization = Some(value.to_owned()),
                _ => {}
            }
        }
        {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            asked.before = log.iter().filter(|known| known.path == asked.path).count();
            log.push(asked.clone());
        }
        let (status, headers, body) = truth(&asked, content);
        match behaviour(&asked) {
            Answer::Well => write(&mut out, status, &headers, &body, body.len())?,
            Answer::This(status, headers, body) => write(&mut out, status, &headers, &body, body.len())?,
            Answer::Cut(after) => return write(&mut out, status, &headers, &body[..after.min(body.len())], body.len()),
            Answer::Wrong => write(&mut out, status, &headers, &vec![7; body.len()], body.len())?,
            Answer::Slow => {
                write(&mut out, status, &headers, b"", body.len())?;
                for byte in &body {
                    std::thread::sleep(Duration::from_millis(20));
                    out.write_all(&[*byte])?;
                }
            }
            Answer::Endless => {
                write!(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                loop {
                    write!(out, "1000\r\n{}\r\n", "x".repeat(0x1000))?;
                }
            }
            Answer::Silence => {
                // Until the client has had enough.
                let mut end = String::new();
                reader.read_line(&mut end)?;
                return Ok(());
            }
        }
    }
}

type Truth = (u16, Vec<(&'static str, String)>, Vec<u8>);

fn truth(asked: &Asked, content: &Content) -> Truth {
    if asked.path == "/v2/" {
        return (200, Vec::new(), b"{}".to_vec());
    }
    let key = asked.path.rsplit('/').next().unwrap_or_default();
    let Some(body) = content.get(key) else {
        let error = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        return (404, Vec::new(), error.to_vec());
    };
    match asked.range {
        Some(from) if (from as usize) < body.len() => {
            let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
            (206, vec![("Content-Range", range)], body[from as usize..].to_vec())
        }
        _ => (200, Vec::new(), body.clone()),
    }
}

fn write(
    out: &mut TcpStream,
    status: u16,
    headers: &[(&str, String)],
    body: &[u8],
    claimed: usize,
) -> std::io::Result<()> {
    write!(out, "HTTP/1.1 {status} X\r\nContent-Length: {claimed}\r\n")?;
    for (name, value) in headers {
        write!(out, "{name}: {value}\r\n")?;
    }
    out.write_all(b"\r\n")?;
    out.write_all(body)
}

/// The name of a blob or manifest.
pub(super) fn name(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}
