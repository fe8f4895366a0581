//! The lines around the panes, and what opens over them.

use super::fixture::FAMILY;
use super::{COLOUR, Kit, Screen};
use crate::job::JobNews;
use crate::message::{Data, Message, Request};
use crate::options::{Connection, Kind};

const ENGINE: Kit = Kit { engine: true, ..COLOUR };
const SMALL: Kit = Kit { size: (80, 24), ..COLOUR };

fn bottom(screen: &mut Screen) -> String {
    screen.text().lines().last().unwrap_or_default().to_owned()
}

#[test]
fn the_way_to_every_key_is_always_in_the_bottom_line() {
    for (width, height) in [(60, 16), (80, 24), (100, 30), (120, 40), (200, 60)] {
        let mut screen = Screen::open(Some(FAMILY), Kit { size: (width, height), engine: true, ..COLOUR });
        for keys in ["1", "tab", "tab", "tab", "2", "tab", "3", "tab", "4", "5", "tab", "1 w"] {
            let line = bottom(screen.keys(keys));
            assert!(line.ends_with("? keys"), "{width}x{height} after {keys}: {line}");
        }
    }
}

#[test]
fn a_long_notice_is_seen_whole() {
    let mut screen = Screen::open(None, Kit { engine: true, ..SMALL });
    let why = "Dockerfile was not built: the command returned a non-zero code: 1\nDockerfile:3: the command of this step \
               failed\n  3 | RUN false";
    let text = screen.give(Data::Failed(why.into())).text();
    let end: Vec<&str> = text.lines().skip(21).collect();
    let lines =
        ["Dockerfile was not built: the command returned a non-zero code: 1", "Dockerfile:3: the command of this"];
    assert!(end[0].contains(lines[0]) && end[1].contains(lines[1]) && end[2].contains("  3 | RUN false"), "{text}");
    assert!(!text.contains("\\n"), "{text}");
}

#[test]
fn why_nothing_can_be_changed_is_said_at_its_length() {
    let mut screen = Screen::open(None, SMALL);
    let why = "opened to be read only, since a daemon with process 4711 has it; stop that daemon to change something";
    let connection = Connection { kind: Kind::Embedded, read_only: Some(why.into()), ..Connection::default() };
    let text = screen.give(Data::Connected(Box::new(connection))).text();
    assert!(text.contains("only reading") && text.contains("stop that daemon to change something"), "{text}");
}

#[test]
fn an_engine_that_stops_is_told_until_it_is_back() {
    let mut screen = Screen::open(None, ENGINE);
    screen.give(Data::Images(Vec::new()));
    let text = screen.give(Data::Answers(false)).text();
    assert!(text.contains("what is shown is what it last said"), "{text}");
    for keys in ["2", "4", "1"] {
        let text = screen.keys(keys).text();
        assert!(text.starts_with(" outcrop  does not answer  docker"), "{text}");
    }
    let text = screen.give(Data::Answers(true)).text();
    assert!(text.contains("the engine answers again") && !text.contains("does not answer"), "{text}");
}

#[test]
fn running_no_image_says_what_to_do() {
    let mut screen = Screen::open(None, ENGINE);
    let text = screen.give(Data::Images(Vec::new())).keys("r").text();
    assert!(text.contains("no image is here to run: o loads one") && !text.contains("below this step"), "{text}");
}

#[test]
fn what_opens_can_be_clicked_and_clicked_away() {
    let mut screen = Screen::open(Some(FAMILY), COLOUR);
    screen.keys("y").click("image ID");
    assert!(screen.asked().contains("Copy(\"sha256:"), "{}", screen.text());
    screen.keys("y").click("outcrop");
    assert!(!screen.text().contains("chain ID  sha256:"), "{}", screen.text());
    let text = screen.keys(": text:waste").click("shows bytes stored").text();
    assert!(text.contains("stored in, wasted by") && !text.contains("Commands"), "{text}");
    let text = screen.keys("1 delete").click("outcrop").text();
    assert!(text.contains("Remove 1 image?"), "a question is answered: {text}");
}

#[test]
fn commands_are_found_by_their_names_and_by_words() {
    let mut screen = Screen::open(Some(FAMILY), COLOUR);
    let text = screen.keys(": text:stop").text();
    assert!(text.contains("▸ stop ") && !text.contains("mark-all") && !text.contains("zoom"), "{text}");
    let text = screen.keys("esc : text:registry").text();
    assert!(text.contains("push") && text.contains("fetches an image from a registry"), "{text}");
}

#[test]
fn an_archive_is_chosen_from_a_folder() {
    let mut screen = Screen::open(None, ENGINE);
    screen.give(Data::Images(Vec::new())).keys("o tab");
    let folder = screen.folder.path().display().to_string();
    let looked = crate::launch::Looked {
        path: folder.clone(),
        seen: crate::launch::check::Seen::There,
        entries: vec![("app.tar".into(), false)],
    };
    let text = screen.give(Data::Looked(looked)).text();
    assert!(text.contains("▸ app.tar"), "{text}");
    let asked = screen.keys("enter").asked();
    assert!(asked.contains("Load {") && asked.contains(&format!("{folder}/app.tar")), "{asked}");
}

#[test]
fn an_archive_has_a_disk_and_no_builds() {
    let mut screen = Screen::open(Some(FAMILY), COLOUR);
    let text = screen.keys("4").text();
    assert!(text.contains("app2:latest") && !text.contains("measuring"), "{text}");
    let text = screen.keys("5").text();
    assert!(text.contains("an archive builds nothing") && !text.contains("looking"), "{text}");
}

#[test]
fn a_running_job_stays_in_sight_below_a_long_notice() {
    let mut screen = Screen::open(None, Kit { engine: true, ..SMALL });
    screen.give(Data::Images(Vec::new())).keys("p text:alpine enter");
    let job = screen.sent.iter().find_map(|request| match request {
        Request::Pull { job, .. } => Some(*job),
        _ => None,
    });
    screen.take(Message::Job(job.expect("pulls"), JobNews::Progress { done: 1, total: 2, what: None }));
    let text = screen.give(Data::Failed("no room ".repeat(20))).text();
    let last = text.lines().last().unwrap_or_default();
    assert!(text.contains("no room no room") && last.contains("pull alpine:latest"), "{text}");
}

#[test]
fn the_tab_that_is_seen_is_always_named() {
    let mut screen = Screen::open(None, Kit { engine: true, ..SMALL });
    screen.keys("2").give(Data::Containers(Ok(super::objects::containers())));
    for word in ["Changes", "Live", "Terminal", "Logs", "Mounts", "Processes", "Inspect"] {
        let text = screen.text();
        assert!(text.contains(&format!("[{word}]")), "{text}");
        screen.keys("]");
    }
    // What is seen of them can be clicked.
    let text = screen.keys("[").click("Processes").text();
    assert!(text.contains("[Processes]"), "{text}");
}

#[test]
fn a_long_menu_scrolls() {
    let mut screen = Screen::open(None, Kit { engine: true, ..SMALL });
    let model = super::objects::containers().remove(0);
    let row = |n: u8| crate::model::ContainerRow {
        id: format!("{n:064x}"),
        name: format!("container{n:02}"),
        ..model.clone()
    };
    screen.keys("2").give(Data::Containers(Ok((0..60).map(row).collect())));
    let text = screen.keys("=").text();
    assert!(text.contains("b container02") && !text.contains("container59") && text.contains("1 of 59"), "{text}");
    let text = screen.keys("pagedown pagedown pagedown pagedown pagedown pagedown").text();
    assert!(text.contains("  container59  ") && text.contains("59 of 59"), "{text}");
    let text = screen.click("container58").text();
    assert!(text.contains("reading both"), "{text}");
    let asked = screen.asked();
    assert!(asked.contains(&format!("container: \"{:064x}\"", 58)), "{asked}");
}
