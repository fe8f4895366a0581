//! What is in the demo's layers: the example of the lesson on layers, with files that look like the real ones.
//!
//! Nothing is downloaded: files are made here, and say so where a reader would wonder.

use std::fmt::Write as _;

/// A file of a layer.
pub(super) enum File {
    /// Directory, by path.
    Directory(String),
    /// Regular file: path, mode, content.
    Regular(String, u32, Vec<u8>),
    /// Symbolic link: path and target.
    Link(String, String),
    /// Whiteout of a path.
    Gone(String),
}

/// A step of an image: the instruction, and the layer if it makes one.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) created_by: &'static str,
    pub(super) layer: Option<usize>,
}

/// The layers above the base, and the images made of them.
pub(super) struct Images {
    /// Files of each layer.
    pub(super) layers: Vec<Vec<File>>,
    /// Name, steps and entry point of each image.
    pub(super) images: Vec<(&'static str, Vec<Step>, &'static str)>,
}

pub(super) const FIRST: &str = "FLASK_APP=/opt/source-code/app.py flask run";
pub(super) const SECOND: &str = "FLASK_APP=/opt/source-code/app2.py flask run";

/// Two images that differ in their last two instructions only.
pub(super) fn images() -> Images {
    let step = |created_by, layer| Step { created_by, layer };
    let shared = [
        step("/bin/sh -c apt-get update && apt-get -y install python", Some(0)),
        step("/bin/sh -c pip install flask flask-mysql", Some(1)),
    ];
    let with = |own: [Step; 2]| shared.iter().cloned().chain(own).collect();
    let first = with([
        step("/bin/sh -c #(nop) COPY dir:. in /opt/source-code ", Some(2)),
        step(
            "/bin/sh -c #(nop)  ENTRYPOINT [\"/bin/sh\" \"-c\" \"FLASK_APP=/opt/source-code/app.py flask run\"]",
            None,
        ),
    ]);
    let second = with([
        step("/bin/sh -c #(nop) COPY file:app2.py in /opt/source-code ", Some(3)),
        step(
            "/bin/sh -c #(nop)  ENTRYPOINT [\"/bin/sh\" \"-c\" \"FLASK_APP=/opt/source-code/app2.py flask run\"]",
            None,
        ),
    ]);
    Images {
        layers: vec![apt(), pip(), first_source(), second_source()],
        images: vec![("app1:latest", first, FIRST), ("app2:latest", second, SECOND)],
    }
}

fn text(path: &str, content: impl Into<String>) -> File {
    File::Regular(path.to_owned(), 0o644, content.into().into_bytes())
}

fn folders(paths: &[&str]) -> Vec<File> {
    paths.iter().map(|path| File::Directory((*path).to_owned())).collect()
}

/// Python source of about `lines` lines.
fn module(name: &str, lines: usize) -> String {
    let mut out = format!("\"\"\"{name}: made for outcrop's demo, not the real module.\"\"\"\n\n");
    for number in 0..lines {
        // Writing to a String cannot fail.
        let _ = match number % 4 {
            0 => write!(out, "\ndef step_{number}(value):\n"),
            1 => writeln!(out, "    total = value * {number} + len(__name__)"),
            2 => writeln!(out, "    # {name} keeps {number} of these"),
            _ => writeln!(out, "    return total"),
        };
    }
    out
}

/// What an interpreter weighs: bytes that nothing compresses or repeats, the same each time.
fn bulk(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The layer of `apt-get`: an interpreter, its library, package lists, and the files that every such layer changes.
fn apt() -> Vec<File> {
    const FOLDERS: &[&str] = &[
        "etc",
        "etc/alternatives",
        "usr",
        "usr/bin",
        "usr/lib",
        "usr/lib/python3.11",
        "usr/share",
        "usr/share/doc",
        "usr/share/doc/python3.11",
        "var",
        "var/cache",
        "var/cache/apt",
        "var/cache/apt/archives",
        "var/lib",
        "var/lib/apt",
        "var/lib/apt/lists",
        "var/lib/dpkg",
        "var/log",
        "var/log/apt",
    ];
    const MODULES: &[&str] = &[
        "abc",
        "argparse",
        "ast",
        "base64",
        "collections",
        "csv",
        "datetime",
        "email",
        "functools",
        "json",
        "logging",
        "typing",
    ];
    const BULKS: &[(&str, u32, usize)] = &[
        ("usr/bin/python3.11", 0o755, 6_800_000),
        ("usr/lib/python3.11/lib-dynload.so", 0o644, 1_900_000),
        ("var/lib/apt/lists/deb.example_dists_stable_main_binary_Packages", 0o644, 4_100_000),
        ("var/cache/apt/archives/python3.11_3.11.2_amd64.deb", 0o644, 1_600_000),
    ];
    const TEXTS: &[(&str, &str)] = &[
        ("var/lib/dpkg/status", "Package: python3.11\nStatus: install ok installed\nVersion: 3.11.2\n"),
        ("var/log/apt/history.log", "Commandline: apt-get -y install python\nInstall: python3.11:amd64 (3.11.2)\n"),
        ("usr/share/doc/python3.11/copyright", "Made for outcrop's demo: no real package is in this image.\n"),
        ("etc/python3.conf", "optimise = 0\n"),
    ];
    let mut files = folders(FOLDERS);
    for (number, (path, mode, length)) in BULKS.iter().enumerate() {
        files.push(File::Regular((*path).into(), *mode, bulk(number as u64 + 11, *length)));
    }
    files.push(File::Link("usr/bin/python3".into(), "python3.11".into()));
    files.push(File::Link("usr/bin/python".into(), "python3".into()));
    for (number, name) in MODULES.iter().enumerate() {
        files.push(text(&format!("usr/lib/python3.11/{name}.py"), module(name, 400 + number * 90)));
    }
    files.extend(TEXTS.iter().map(|(path, content)| text(path, *content)));
    files
}

/// The layer of `pip`: packages, a cache that stays behind, a file of the layer below written again and one removed.
fn pip() -> Vec<File> {
    const PACKAGES: [(&str, [&str; 5]); 6] = [
        ("flask", ["app", "blueprints", "cli", "sessions", "templating"]),
        ("werkzeug", ["debug", "http", "routing", "serving", "wrappers"]),
        ("jinja2", ["compiler", "environment", "lexer", "parser", "runtime"]),
        ("click", ["core", "decorators", "formatting", "termui", "types"]),
        ("markupsafe", ["escape", "native", "speedups", "soft", "format"]),
        ("flask_mysql", ["connection", "cursor", "errors", "pool", "protocol"]),
    ];
    let mut files = folders(&[
        "etc",
        "root",
        "root/.cache",
        "root/.cache/pip",
        "usr",
        "usr/bin",
        "usr/lib",
        "usr/lib/python3.11",
        "usr/lib/python3.11/site-packages",
    ]);
    for (number, (package, modules)) in PACKAGES.iter().enumerate() {
        let folder = format!("usr/lib/python3.11/site-packages/{package}");
        files.push(File::Directory(folder.clone()));
        files.push(text(&format!("{folder}/__init__.py"), module(package, 60)));
        for (n, name) in modules.iter().enumerate() {
            files.push(text(
                &format!("{folder}/{name}.py"),
                module(&format!("{package}.{name}"), 300 + 70 * (number + n)),
            ));
        }
    }
    let script = "#!/usr/bin/python3\nfrom flask.cli import main\nmain()\n";
    files.push(File::Regular("usr/bin/flask".into(), 0o755, script.into()));
    files.push(File::Regular("root/.cache/pip/flask-3.0.0-py3-none-any.whl".into(), 0o600, bulk(21, 1_300_000)));
    files.push(text("etc/python3.conf", "optimise = 1\n"));
    files.push(File::Directory("var".into()));
    files.push(File::Directory("var/cache".into()));
    files.push(File::Directory("var/cache/apt".into()));
    files.push(File::Directory("var/cache/apt/archives".into()));
    files.push(File::Gone("var/cache/apt/archives/python3.11_3.11.2_amd64.deb".into()));
    files
}

pub(super) fn source(name: &str) -> String {
    format!(
        "from flask import Flask\n\napp = Flask(__name__)\n\n\n@app.route('/')\ndef hello():\n    return 'this is {name}'\n"
    )
}

fn first_source() -> Vec<File> {
    let mut files = folders(&["opt", "opt/source-code"]);
    files.push(text("opt/source-code/app.py", source("app.py")));
    files.push(text("opt/source-code/app2.py", source("app2.py")));
    files.push(text("opt/source-code/Dockerfile", format!("FROM base\n\nRUN apt-get update && apt-get -y install python\n\nRUN pip install flask flask-mysql\n\nCOPY . /opt/source-code\n\nENTRYPOINT {FIRST}\n")));
    files
}

fn second_source() -> Vec<File> {
    let mut files = folders(&["opt", "opt/source-code"]);
    files.push(text("opt/source-code/app2.py", source("app2.py")));
    files
}
