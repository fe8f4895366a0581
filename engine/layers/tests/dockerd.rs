//! Agreement with a real dockerd: its data root read while it runs, what it saves, and what a container of the image sees.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use outcrop_layers::entry::{Kind, Time};
use outcrop_layers::index::{EntryRef, FileType, LayerIndex};
use outcrop_layers::source::archive::ArchiveSource;
use outcrop_layers::source::data_root::DataRoot;
use outcrop_layers::source::{LayerSource, indexes};
use outcrop_layers::tree::Tree;
use outcrop_layers::view::View;
use outcrop_layers::waste::{Cause, Waste};

/// What overlayfs does when a container does this, a layer each.
const DOCKERFILE: &str = r"
FROM scratch
ADD root.tar /
RUN mkdir -p /d/e && echo 1 > /d/e/f && echo 22 > /d/g && echo 333 > /a && ln /a /b && ln -s a /l && mkfifo /p
RUN chmod 600 /a && touch -d @7 /d/g
RUN rm -rf /d && mkdir /d && echo new > /d/new
RUN mkdir /x && echo x > /x/y && rm /b
RUN rm -rf /x && echo file > /x && rm /l && mkdir /l && chown 5:6 /d/new
RUN mkdir -p /deep/1/2/3 && echo k > /deep/1/2/3/k && touch $(printf '/\377\033name') && echo 5 > /deep/5
RUN rm -r /deep/1 && mv /deep/5 /deep/6 && chmod 4755 /deep/6
";

struct Dockerd {
    child: Child,
    folder: tempfile::TempDir,
}

impl Dockerd {
    fn start(driver: &str) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| folder.path().join(name);
        let log = fs::File::create(at("log")).expect("log");
        let child = Command::new("dockerd")
            .args(["--data-root".as_ref(), at("root").as_os_str(), "--exec-root".as_ref(), at("exec").as_os_str()])
            .args(["--pidfile".as_ref(), at("pid").as_os_str()])
            .arg(format!("--host=unix://{}", at("sock").display()))
            .args(["--bridge=none", "--iptables=false", &format!("--storage-driver={driver}")])
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn();
        let child = child.expect("dockerd starts: apt-get install docker.io");
        let mut dockerd = Self { child, folder };
        let end = Instant::now() + Duration::from_mins(1);
        while !dockerd.docker().arg("version").output().expect("docker CLI").status.success() {
            let ended = dockerd.child.try_wait().expect("waits").is_some();
            let log = || fs::read_to_string(dockerd.folder.path().join("log"));
            assert!(!ended && Instant::now() < end, "dockerd did not come up: {:?}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
        dockerd
    }

    fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", format!("unix://{}", self.folder.path().join("sock").display()));
        command.env("DOCKER_BUILDKIT", "0");
        command
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.docker().args(arguments).output().expect("docker CLI");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn build(&self) {
        let context = self.folder.path().join("context");
        fs::create_dir(&context).expect("folder");
        fs::write(context.join("Dockerfile"), DOCKERFILE).expect("written");
        let mut tar = tar::Builder::new(fs::File::create(context.join("root.tar")).expect("file"));
        tar.append_path_with_name("/bin/busybox", "bin/busybox").expect("apt-get install busybox-static");
        for name in ["sh", "mkdir", "echo", "ln", "mkfifo", "chmod", "touch", "rm", "chown", "printf", "mv"] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, format!("bin/{name}"), "busybox").expect("link");
        }
        tar.finish().expect("finished");
        self.ok(&["build", "--network", "none", "-q", "-t", "case", context.to_str().expect("text")]);
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn read(source: &dyn LayerSource) -> Vec<Arc<LayerIndex>> {
    let indexes = indexes(source, &|_, _| (), &|| false).expect("not cancelled");
    indexes.into_iter().map(|index| index.expect("whole")).collect()
}

/// What a tar and a folder both know of an entry.
fn shown(entry: &EntryRef<'_>) -> String {
    let kind = match entry.kind() {
        Kind::File { size, .. } => Kind::File { size, disk: None },
        kind => kind,
    };
    if kind == Kind::Whiteout {
        return format!("{kind:?}");
    }
    let Time { seconds, .. } = entry.mtime();
    format!("{kind:?} {:o} {}:{} {seconds} {:?}", entry.mode(), entry.uid(), entry.gid(), entry.xattrs())
}

/// Entries by path without the root, which tars do not always have.
fn list(index: &LayerIndex) -> BTreeMap<String, String> {
    let entries = index.entries().filter(|e| e.position() != 0);
    entries.map(|e| (e.path().escape_ascii().to_string(), shown(&e))).collect()
}

/// The file system that a container of the image sees, as dockerd exports it.
fn exported(dockerd: &Dockerd) -> BTreeMap<String, bool> {
    let id = dockerd.ok(&["create", "case", "/bin/sh"]);
    let path = dockerd.folder.path().join("export.tar");
    dockerd.ok(&["export", "-o", path.to_str().expect("text"), &id]);
    let mut archive = tar::Archive::new(fs::File::open(path).expect("file"));
    let mut found = BTreeMap::new();
    for entry in archive.entries().expect("a tar") {
        let entry = entry.expect("entry");
        let path = entry.path_bytes().strip_suffix(b"/").unwrap_or(&entry.path_bytes()).escape_ascii().to_string();
        found.insert(path, entry.header().entry_type().is_dir());
    }
    // What dockerd makes for each container.
    found.retain(|path, _| {
        !["dev", "proc", "sys", "etc", ".dockerenv"].contains(&path.split('/').next().unwrap_or(path))
    });
    found
}

fn whole(tree: &Tree) -> BTreeMap<String, bool> {
    let seen = tree.nodes().skip(1).filter_map(|node| Some((node, tree.seen(node, View::Whole)?)));
    seen.map(|(node, seen)| (tree.path(node).escape_ascii().to_string(), seen.entry.file_type() == FileType::Directory))
        .collect()
}

#[test]
#[ignore = "needs root and dockerd: run by .ci/run"]
fn agrees_with_dockerd() {
    let dockerd = Dockerd::start("overlay2");
    dockerd.build();
    let opened = DataRoot::open(&dockerd.folder.path().join("root")).expect("opens beside dockerd");
    let id = dockerd.ok(&["image", "inspect", "-f", "{{.Id}}", "case"]).parse().expect("an ID");
    let found = opened.images().iter().find(|image| image.id == id).expect("listed");
    assert_eq!(found.tags, ["case:latest"]);
    let image = opened.image(&id).expect("opens");
    let in_place = read(&image);
    for (info, index) in std::iter::zip(image.layers(), &in_place) {
        // overlay2 adds up what lstat says, so the texts of links are in it.
        let links = index.entries().filter(|e| e.file_type() == FileType::Symlink).filter_map(|e| e.target());
        let links = links.map(|text| text.len() as u64).sum::<u64>();
        assert_eq!(info.size, Some(index.bytes() + links), "{}", info.created_by);
    }
    let saved = dockerd.folder.path().join("saved.tar");
    dockerd.ok(&["save", "-o", saved.to_str().expect("text"), "case"]);
    let archive = ArchiveSource::open(&saved, None, dockerd.folder.path(), None).expect("opens").remove(0);
    let packed = read(&archive);
    assert_eq!(in_place.len(), packed.len());
    for (layer, (folder, tar)) in std::iter::zip(&in_place, &packed).enumerate() {
        assert_eq!(list(folder), list(tar), "layer {layer}: {}", image.layers()[layer].created_by);
    }
    let tree = Tree::build(&in_place);
    assert_eq!(whole(&tree), exported(&dockerd));
    let waste = Waste::of(&tree);
    let causes: Vec<Cause> = waste.items.iter().map(|item| item.cause).collect();
    for cause in [Cause::MetadataCopyUp, Cause::Opaque, Cause::TypeChange, Cause::DeletedDirectory, Cause::DeletedFile]
    {
        assert!(causes.contains(&cause), "{cause}: {causes:?}");
    }
    same_content(&image, &archive, &tree);
}

/// Both sources give the same content for every file.
fn same_content(image: &dyn LayerSource, archive: &dyn LayerSource, tree: &Tree) {
    for layer in 0..tree.layers() {
        let content = |source: &dyn LayerSource| {
            let index = source.index(layer, &|_| (), &|| false).expect("index");
            let files = index.entries().filter(|e| e.file_type() == FileType::File);
            let paths: BTreeMap<u32, Vec<u8>> = files.map(|e| (e.position(), e.path())).collect();
            let positions = paths.keys().copied().collect();
            let digests = source.hash(layer, &positions, &|_| (), &|| false).expect("hashed");
            digests.into_iter().map(|(at, digest)| (paths[&at].clone(), digest)).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(content(image), content(archive), "layer {layer}");
    }
}

#[test]
#[ignore = "needs root and dockerd: run by .ci/run"]
fn agrees_with_dockerds_copies() {
    let dockerd = Dockerd::start("vfs");
    dockerd.build();
    let root: &Path = &dockerd.folder.path().join("root");
    let opened = DataRoot::open(root).expect("opens");
    let id = dockerd.ok(&["image", "inspect", "-f", "{{.Id}}", "case"]).parse().expect("an ID");
    let tree = Tree::build(&read(&opened.image(&id).expect("opens")));
    assert_eq!(whole(&tree), exported(&dockerd));
}
