//! The terminal in a real pty, its output read by a terminal parser.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use crate::archive::{Image, Member, pack};
use crate::outcrop::{Outcrop, feed, text};

/// The program in a pty.
pub(crate) struct Terminal {
    child: Child,
    master: File,
    slave: OwnedFd,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    pub(crate) fn start(program: &Command, columns: u16, rows: u16, environment: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("pty");
        grantpt(&master).expect("pty");
        unlockpt(&master).expect("pty");
        let name = ptsname(&master, Vec::new()).expect("pty").into_string().expect("utf-8");
        let side = || File::options().read(true).write(true).open(&name).expect("pty");
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).expect("pty");
        let slave = OwnedFd::from(side());
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg("--wait").arg(program.get_program()).args(program.get_args());
        command
            .env("TERM", "xterm-256color")
            .env("COLORTERM", "truecolor")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("NO_COLOR");
        if let Some(folder) = program.get_current_dir() {
            command.current_dir(folder);
        }
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.envs(environment.iter().copied());
        let child = command.stdin(side()).stdout(side()).stderr(Stdio::from(side())).spawn().expect("setsid starts");
        let master = File::from(master);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let (mut output, shown) = (master.try_clone().expect("pty"), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                shown.lock().expect("screen").process(&buffer[..n]);
            }
        });
        Self { child, master, slave, screen }
    }

    pub(crate) fn text(&self) -> String {
        self.screen.lock().expect("screen").screen().contents()
    }

    /// Waits until the screen shows `text`.
    pub(crate) fn shows(&self, text: &str) -> &Self {
        self.wait(text, true)
    }

    /// Waits until the screen no longer shows `text`.
    fn hides(&self, text: &str) -> &Self {
        self.wait(text, false)
    }

    fn wait(&self, text: &str, shown: bool) -> &Self {
        let end = Instant::now() + Duration::from_secs(20);
        while self.text().contains(text) != shown {
            assert!(Instant::now() < end, "{text:?} shown: {}\n{}", !shown, self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
        self
    }

    pub(crate) fn press(&self, keys: &str) -> &Self {
        (&self.master).write_all(keys.as_bytes()).expect("pty");
        self
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.screen.lock().expect("screen").screen_mut().set_size(rows, columns);
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).expect("pty");
    }

    /// Sends the program a signal.
    pub(crate) fn kill(&self, signal: &str) {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let pid = std::fs::read_to_string(children).expect("setsid's child");
        let pid = pid.split_whitespace().next().map_or(self.child.id().to_string(), str::to_owned);
        assert!(Command::new("kill").arg(format!("-{signal}")).arg(pid).status().expect("kill").success());
    }

    /// Insists that the program ends and leaves the terminal as it was.
    pub(crate) fn ends(mut self) {
        let end = Instant::now() + Duration::from_secs(10);
        while self.child.try_wait().expect("waits").is_none() {
            assert!(Instant::now() < end, "did not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
        let modes = tcgetattr(&self.slave).expect("pty").local_modes;
        assert!(modes.contains(rustix::termios::LocalModes::ICANON | rustix::termios::LocalModes::ECHO), "{modes:?}");
        std::thread::sleep(Duration::from_millis(50));
        let screen = self.screen.lock().expect("screen");
        assert!(!screen.screen().alternate_screen() && !screen.screen().hide_cursor(), "the screen is not restored");
        assert_eq!(screen.screen().mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    }
}

fn two_images() -> Outcrop {
    let outcrop = Outcrop::new();
    let base = pack(vec![Member::file("etc/motd", "hello\n"), Member::file("bin/tool", vec![b'x'; 50_000])]);
    for (tag, file) in [("app1:latest", "opt/app.py"), ("app2:latest", "opt/app2.py")] {
        let top = pack(vec![Member::file(file, format!("print('{tag}')\n")), Member::file("etc/\x1b[31mred\x07", "x")]);
        outcrop.feed(["load"], &Image::of(tag, vec![base.clone(), top]).archive());
    }
    outcrop
}

#[test]
fn shows_images_at_every_size() {
    let outcrop = two_images();
    let terminal = Terminal::start(&outcrop.command::<&str>([]), 120, 40, &[]);
    terminal.shows("app1").shows("app2").shows("Files").shows("app.py");
    for (columns, rows) in [(80, 24), (200, 60), (20, 5), (1, 1), (120, 40)] {
        terminal.resize(columns, rows);
        std::thread::sleep(Duration::from_millis(30));
    }
    terminal.shows("app1").press("?").shows("Keys: images").press("\x1b").hides("Keys: images").press("q");
    terminal.ends();
}

#[test]
fn plain_terminals() {
    let outcrop = two_images();
    for environment in
        [&[("NO_COLOR", "1")][..], &[("LC_ALL", "C")], &[("TERM", "linux"), ("COLORTERM", "")], &[("TERM", "dumb")]]
    {
        let terminal = Terminal::start(&outcrop.command::<&str>([]), 80, 24, environment);
        terminal.shows("app1").press("q");
        terminal.ends();
    }
}

#[test]
fn the_terminal_is_sane_after_signals() {
    let outcrop = two_images();
    for signal in ["TERM", "HUP", "INT"] {
        let terminal = Terminal::start(&outcrop.command::<&str>([]), 80, 24, &[]);
        terminal.shows("app1").kill(signal);
        terminal.ends();
    }
}

#[test]
fn opens_an_archive_and_a_data_root() {
    let outcrop = two_images();
    let archive = outcrop.scratch("saved.tar");
    outcrop.ok(["save", "-o", archive.to_str().expect("utf-8"), "app1:latest"]);
    for argument in [archive.as_path(), outcrop.root()] {
        let other = Outcrop::new();
        let terminal = Terminal::start(&other.command([argument]), 120, 40, &[]);
        terminal.shows("app1").shows("app.py").press("q");
        terminal.ends();
    }
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn what_runs_in_a_demo_ends_with_it() {
    let outcrop = Outcrop::new();
    let terminal = Terminal::start(&outcrop.command(["demo"]), 120, 40, &[]);
    terminal.shows("app1").shows("base").press("Gr").shows("Run base:latest");
    terminal.press("left\tsh -s outlives-a-demo\x13").shows("F12 leaves it").shows("# ");
    let running = || {
        let processes = std::fs::read_dir("/proc").expect("reads /proc").flatten();
        let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        lines.filter(|line| line.starts_with(b"sh\0-s\0outlives-a-demo")).count()
    };
    assert_eq!(running(), 1, "the container runs");
    terminal.press("\x1c").shows("enter goes back into it").press("q");
    terminal.ends();
    assert_eq!(running(), 0, "nothing runs whose data root is gone");
}

#[test]
fn demo_needs_nothing() {
    let outcrop = Outcrop::new();
    let terminal = Terminal::start(&outcrop.command(["demo"]), 120, 40, &[]);
    terminal.shows("app1").shows("app2").press("q");
    terminal.ends();
    let refused = feed(outcrop.command(["images"]), b"");
    assert_eq!(text(&refused).lines().count(), 1, "the demo's images are not in this root");
}
