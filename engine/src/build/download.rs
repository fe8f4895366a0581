//! `ADD https://…`: a file from a web server.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use outcrop_layers::digest::Digest;
use sha2::{Digest as _, Sha256};

use crate::layer::apply::floor;
use crate::progress::{Ctx, Progress};
use crate::registry::{Limits, Proxies, RegistryError, Talk, WebFile, decoded};

/// What a file without a name is called, as in Docker.
const NAMELESS: &str = "__unnamed__";

/// What was downloaded.
pub(crate) struct Download {
    pub(crate) file: File,
    pub(crate) size: u64,
    /// The last part of the address, or what the server calls it.
    pub(crate) name: Option<String>,
    /// When the server says that it changed, in seconds since 1970; 0 if it does not say.
    pub(crate) modified: i64,
}

impl Download {
    /// Its name, or the word for none.
    pub(crate) fn named(&self) -> &str {
        self.name.as_deref().unwrap_or(NAMELESS)
    }
}

/// Gets what is at `url` into the new file `at`.
///
/// # Errors
/// Why not, for the user.
pub(crate) fn get(
    url: &str,
    at: &Path,
    checksum: Option<&str>,
    (limits, proxies): (Limits, &Proxies),
    ctx: Ctx<'_>,
) -> Result<Download, String> {
    let failed = |why: &dyn std::fmt::Display| format!("{url}: {why}");
    let explain = |error: RegistryError| match error {
        RegistryError::Host { detail, .. } | RegistryError::Cut { detail, .. } => failed(&detail),
        error => failed(&error),
    };
    let talk = Talk::new().map_err(explain)?;
    let mut page = talk.run(ctx.cancel, WebFile::open(url, checksum.is_some(), limits, proxies)).map_err(explain)?;
    let mut file = File::options().read(true).write(true).create_new(true).open(at).map_err(|error| failed(&error))?;
    let floor = floor(&file);
    let enough = |wanted: u64| {
        let free = crate::sys::fs::free(&file).map_or(u64::MAX, |free| free.bytes);
        if free >= floor.saturating_add(wanted) {
            return Ok(());
        }
        Err(failed(&format!("not enough space for {wanted} bytes: {free} are free, of which {floor} are kept free")))
    };
    enough(page.size.unwrap_or(0))?;
    let (mut hash, mut size) = (Sha256::new(), 0_u64);
    while let Some(bytes) = talk.run(ctx.cancel, page.next()).map_err(explain)? {
        enough(bytes.len() as u64)?;
        hash.update(&bytes);
        (&file).write_all(&bytes).map_err(|error| failed(&error))?;
        size += bytes.len() as u64;
        (ctx.progress)(Progress { status: "Downloading".into(), current: size, total: page.size, id: String::new() });
    }
    file.flush().map_err(|error| failed(&error))?;
    let digest = Digest::from_bytes(hash.finalize().into());
    if let Some(expected) = checksum.filter(|expected| *expected != digest.to_string()) {
        return Err(failed(&format!("digest mismatch: expected {expected}, got {digest}")));
    }
    Ok(Download {
        file,
        size,
        name: name(url).or(page.name.as_deref().and_then(last)),
        modified: page.modified.unwrap_or(0).max(0),
    })
}

/// The last part of an address's path, `%20` and the like replaced.
fn name(url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next()?.split_once("://")?.1.split_once('/')?.1;
    last(&String::from_utf8_lossy(&decoded(path)))
}

/// The last part of a path, if a file can be called so.
fn last(path: &str) -> Option<String> {
    let last = path.rsplit('/').next().unwrap_or_default();
    Some(last.to_owned()).filter(|name| !["", ".", ".."].contains(&last) && !name.contains('\0'))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;
    use crate::progress::Cancel;

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
                if answer.ends_with("…") {
                    // Says no more, until the client has had enough.
                    let _ = stream.read(&mut request);
                }
            }
        });
        format!("http://{address}")
    }

    fn get(url: &str, at: &Path, checksum: Option<&str>) -> Result<Download, String> {
        let limits = Limits { stall: Duration::from_millis(200), head: Duration::from_secs(2), ..Limits::default() };
        super::get(url, at, checksum, (limits, &Proxies::default()), Ctx { progress: &|_| {}, cancel: &Cancel::new() })
    }

    fn fetch(answers: &[&str], checksum: Option<&str>) -> Result<(String, i64, String), String> {
        let host = server(answers.iter().map(|&answer| answer.to_owned()).collect());
        let directory = tempfile::tempdir().expect("a directory");
        let at = directory.path().join("file");
        let got = get(&format!("{host}/a/b.txt?c"), &at, checksum)?;
        Ok((got.named().to_owned(), got.modified, std::fs::read_to_string(at).expect("a text")))
    }

    #[test]
    fn files_come_from_a_server() {
        let good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nhi";
        let want = Ok(("b.txt".to_owned(), 784_111_777, "hi".to_owned()));
        assert_eq!(fetch(&[good], None), want);
        let moved = "HTTP/1.1 302 Found\r\nLocation: /c\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        assert_eq!(fetch(&[moved, good], None), want);
        let endless = "HTTP/1.0 200 OK\r\n\r\nhi";
        assert_eq!(fetch(&[endless], None), Ok(("b.txt".into(), 0, "hi".into())));
        let sum = Digest::of(b"hi").to_string();
        assert!(fetch(&[good], Some(&sum)).is_ok());
        for (answer, checksum, why) in [
            (good, Some("sha256:00"), "digest mismatch"),
            ("HTTP/1.1 404 no\r\n\r\n", None, "status 404"),
            ("HTTP/1.1 302 no\r\n\r\n", None, "status 302"),
            ("HTTP/1.1 302 x\r\nLocation: file:///etc/passwd\r\n\r\n", None, "leads to \"file:///etc/passwd\""),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", None, "broke off"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhi…", None, "too slow"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\nhi", None, "not enough space"),
            ("hello\r\n\r\n", None, "invalid HTTP version parsed"),
        ] {
            let error = fetch(&[answer], checksum).expect_err(why);
            assert!(error.contains(why) && error.starts_with("http://127.0.0.1:"), "{why}: {error}");
        }
        let twelve = vec![moved; 12];
        assert!(fetch(&twelve, None).is_err_and(|why| why.contains("more than 10 redirections")));
        let at = Path::new("/nonexistent/x");
        for (url, why) in [
            ("https://127.0.0.1:1/b", "cannot connect"),
            ("https://me:secret@host/b", "without a user"),
            ("http:///b", "no valid address"),
        ] {
            assert!(get(url, at, None).is_err_and(|error| error.contains(why)), "{url}");
        }
    }

    #[test]
    fn names_are_the_end_of_the_path() {
        for (url, want) in [
            ("https://h/a/b.txt", Some("b.txt")),
            ("https://h/a%20b%2Fc%2?x/y#z", Some("c%2")),
            ("https://h/a/", None),
            ("https://h", None),
            ("https://h/..", None),
            ("https://h/%2e%2e", None),
            ("https://h/a%00", None),
        ] {
            assert_eq!(name(url).as_deref(), want, "{url}");
        }
    }
}
