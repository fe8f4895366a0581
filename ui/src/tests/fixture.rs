//! A real archive of images, written to a folder that goes with the test.

use std::fs::File;
use std::path::{Path, PathBuf};

use outcrop_layers::digest::Digest;
use serde_json::json;

/// One file of a layer: its name in bytes, its size, its mode; a name that ends with `/` is a folder.
pub(super) type Member<'a> = (&'a [u8], usize, u32);

/// One image: its names, its layers with the instruction of each, and the instructions without files at its end.
pub(super) struct Image<'a> {
    pub(super) tags: &'a [&'a str],
    pub(super) layers: &'a [(&'a str, &'a [Member<'a>])],
    pub(super) settings: &'a [&'a str],
}

const BASE: &[Member<'static>] =
    &[(b"bin/", 0, 0o755), (b"bin/busybox", 190_000, 0o755), (b"etc/", 0, 0o755), (b"etc/passwd", 22, 0o644)];
const APT: &[Member<'static>] = &[
    (b"usr/", 0, 0o755),
    (b"usr/lib/", 0, 0o755),
    (b"usr/lib/python3/", 0, 0o755),
    (b"usr/lib/python3/libpython.so", 240_000, 0o644),
    (b"usr/lib/python3/os.py", 4_000, 0o644),
    (b"var/", 0, 0o755),
    (b"var/lib/", 0, 0o755),
    (b"var/lib/apt/", 0, 0o755),
    (b"var/lib/apt/lists/", 0, 0o755),
    (b"var/lib/apt/lists/main_Packages", 141_000, 0o644),
];
const PIP: &[Member<'static>] = &[
    (b"bin/", 0, 0o755),
    (b"bin/busybox", 190_000, 0o700),
    (b"usr/lib/python3/flask/", 0, 0o755),
    (b"usr/lib/python3/flask/app.py", 84_213, 0o644),
    (b"usr/lib/python3/flask/cli.py", 38_000, 0o644),
    (b"var/lib/apt/.wh.lists", 0, 0o644),
];
const COPY_BOTH: &[Member<'static>] = &[(b"opt/", 0, 0o755), (b"opt/app.py", 60, 0o644), (b"opt/app2.py", 70, 0o644)];
const COPY_ONE: &[Member<'static>] = &[(b"opt/", 0, 0o755), (b"opt/app2.py", 70, 0o644)];

/// Two images that share their first three layers, and the base that they are from.
pub(super) const FAMILY: &[Image<'static>] = &[
    Image { tags: &["base:latest"], layers: &[("COPY rootfs /", BASE)], settings: &["CMD [\"/bin/sh\"]"] },
    Image {
        tags: &["app1:latest"],
        layers: &[
            ("COPY rootfs /", BASE),
            ("/bin/sh -c apt-get update && apt-get -y install python", APT),
            ("/bin/sh -c pip install flask flask-mysql && chmod 700 /bin/busybox", PIP),
            ("COPY . /opt # buildkit", COPY_BOTH),
        ],
        settings: &["ENTRYPOINT [\"flask\" \"run\"]"],
    },
    Image {
        tags: &["app2:latest", "app2:v1"],
        layers: &[
            ("COPY rootfs /", BASE),
            ("/bin/sh -c apt-get update && apt-get -y install python", APT),
            ("/bin/sh -c pip install flask flask-mysql && chmod 700 /bin/busybox", PIP),
            ("COPY app2.py /opt # buildkit", COPY_ONE),
        ],
        settings: &[],
    },
];

const EVIL: &[Member<'static>] = &[
    (b"esc\x1b[31mred\x1b]0;title\x07", 30, 0o644),
    (b"two\nlines\r\t", 0, 0o644),
    ("bidi\u{202e}txt.exe".as_bytes(), 3, 0o777),
    (b"latin\xe9\xff", 1, 0o644),
    ("z\u{301}\u{301}\u{301}\u{301}\u{301}algo\u{200b}".as_bytes(), 1, 0o644),
    ("日本語のとても長い名前のファイルです".as_bytes(), 5, 0o644),
    (b"\x9b31m\x90device\x9c", 1, 0o644),
];

/// Every kind of name and text that a terminal should never see.
pub(super) const HOSTILE: &[Image<'static>] = &[Image {
    tags: &["evil\u{1b}[2Jname:\u{202e}tag"],
    layers: &[
        ("RUN echo \u{1b}[31m\u{7}\n\u{9b}31m \u{202e}", EVIL),
        ("", &[(b"a/b/c/d/", 0, 0o755), (b"a/b/c/d/e", 9, 0o644)]),
    ],
    settings: &["LABEL x=\u{1b}P1;2q\u{1b}\\"],
}];

/// Writes the archive as `docker save` did before version 25.
pub(super) fn write(folder: &Path, images: &[Image<'_>]) -> PathBuf {
    let path = folder.join("images.tar");
    let mut out = tar::Builder::new(File::create(&path).expect("makes the archive"));
    let mut manifest = Vec::new();
    let mut written = std::collections::HashSet::new();
    for image in images {
        let mut diff_ids = Vec::new();
        let mut names = Vec::new();
        let mut history = Vec::new();
        for (instruction, members) in image.layers {
            let bytes = layer(members);
            let digest = Digest::of(&bytes);
            let name = format!("{}/layer.tar", digest.hex());
            if written.insert(name.clone()) {
                add(&mut out, &name, &bytes);
            }
            diff_ids.push(digest.to_string());
            names.push(name);
            history.push(json!({"created_by": instruction}));
        }
        history.extend(image.settings.iter().map(|s| json!({"created_by": s, "empty_layer": true})));
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {}, "history": history,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = config.to_string();
        let name = format!("{}.json", Digest::of(config.as_bytes()).hex());
        add(&mut out, &name, config.as_bytes());
        manifest.push(json!({"Config": name, "RepoTags": image.tags, "Layers": names}));
    }
    add(&mut out, "manifest.json", serde_json::Value::from(manifest).to_string().as_bytes());
    out.finish().expect("finishes the archive");
    path
}

fn add(out: &mut tar::Builder<File>, name: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    out.append_data(&mut header, name, bytes).expect("appends");
}

fn layer(members: &[Member<'_>]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, size, mode) in members {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_size(*size as u64);
        header.set_mode(*mode);
        header.set_mtime(1_700_000_000);
        header.set_entry_type(if name.ends_with(b"/") { tar::EntryType::Directory } else { tar::EntryType::Regular });
        header.set_cksum();
        let text: Vec<u8> = b"print('outcrop')\n".iter().copied().cycle().take(*size).collect();
        out.append(&header, &text[..]).expect("appends");
    }
    out.into_inner().expect("finishes the layer")
}
