//! `ADD http://…`: a file from a web server (HTTP/1.0, RFC 1945). There is no TLS here yet.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use outcrop_layers::digest::{Digest, Hashing};

use crate::layer::apply::floor;
use crate::progress::Cancel;

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(30);
/// Redirections that are followed.
const REDIRECTIONS: usize = 10;
/// Longest line of a header, in bytes.
const LONGEST: u64 = 16 << 10;

/// What was downloaded.
pub(crate) struct Download {
    pub(crate) file: File,
    pub(crate) size: u64,
    pub(crate) name: String,
    pub(crate) digest: Digest,
}

/// Gets what is at `url` into the new file `at`.
///
/// # Errors
/// Why not, for the user.
pub(crate) fn get(url: &str, at: &Path, checksum: Option<&str>, cancel: &Cancel) -> Result<Download, String> {
    let name = url.split(['?', '#']).next().and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned();
    if name.is_empty() || url.matches('/').count() < 3 {
        return Err(format!("cannot determine filename for source {url}: the address ends with no file name"));
    }
    let mut next = url.to_owned();
    for _ in 0..REDIRECTIONS {
        let (status, location, body) = ask(&next)?;
        match (status, location) {
            (200, _) => return keep(body, at, name, url, checksum, cancel),
            (301 | 302 | 303 | 307 | 308, Some(location)) if location.contains("://") => next = location,
            (301 | 302 | 303 | 307 | 308, Some(location)) => {
                let host = next.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
                next = format!("{host}/{}", location.trim_start_matches('/'));
            }
            (status, _) => return Err(format!("{next}: the server answers with status {status}")),
        }
    }
    Err(format!("{url}: more than {REDIRECTIONS} redirections"))
}

type Answer = (u16, Option<String>, Box<dyn Read>);

fn ask(url: &str) -> Result<Answer, String> {
    let Some(rest) = url.strip_prefix("http://") else {
        return Err(format!("{url}: only http:// can be downloaded here; get the file yourself and COPY it"));
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { host.to_owned() } else { format!("{host}:80") };
    let failed = |error: io::Error| format!("{url}: {error}");
    let mut last = io::Error::other("the host has no address");
    let mut stream = None;
    for address in address.to_socket_addrs().map_err(failed)? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(connected) => stream = Some(connected),
            Err(error) => last = error,
        }
        if stream.is_some() {
            break;
        }
    }
    let mut stream = stream.ok_or_else(|| failed(last))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let path = path.split('#').next().unwrap_or_default();
    if path.contains(|c: char| c.is_control() || c == ' ') || host.contains(char::is_control) {
        return Err(format!("{url}: is no valid address"));
    }
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: outcrop\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut reader = BufReader::new(stream);
    let first = line(&mut reader).map_err(failed)?;
    let status = first.split(' ').nth(1).and_then(|word| word.parse().ok()).filter(|_| first.starts_with("HTTP/"));
    let status = status.ok_or_else(|| format!("{url}: the server does not speak HTTP"))?;
    let (mut location, mut length) = (None, None);
    for _ in 0..200 {
        let header = line(&mut reader).map_err(failed)?;
        if header.is_empty() {
            let body: Box<dyn Read> = match length {
                Some(length) => Box::new(Exactly { inner: reader, left: length }),
                None => Box::new(reader),
            };
            return Ok((status, location, body));
        }
        let (key, value) = header.split_once(':').unwrap_or((&header, ""));
        match key.to_ascii_lowercase().as_str() {
            "location" => location = Some(value.trim().to_owned()),
            "content-length" => length = value.trim().parse().ok(),
            _ => {}
        }
    }
    Err(format!("{url}: the answer has too many headers"))
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader.take(LONGEST).read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// A body of a length that was told: one that ends early is cut.
struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let n = self.inner.read(&mut buffer[..wanted])?;
        if n == 0 && wanted > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{} bytes are missing", self.left)));
        }
        self.left -= n as u64;
        Ok(n)
    }
}

fn keep(
    body: Box<dyn Read>,
    at: &Path,
    name: String,
    url: &str,
    checksum: Option<&str>,
    cancel: &Cancel,
) -> Result<Download, String> {
    let failed = |error: io::Error| format!("{url}: {error}");
    let mut file = File::options().read(true).write(true).create_new(true).open(at).map_err(failed)?;
    let floor = floor(&file);
    let mut body = Hashing::new(body);
    let mut buffer = vec![0; 256 << 10];
    loop {
        if cancel.is_cancelled() {
            return Err("cancelled".into());
        }
        let n = body.read(&mut buffer).map_err(failed)?;
        if n == 0 {
            break;
        }
        let free = crate::sys::fs::free(&file).map_or(u64::MAX, |free| free.bytes);
        if free < floor + n as u64 {
            return Err(format!("{url}: not enough space: {free} bytes are free, of which {floor} are kept free"));
        }
        file.write_all(&buffer[..n]).map_err(failed)?;
    }
    let (digest, size, _) = body.finish();
    if let Some(expected) = checksum.filter(|expected| *expected != digest.to_string()) {
        return Err(format!("{url}: digest mismatch: expected {expected}, got {digest}"));
    }
    Ok(Download { file, size, name, digest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers each connection with the next text.
    fn server(answers: Vec<String>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().expect("a client");
                let mut request = [0; 1024];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        format!("http://{address}")
    }

    fn fetch(answers: &[&str], checksum: Option<&str>) -> Result<(String, String), String> {
        let host = server(answers.iter().map(|&answer| answer.to_owned()).collect());
        let directory = tempfile::tempdir().expect("a directory");
        let at = directory.path().join("file");
        let got = get(&format!("{host}/a/b.txt?c"), &at, checksum, &Cancel::new())?;
        Ok((got.name, std::fs::read_to_string(at).expect("a text")))
    }

    #[test]
    fn files_come_from_a_server() {
        let good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(fetch(&[good], None), Ok(("b.txt".into(), "hi".into())));
        let moved = "HTTP/1.1 302 Found\r\nLocation: /c\r\n\r\n";
        assert_eq!(fetch(&[moved, good], None), Ok(("b.txt".into(), "hi".into())));
        let sum = Digest::of(b"hi").to_string();
        assert!(fetch(&[good], Some(&sum)).is_ok());
        for (answer, checksum, why) in [
            (good, Some("sha256:00"), "digest mismatch"),
            ("HTTP/1.1 404 no\r\n\r\n", None, "status 404"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", None, "7 bytes are missing"),
            ("hello\r\n\r\n", None, "does not speak HTTP"),
        ] {
            let error = fetch(&[answer], checksum).expect_err(why);
            assert!(error.contains(why), "{error}");
        }
        let at = Path::new("/nonexistent/x");
        assert!(get("https://a/b", at, None, &Cancel::new()).is_err_and(|why| why.contains("only http://")));
        assert!(get("http://a/", at, None, &Cancel::new()).is_err_and(|why| why.contains("filename")));
    }
}
