//! dockerd on a root whose volumes we made, and we on one whose volumes dockerd made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use outcrop_engine::filters::Filters;
use outcrop_engine::volume::Create;

use super::{Root, map, named, open};

struct Dockerd {
    process: Child,
    folder: PathBuf,
}

impl Dockerd {
    fn start(folder: &Path) -> Self {
        let at = |name: &str| folder.join(name).display().to_string();
        let log = fs::File::options().create(true).append(true).open(folder.join("log")).expect("log");
        let arguments = [
            ("--data-root", at("root")),
            ("--exec-root", at("exec")),
            ("--pidfile", at("pid")),
            ("--host", format!("unix://{}", at("sock"))),
        ];
        let process = Command::new("dockerd")
            .args(arguments.iter().flat_map(|(flag, value)| [(*flag).to_owned(), value.clone()]))
            .args(["--bridge=none", "--iptables=false", "--storage-driver=overlay2"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("dockerd starts");
        let started = Self { process, folder: folder.to_owned() };
        let begin = Instant::now();
        while started.docker(&["version"]).is_none() {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "{}",
                fs::read_to_string(folder.join("log")).expect("log")
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        started
    }

    /// Output of a docker command; `None` if it fails.
    fn docker(&self, arguments: &[&str]) -> Option<String> {
        let host = format!("unix://{}", self.folder.join("sock").display());
        let output = Command::new("docker").args(["--host", &host]).args(arguments).output().expect("docker runs");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "needs root and dockerd: run by .ci/run"]
fn dockerd_and_we_take_turns_on_one_metadata_db() {
    let root = Root::new();
    let folder = root.directory.path().to_owned();
    for n in 0..60 {
        let labels = Some(map(&[("made", &format!("here-{n}"))]));
        root.volumes().create(&Create { labels, ..named(&format!("ours-{n}")) }).unwrap();
    }
    for n in 0..20 {
        root.volumes().remove(&format!("ours-{n}"), false).unwrap();
    }
    let options = Some(map(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m")]));
    root.volumes().create(&Create { options: options.clone(), ..named("memory") }).unwrap();
    let Root { engine, directory } = root;
    drop(engine);
    {
        let dockerd = Dockerd::start(&folder);
        let ask = |arguments: &[&str]| dockerd.docker(arguments).unwrap_or_else(|| panic!("docker {arguments:?}"));
        assert_eq!(ask(&["volume", "ls", "-q"]).lines().count(), 41);
        assert_eq!(ask(&["volume", "ls", "-q", "--filter", "label=made=here-33"]), "ours-33");
        assert_eq!(
            ask(&["volume", "inspect", "memory", "--format", "{{json .Options}}"]),
            r#"{"device":"tmpfs","o":"size=1m","type":"tmpfs"}"#
        );
        for n in 0..30 {
            ask(&["volume", "create", "--label", &format!("made=there-{n}"), &format!("theirs-{n}")]);
        }
        for n in 20..40 {
            ask(&["volume", "rm", &format!("ours-{n}")]);
        }
        // While it lives we may look, and that is all.
        let engine = open(directory.path());
        assert_eq!(
            engine.volumes().list(&Filters::default().with("label", "made=there-7")).unwrap()[0].name,
            "theirs-7"
        );
        assert!(engine.volumes().create(&named("refused")).unwrap_err().to_string().contains("reading only"));
    }
    let engine = open(directory.path());
    let volumes = engine.volumes();
    assert_eq!(volumes.list(&Filters::default()).unwrap().len(), 51);
    assert_eq!(volumes.inspect("theirs-29").unwrap().labels, Some(map(&[("made", "there-29")])));
    assert_eq!(volumes.inspect("memory").unwrap().options, options);
    for n in 0..15 {
        volumes.remove(&format!("theirs-{n}"), false).unwrap();
        volumes.create(&Create { labels: Some(map(&[("made", "last")])), ..named(&format!("last-{n}")) }).unwrap();
    }
    drop((volumes, engine));
    let dockerd = Dockerd::start(&folder);
    assert_eq!(dockerd.docker(&["volume", "ls", "-q", "--filter", "label=made=last"]).unwrap().lines().count(), 15);
    assert_eq!(dockerd.docker(&["volume", "ls", "-q"]).unwrap().lines().count(), 51);
    assert!(dockerd.docker(&["volume", "create", "--label", "made=there", "finally"]).is_some());
}
