//! The build screen, over answers as an engine gives them.

use outcrop_layers::digest::{ChainId, DiffId, Digest};

use super::{COLOUR, Kit, Screen};
use crate::launch::Looked;
use crate::launch::check::Seen;
use crate::message::{Data, Request};
use crate::model::{Laid, News, Plan};
use crate::safe_text::Charset;
use crate::theme::Level;

const ENGINE: Kit = Kit { engine: true, ..COLOUR };

/// The first `count` layers of the family; `last` tells apart what is not shared.
fn laid(count: usize, last: &str, bytes: u64) -> Laid {
    let diffs: Vec<DiffId> = (1..=count)
        .map(|at| {
            let what = if at == count { format!("{at}{last}") } else { at.to_string() };
            format!("sha256:{}", Digest::of(what.as_bytes()).hex()).parse().expect("is a digest")
        })
        .collect();
    Laid { chains: ChainId::all(&diffs), bytes }
}

const STEPS: [&str; 5] = [
    "FROM base",
    "RUN apt-get update && apt-get -y install python",
    "RUN pip install flask flask-mysql",
    "COPY . /opt/source-code",
    "ENTRYPOINT FLASK_APP=/opt/source-code/app.py flask run",
];

fn plan(dockerfile: &str, reused: usize, shared: usize) -> Plan {
    let steps: Vec<_> = STEPS
        .iter()
        .enumerate()
        .map(|(at, instruction)| {
            let is_other = at >= shared && dockerfile != "Dockerfile";
            let why = match at.cmp(&reused) {
                std::cmp::Ordering::Less => "it was built before",
                std::cmp::Ordering::Equal => "COPY: app.py changed since",
                std::cmp::Ordering::Greater => "a step before it runs",
            };
            serde_json::json!({
                "Number": at + 1,
                "Of": 5,
                "Line": 2 * at + 1,
                "Instruction": if is_other { instruction.replace("app.py", "app2.py").replace("COPY .", "COPY app2.py") } else { (*instruction).into() },
                "Reused": at < reused,
                "Why": why,
                "Image": null,
                "Layer": null,
                "Size": null,
            })
        })
        .collect();
    let plan = serde_json::json!({"Dockerfile": dockerfile, "Shared": shared, "Steps": steps});
    let mut plan: Plan = serde_json::from_value(plan).expect("is a plan");
    for (at, bytes) in [78_000_000, 296_000_000, 38_000_000].into_iter().enumerate().take(reused) {
        plan.steps[at].laid = Some(laid(at + 1, "", bytes));
    }
    plan
}

/// Opens the screen on a folder of two Dockerfiles.
fn open(kit: Kit) -> Screen {
    let mut screen = Screen::open(None, kit);
    screen.keys("5");
    let asked = screen.asked();
    let path = screen.folder.path().display().to_string();
    assert!(asked.contains(&format!("Look({path:?})")), "{asked}");
    browse(&mut screen, &path);
    screen
}

fn browse(screen: &mut Screen, path: &str) {
    let names = [("sub", true), ("Dockerfile", false), ("Dockerfile2", false), ("app.py", false)];
    let entries = names.map(|(name, is_folder)| (name.to_owned(), is_folder)).to_vec();
    screen.give(Data::Looked(Looked { path: path.to_owned(), seen: Seen::There, entries }));
}

/// The newest wish for a plan or a build, and all that was asked for.
fn wish(screen: &mut Screen) -> (u64, String) {
    let wished = screen.sent.iter().rev().find_map(|request| match request {
        Request::Plan { generation, .. } | Request::Build { generation, .. } => Some(*generation),
        _ => None,
    });
    (wished.expect("was asked"), screen.asked())
}

/// The same folder in every run, so that pictures of the screen are the same.
fn planned(kit: Kit) -> Screen {
    let mut screen = open(kit);
    screen.keys("o");
    screen.asked();
    let path = screen.folder.path().display().to_string();
    let above = path.rsplit_once('/').map_or("/", |(above, _)| if above.is_empty() { "/" } else { above }).to_owned();
    // Up to the root, and into the folder of the test.
    for _ in path.matches('/') {
        screen.keys("left");
    }
    let entries = vec![("src".to_owned(), true)];
    assert!(!above.is_empty());
    screen.give(Data::Looked(Looked { path: "/".into(), seen: Seen::There, entries }));
    screen.keys("space");
    browse(&mut screen, "/src");
    let (generation, asked) = wish(&mut screen);
    assert!(asked.contains("Plan {") && asked.contains("folder: \"/src\""), "{asked}");
    screen.give(Data::Plans { generation, result: Ok(vec![plan("Dockerfile", 3, 5)]) });
    screen
}

fn at(width: u16, height: u16) -> Kit {
    Kit { size: (width, height), ..ENGINE }
}

fn news(screen: &mut Screen, generation: u64, list: Vec<(u64, News)>) {
    for (millis, news) in list {
        screen.give(Data::Build { generation, millis, news });
    }
}

fn step(number: usize) -> News {
    News::Step { number, of: 5, instruction: STEPS[number - 1].into() }
}

/// Two plans, and a build that runs.
pub(super) fn busy(kit: Kit) -> Screen {
    let mut screen = planned(Kit { engine: true, ..kit });
    compare(&mut screen);
    built(&mut screen);
    screen
}

/// A build up to its fourth step.
fn built(screen: &mut Screen) -> u64 {
    screen.asked();
    screen.keys("b");
    let (generation, asked) = wish(screen);
    assert!(asked.contains("Build {") && asked.contains("dockerfile: \"Dockerfile\", name: \"src\""), "{asked}");
    let mut list = vec![];
    for (at, bytes) in [78_000_000, 296_000_000, 38_000_000].into_iter().enumerate() {
        list.extend([
            (at as u64, step(at + 1)),
            (at as u64, News::Cached),
            (at as u64, News::Laid(laid(at + 1, "", bytes))),
        ]);
    }
    list.push((10, step(4)));
    news(screen, generation, list);
    generation
}

#[test]
fn plan_at_80x24() {
    insta::assert_snapshot!(planned(at(80, 24)).text());
}

#[test]
fn plan_at_120x40() {
    insta::assert_snapshot!(planned(ENGINE).text());
}

#[test]
fn two_dockerfiles_at_200x60() {
    let mut screen = planned(at(200, 60));
    compare(&mut screen);
    insta::assert_snapshot!(screen.text());
}

fn compare(screen: &mut Screen) {
    screen.keys("j space k");
    let (generation, asked) = wish(screen);
    assert!(asked.contains("others: [\"Dockerfile2\"]"), "{asked}");
    let plans = vec![plan("Dockerfile", 3, 5), plan("Dockerfile2", 3, 3)];
    screen.give(Data::Plans { generation, result: Ok(plans) });
}

#[test]
fn a_dockerfile_is_not_beside_itself() {
    let mut screen = planned(ENGINE);
    let text = screen.keys("space").text();
    assert!(text.contains("is shown with it, side by side") && !text.contains("= Dockerfile"), "{text}");
    assert!(!screen.asked().contains("others: [\"Dockerfile\"]"));
}

#[test]
fn two_dockerfiles_without_colours_and_in_ascii() {
    let mut screen = planned(Kit { level: Level::None, charset: Charset::Ascii, ..ENGINE });
    compare(&mut screen);
    insta::assert_snapshot!(screen.text());
    assert!(screen.buffer().content.iter().all(|cell| cell.symbol().is_ascii()));
}

#[test]
fn a_failing_step_is_pointed_at_with_its_last_lines() {
    let mut screen = planned(ENGINE);
    let generation = built(&mut screen);
    assert!(screen.text().contains("running"), "{}", screen.text());
    // The clock of the step that runs goes on while it says nothing.
    news(&mut screen, generation, vec![(1510, News::Clock)]);
    let text = screen.text();
    assert!(text.contains("is being built, 1.5 s"), "{text}");
    assert!(text.lines().any(|line| line.contains("running") && line.contains("1.5 s")), "{text}");
    let mut list: Vec<_> =
        (1..100).map(|line| (20, News::Output(format!("line \u{1b}[31m{line}\u{1b}[0m\n")))).collect();
    list.push((2500, News::Failed("the command '/bin/sh -c false' returned a non-zero code: 1".into())));
    news(&mut screen, generation, list);
    let text = screen.text();
    assert!(text.contains("FAILED") && text.contains("line 99") && text.contains("non-zero code: 1"), "{text}");
    assert!(!text.contains("line 10\n") && text.contains("failed after 2.5 s") && text.contains("not run"), "{text}");
    insta::assert_snapshot!("failed_build", text);
}

#[test]
fn a_build_that_is_done_is_selected_in_images() {
    let mut screen = planned(ENGINE);
    let generation = built(&mut screen);
    let id = format!("sha256:{}", "ab".repeat(32));
    let list = vec![(300, News::Laid(laid(4, "a", 12_000))), (310, step(5)), (320, News::Built(id.clone()))];
    news(&mut screen, generation, list);
    let text = screen.text();
    assert!(text.contains("built abababababab in 320 ms") && text.contains("12.0 kB · 300 ms"), "{text}");
    let (_, asked) = wish(&mut screen);
    assert!(asked.contains("Plan {"), "what a build would do now is asked anew: {asked}");
    let row =
        |id: &str, name: &str| crate::model::ImageRow { id: id.into(), tags: vec![name.into()], ..Default::default() };
    screen.keys("1").give(Data::Images(vec![row("sha256:00", "aaa:latest"), row(&id, "src:latest")]));
    let text = screen.text();
    assert!(text.lines().any(|line| line.contains("▸ src")), "{text}");
}

#[test]
fn a_build_is_cancelled_and_another_may_begin() {
    let mut screen = planned(ENGINE);
    built(&mut screen);
    screen.keys("b");
    assert!(!screen.asked().contains("Build {"), "one at a time");
    screen.keys("x");
    let text = screen.text();
    assert!(text.contains("cancelled: what was done is kept") && text.contains("not run"), "{text}");
    screen.keys("R");
    assert!(screen.text().contains("3 steps are reused, 2 will run"), "{}", screen.text());
    assert!(screen.keys("b").asked().contains("Build {"));
    assert!(screen.keys("!").text().contains("docker build -t src /src"));
}

#[test]
fn an_engine_without_plans_builds_all_the_same() {
    let mut screen = planned(ENGINE);
    screen.keys("c");
    let (generation, asked) = wish(&mut screen);
    assert!(asked.contains("no_cache: true"), "{asked}");
    screen.give(Data::Plans { generation, result: Err("this engine does not tell beforehand".into()) });
    let text = screen.text();
    assert!(text.contains("does not tell beforehand") && text.contains("b builds it all the same"), "{text}");
    screen.keys("b");
    let (generation, asked) = wish(&mut screen);
    assert!(asked.contains("Build {"), "{asked}");
    news(&mut screen, generation, vec![(1, step(1)), (5, News::Laid(laid(1, "", 78_000_000))), (5, step(2))]);
    let text = screen.text();
    assert!(text.contains("78.0 MB") && text.contains("running"), "{text}");
}

#[test]
fn how_to_build_is_checked_and_said_as_docker_would() {
    let mut screen = planned(ENGINE);
    screen.keys("t text:X");
    assert!(screen.text().contains("small letters"), "{}", screen.text());
    screen.keys("backspace enter text:last enter text:A=b enter text:arm64");
    assert!(screen.text().contains("write os/arch"), "{}", screen.text());
    screen.keys("ctrl-u text:linux/arm64 enter ctrl-u text:maybe enter");
    assert!(screen.text().contains("write yes or no"), "{}", screen.text());
    screen.keys("shift-tab ctrl-u text:no enter ctrl-u text:yes enter");
    let asked = screen.asked();
    assert!(asked.contains("target: \"last\", arguments: [(\"A\", \"b\")], no_cache: true, pull: true"), "{asked}");
    let asked = screen.keys("y").asked();
    let words = "--target last --build-arg A=b --platform linux/arm64 --no-cache --pull /src";
    assert!(asked.contains(&format!("docker build -t src {words}")), "{asked}");
    // It is asked again with what was said.
    insta::assert_snapshot!("how_to_build", screen.keys("t").text());
}

#[test]
fn hostile_names_and_output_are_harmless() {
    let mut screen = planned(ENGINE);
    let generation = built(&mut screen);
    let evil = "\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\u{1b}[2J";
    let mut bad = plan(evil, 1, 5);
    bad.steps[0].instruction = evil.repeat(50);
    bad.steps[1].why = evil.into();
    news(&mut screen, generation, vec![(1, News::Output(format!("{evil}\n{evil}"))), (2, News::Failed(evil.into()))]);
    assert!(super::is_clean(&screen.buffer(), Charset::Unicode), "{}", screen.text());
    screen.keys("R");
    let (generation, _) = wish(&mut screen);
    screen.give(Data::Plans { generation, result: Ok(vec![bad]) });
    assert!(super::is_clean(&screen.buffer(), Charset::Unicode), "{}", screen.text());
    let entries = vec![(format!("Dockerfile{evil}"), false)];
    screen.give(Data::Looked(Looked { path: "/src".into(), seen: Seen::There, entries }));
    for keys in ["j", "t", "esc"] {
        screen.keys(keys);
        assert!(super::is_clean(&screen.buffer(), Charset::Unicode), "{}", screen.text());
    }
}
