//! pasta, which connects a network namespace to the host's network: found, tried out, and run.
//!
//! Whether it works here is tried once after each start of the machine, on a network namespace made for that, and remembered in
//! `outcrop/network.json`: where it does not, containers use the host's network, and their creation says so with pasta's own words.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::MemfdFlags;
use rustix::mount::MountFlags;
use rustix::process::{Pid, WaitOptions};
use serde::{Deserialize, Serialize};

use super::port::Published;
use super::record::replace;
use crate::root::files;
use crate::sys::mount;
use crate::sys::program::{self, Fork};

/// First argument that makes the program try out the pasta at the path that follows.
pub(super) const TRIAL: &str = "--try-network";

/// How long it may take to connect a namespace.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most of what it says that is kept, in bytes: the end of it.
const LONGEST: u64 = 500;

/// For how many seconds it is not tried again when it did not work.
const FORGIVEN: u64 = 600;

/// What a trial told.
#[derive(Debug, Serialize, Deserialize)]
struct Verdict {
    /// What it depends on: boot, program, user. Another key needs another trial.
    key: String,
    /// When, in seconds since 1970.
    at: u64,
    /// Why it does not work.
    problem: Option<String>,
}

/// The program, where it is installed.
pub(super) fn find() -> Option<PathBuf> {
    // The library reads no environment.
    let directories = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    directories.into_iter().map(|directory| Path::new(directory).join("pasta")).find(|path| path.is_file())
}

/// The program, where it is installed and is not known not to work.
pub(super) fn usable(root: &Path) -> Option<PathBuf> {
    find().filter(|program| !matches!(remembered(root, program), Some(Err(_))))
}

/// The program, where it is installed and works: tries it out with `outcrop`, this program, where that is not known.
///
/// # Errors
/// The text for the user when it does not work.
pub(super) fn working(root: &Path, outcrop: &Path) -> Result<Option<PathBuf>, String> {
    let Some(program) = find() else { return Ok(None) };
    let verdict = remembered(root, &program).unwrap_or_else(|| {
        let verdict = try_out(root, outcrop, &program);
        remember(root, &program, verdict.as_ref().err());
        verdict
    });
    verdict.map(|()| Some(program))
}

/// Forgets what a trial told: it was wrong.
pub(super) fn forget(root: &Path) {
    let _ = fs::remove_file(verdict_of(root));
}

fn verdict_of(root: &Path) -> PathBuf {
    root.join("outcrop/network.json")
}

fn remembered(root: &Path, program: &Path) -> Option<Result<(), String>> {
    let verdict: Verdict = serde_json::from_slice(&files::read(&verdict_of(root), 64 << 10).ok()?).ok()?;
    if verdict.key != key(program)? {
        return None;
    }
    match verdict.problem {
        None => Some(Ok(())),
        Some(problem) => (now().abs_diff(verdict.at) < FORGIVEN).then_some(Err(problem)),
    }
}

fn remember(root: &Path, program: &Path, problem: Option<&String>) {
    let Some(key) = key(program) else { return };
    let verdict = Verdict { key, at: now(), problem: problem.cloned() };
    if let Ok(text) = serde_json::to_vec(&verdict) {
        // On a full disk it is tried again next time.
        let _ = replace(&verdict_of(root), &text, 0o600);
    }
}

fn key(program: &Path) -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let meta = fs::metadata(program).ok()?;
    let user = rustix::process::geteuid().as_raw();
    Some(format!("{} {} {} {} {user}", boot.trim(), program.display(), meta.ino(), meta.mtime()))
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

/// Has another process try, as namespaces are left and made only by a process with one thread.
fn try_out(root: &Path, outcrop: &Path, program: &Path) -> Result<(), String> {
    let mut command = Command::new(outcrop);
    command.arg(TRIAL).arg(program).arg(root.join("outcrop")).env_clear().stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("{}: {error}", outcrop.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(if said.is_empty() { format!("the trial of {} ended with {}", program.display(), output.status) } else { said })
}

/// That process: connects a network namespace of its own, and says on the standard error why that failed; its exit code.
/// `directory` is one that it may mount something over, where nobody else sees it.
pub(super) fn trial(program: &Path, directory: &Path) -> u8 {
    let failed = |error: io::Error| format!("cannot try out {}: {error}", program.display());
    let tried =
        begin_trial(program, directory).and_then(|pid| Ok(rustix::process::waitpid(pid, WaitOptions::empty())?));
    match tried.map_err(failed) {
        Ok(Some((_, status))) => u8::from(status.exit_status() != Some(0)),
        Ok(None) => 1,
        Err(why) => {
            let _ = writeln!(io::stderr(), "{why}");
            1
        }
    }
}

/// Leaves the host's network to a child, which connects this process from there: the child.
fn begin_trial(program: &Path, directory: &Path) -> io::Result<Option<Pid>> {
    program::own_mounts()?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("tmpfs", directory, "tmpfs", flags, None)?;
    let (mut waits, mut tells) = io::pipe()?;
    let own = rustix::process::getpid().as_raw_nonzero().get();
    match program::fork()? {
        Fork::Child => {
            drop(tells);
            let connected = match waits.read(&mut [0]) {
                Ok(1) => connect(program, own, &directory.join("net"), &[]),
                _ => Err(format!("cannot make a network namespace to try out {}", program.display())),
            };
            let failed = connected.map(drop).map_err(|why| writeln!(io::stderr(), "{why}")).is_err();
            program::exit(i32::from(failed))
        }
        Fork::Parent(pid) => {
            if program::own_network().is_ok() {
                tells.write_all(b"1")?;
            }
            Ok(Pid::from_raw(pid))
        }
    }
}

/// The program that connects a container. It ends when this is dropped, and with the shim when that is killed.
#[derive(Debug)]
pub(crate) struct Connected {
    program: Child,
    place: PathBuf,
}

impl Drop for Connected {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
        hide(&self.place);
    }
}

/// Connects the network namespace of process `pid`.
///
/// pasta gives up the right to look at other processes before it enters the namespace, so that is shown to it at `place`, a file
/// that is there for this only.
///
/// # Errors
/// The text for the user, with the program's own last words; nothing of it runs then.
pub(super) fn connect(program: &Path, pid: i32, place: &Path, ports: &[Published]) -> Result<Connected, String> {
    let shown = || {
        File::create(place)?;
        mount::bind(Path::new(&format!("/proc/{pid}/ns/net")), place, false)
    };
    let connected = shown()
        .map_err(|error| format!("cannot show the network namespace at {}: {error}", place.display()))
        .and_then(|()| start(program, pid, place, ports));
    match connected {
        Ok(program) => Ok(Connected { program, place: place.to_owned() }),
        Err(error) => {
            hide(place);
            Err(error)
        }
    }
}

/// Takes away the place where a container's network namespace was shown, after its shim has died, too.
pub(crate) fn hide(place: &Path) {
    let _ = mount::unmount(place);
    let _ = fs::remove_file(place);
}

fn start(pasta: &Path, pid: i32, namespace: &Path, ports: &[Published]) -> Result<Child, String> {
    let failed = |error: io::Error| format!("{}: {error}", pasta.display());
    // Its words go to memory: nobody reads a pipe for as long as it runs.
    let words: File =
        rustix::fs::memfd_create("pasta", MemfdFlags::CLOEXEC).map_err(|error| failed(error.into()))?.into();
    let mut command = Command::new(pasta);
    command.args(["--config-net", "--foreground", "--quiet", "--no-map-gw", "-T", "none", "-U", "none"]);
    // Root's pasta would become nobody, who may not enter the namespace; root of a user namespace it leaves as it is.
    if rustix::process::geteuid().is_root() {
        command.args(["--runas", "0:0"]);
    }
    for (flag, protocol) in [("-t", "tcp"), ("-u", "udp")] {
        let ports: Vec<_> = ports.iter().filter(|port| port.protocol == protocol).map(spelled).collect();
        if ports.is_empty() {
            command.args([flag, "none"]);
        }
        for port in ports {
            command.arg(flag).arg(port);
        }
    }
    command.arg("--netns").arg(namespace);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(words.try_clone().map_err(failed)?);
    program::dies_with_this_thread(&mut command);
    // Some kernels give every namespace devices of their own.
    let before = devices(pid);
    let mut child = command.spawn().map_err(failed)?;
    // It says nothing when it is ready: its interface appearing does.
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("{} ended with {status}{}", pasta.display(), last_words(&words)));
        }
        if devices(pid) > before {
            return Ok(child);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
    let seconds = PATIENCE.as_secs();
    Err(format!("{} connected nothing within {seconds} seconds{}", pasta.display(), last_words(&words)))
}

/// How many network devices a process has.
fn devices(pid: i32) -> usize {
    fs::read_to_string(format!("/proc/{pid}/net/dev")).map_or(0, |text| text.lines().count())
}

/// The end of what it said, in one line.
fn last_words(words: &File) -> String {
    let length = words.metadata().map_or(0, |meta| meta.len());
    let mut bytes = vec![0; length.min(LONGEST) as usize];
    let read = words.read_at(&mut bytes, length.saturating_sub(LONGEST)).unwrap_or(0);
    let text = String::from_utf8_lossy(&bytes[..read]);
    // That it cannot reach the system's log is true in every container's start, and no reason.
    let says = |line: &&str| !line.is_empty() && !line.ends_with("to syslog");
    let lines: Vec<&str> = text.lines().map(str::trim).filter(says).collect();
    if lines.is_empty() { String::new() } else { format!(": {}", lines.join("; ")) }
}

/// A published port in pasta's words, `[address/]host:container`.
fn spelled(port: &Published) -> String {
    let address = if port.address.is_empty() { String::new() } else { format!("{}/", port.address) };
    format!("{address}{}:{}", port.outside, port.inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_in_pasta_s_words() {
        let port =
            |address: &str, outside| Published { protocol: "tcp".into(), inside: 80, address: address.into(), outside };
        assert_eq!(spelled(&port("", 8080)), "8080:80");
        assert_eq!(spelled(&port("127.0.0.1", 81)), "127.0.0.1/81:80");
    }

    #[test]
    fn a_verdict_is_of_one_program_and_does_not_stand_for_ever() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir(root.path().join("outcrop")).expect("a directory");
        let program = root.path().join("pasta");
        fs::write(&program, "").expect("a file");
        assert_eq!(remembered(root.path(), &program), None);
        remember(root.path(), &program, None);
        assert_eq!(remembered(root.path(), &program), Some(Ok(())));
        remember(root.path(), &program, Some(&"no".into()));
        assert_eq!(remembered(root.path(), &program), Some(Err("no".into())));
        let old = Verdict { key: key(&program).expect("a key"), at: now() - FORGIVEN, problem: Some("no".into()) };
        fs::write(verdict_of(root.path()), serde_json::to_vec(&old).expect("JSON")).expect("writes");
        assert_eq!(remembered(root.path(), &program), None);
        remember(root.path(), &program, None);
        fs::rename(&program, root.path().join("other")).expect("renames");
        fs::write(&program, "").expect("a file");
        assert_eq!(remembered(root.path(), &program), None, "another file");
        forget(root.path());
        assert!(!verdict_of(root.path()).exists());
    }

    /// Programs that fail, hang and are not there: tried on this process, which nothing of them touches.
    #[test]
    fn what_cannot_connect_is_told_with_its_words() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let script = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("writes");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("sets the mode");
            path
        };
        let own = std::process::id() as i32;
        let why =
            |program: &Path| start(program, own, Path::new("/proc/self/ns/net"), &[]).expect_err("does not connect");
        let fails = why(&script(
            "fails",
            "echo 'Failed to send 9 bytes to syslog' >&2; echo 'Failed to open tap:' >&2; echo '  no such device' >&2; exit 1",
        ));
        assert!(fails.ends_with("/fails ended with exit status: 1: Failed to open tap:; no such device"), "{fails}");
        let silent = why(&script("silent", "exit 0"));
        assert!(silent.ends_with("/silent ended with exit status: 0"), "{silent}");
        let hangs = why(&script("hangs", "echo waiting >&2; echo $$ > \"$0.pid\"; exec sleep 1000"));
        assert!(hangs.ends_with("/hangs connected nothing within 5 seconds: waiting"), "{hangs}");
        let pid = fs::read_to_string(directory.path().join("hangs.pid")).expect("it ran");
        assert!(!Path::new("/proc").join(pid.trim()).exists(), "it was killed");
        let gone = why(&directory.path().join("gone"));
        assert!(gone.contains("No such file or directory"), "{gone}");
        let much = why(&script("much", "seq 1 100000 >&2; exit 3"));
        assert!(much.len() < 700 && much.ends_with("; 100000"), "{much}");
    }
}
