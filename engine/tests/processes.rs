//! Many processes on one root, and processes killed at any moment (`kill -9`): nothing lost, nothing left over.
//!
//! The program re-executes itself as the process that is killed, so it has a `main` of its own. A failure is repeated with the
//! seed that is printed.

#[path = "images/support.rs"]
#[expect(dead_code, reason = "the other test program uses the rest")]
mod support;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use outcrop_engine::Engine;
use outcrop_engine::image::{ErrorKind, ImageError, ListOptions, SaveFormat};
use outcrop_engine::progress::{Cancel, Ctx};

use support::{Image, Root, check_whole, docker_archive, layer, load, options, save};

/// How often a process is killed.
const KILLS: u64 = 40;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mark, root, work] = &arguments[..]
        && mark == "--child"
    {
        return child(root, work);
    }
    if arguments.iter().any(|argument| argument == "--list") {
        println!("two_processes_load_one_image: test\nkilled_processes_leave_nothing: test");
        return;
    }
    // What cargo passes to pick tests: this program has nothing to be ignored, and all or nothing to run.
    if arguments.iter().any(|argument| argument == "--ignored") {
        return;
    }
    for (name, test) in [
        ("two_processes_load_one_image", two_processes_load_one_image as fn()),
        ("killed_processes_leave_nothing", killed_processes_leave_nothing),
    ] {
        let start = Instant::now();
        test();
        println!("test {name} ... ok ({:.1} s)", start.elapsed().as_secs_f32());
    }
}

/// One command on a root, in a process that may be killed.
fn child(root: &str, work: &str) {
    let engine = Engine::open(&options(root.as_ref())).expect("opens");
    let outcome = run(&engine, work);
    if let Err(error) = outcome {
        eprintln!("{work}: {error}");
        std::process::exit(if error.kind() == ErrorKind::NotFound { 4 } else { 1 });
    }
}

fn run(engine: &Engine, work: &str) -> Result<(), ImageError> {
    let cancel = Cancel::new();
    let ctx = Ctx { progress: &|_| {}, cancel: &cancel };
    match work {
        "load" => load(engine, &archive()).map(drop),
        "save" => save(engine, &["keep:1"], SaveFormat::Docker).map(drop),
        "rmi" => engine.images().remove("a:1", false, true, ctx).map(drop),
        "tag" => engine.images().tag(&engine.images().resolve("keep:1")?, &"keep:2".parse()?),
        "prune" => {
            let filters =
                outcrop_engine::filters::Filters::default().with("dangling", "false").with("label", "extra=a:1");
            engine.images().prune(&filters, ctx).map(drop)
        }
        other => panic!("no such work: {other}"),
    }
}

/// Two images that share a layer with `keep:1`.
fn archive() -> Vec<u8> {
    let [base, top, other] = layers();
    docker_archive(&[Image::new(&["a:1"], &[base.clone(), top]), Image::new(&["b:1"], &[base, other])])
}

fn layers() -> [Vec<u8>; 3] {
    let text = "0123456789abcdef".repeat(2000);
    let files: Vec<(String, &str)> = (0..60).map(|n| (format!("dir{}/file{n}", n % 7), text.as_str())).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    [layer(&files[..20]), layer(&files[20..40]), layer(&files[40..])]
}

fn with_keep() -> Root {
    let root = Root::new();
    let [base, ..] = layers();
    load(&root.open(), &docker_archive(&[Image::new(&["keep:1"], &[base])])).expect("loads");
    root
}

fn start(root: &Root, work: &str) -> Child {
    let program = std::env::current_exe().expect("has a path");
    let mut command = Command::new(program);
    command.arg("--child").arg(root.path()).arg(work).stdin(Stdio::null());
    command.spawn().expect("starts")
}

fn two_processes_load_one_image() {
    for _ in 0..3 {
        let root = with_keep();
        let children: Vec<Child> = (0..3).map(|_| start(&root, "load")).collect();
        for mut child in children {
            assert!(child.wait().expect("ends").success());
        }
        check_whole(&root.path());
        let tags: Vec<String> = names(&root.open());
        assert_eq!(tags, ["a:1", "b:1", "keep:1"]);
        // One loads while another removes: whoever is later wins, and no layer is missing.
        let (mut loading, mut removing) = (start(&root, "load"), start(&root, "rmi"));
        assert!(loading.wait().expect("ends").success());
        assert!(removing.wait().expect("ends").success());
        check_whole(&root.path());
        assert_eq!(root.open().problems(), []);
    }
}

fn names(engine: &Engine) -> Vec<String> {
    let list = engine.images().list(&ListOptions::default()).expect("lists");
    let mut names: Vec<String> = list.into_iter().flat_map(|summary| summary.tags).collect();
    names.sort();
    names
}

fn killed_processes_leave_nothing() {
    let mut random = Random::seeded();
    let root = with_keep();
    let mut longest = Duration::from_millis(80);
    let mut killed = 0;
    for round in 0..KILLS {
        // Whatever state the last round left, the next command starts from it.
        let work = ["load", "rmi", "tag", "load", "prune", "save"][random.below(6) as usize];
        let begin = Instant::now();
        let mut child = start(&root, work);
        std::thread::sleep(longest.mul_f64(random.below(1000) as f64 / 1000.0));
        let _ = child.kill();
        let status = child.wait().expect("ends");
        if status.code().is_some() {
            longest = longest.max(begin.elapsed().mul_f64(1.2)).min(Duration::from_secs(2));
        } else {
            killed += 1;
        }
        let engine = root.open();
        check_whole(&root.path());
        assert_eq!(engine.problems(), [], "round {round}: {work}");
        assert!(names(&engine).contains(&"keep:1".to_owned()), "round {round}: {work}");
        save(&engine, &["keep:1"], SaveFormat::Docker).unwrap_or_else(|e| panic!("round {round}: {work}: {e}"));
        match run(&engine, work) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound && work == "rmi" => {}
            Err(error) => panic!("round {round}: {work} repeated: {error}"),
        }
        check_whole(&root.path());
    }
    println!("{killed} of {KILLS} were killed before they ended");
}

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let seed = std::env::var("OUTCROP_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos() as u64));
        println!("OUTCROP_TEST_SEED={seed}");
        Self(seed | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
