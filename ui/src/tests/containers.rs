//! The containers screen, over answers as an engine gives them.

use ratatui::style::{Color, Modifier};

use super::objects::{changes, containers, detail, id, written};
use super::{COLOUR, Kit, Screen};
use crate::job::JobNews;
use crate::message::{Data, Message, Processes, Request, TerminalInput, TerminalNews};
use crate::safe_text::Charset;
use crate::screen::containers::Asking;
use crate::theme::Level;
use crate::work::{Verb, Work};

const ENGINE: Kit = Kit { engine: true, ..COLOUR };

fn open(kit: Kit) -> Screen {
    let mut screen = Screen::open(None, kit);
    screen.keys("2").give(Data::Containers(Ok(containers())));
    screen.give(Data::Container(Box::new(detail(1))));
    let reading = changes(&screen);
    screen.give(Data::Changes { container: id(1), reading });
    screen
}

fn at(width: u16, height: u16) -> Kit {
    Kit { size: (width, height), ..ENGINE }
}

/// The terminal that was asked for: its number and what is typed into it.
fn terminal(screen: &mut Screen) -> (u64, tokio::sync::mpsc::UnboundedReceiver<TerminalInput>, (u16, u16)) {
    let asked = std::mem::take(&mut screen.sent).into_iter().rev();
    let mut found = asked.filter_map(|request| match request {
        Request::Terminal { generation, input, size, .. } => Some((generation, input, size)),
        _ => None,
    });
    found.next().expect("a terminal was asked for")
}

#[test]
fn containers_at_80x24() {
    insta::assert_snapshot!(open(at(80, 24)).text());
}

#[test]
fn containers_at_120x40() {
    insta::assert_snapshot!(open(ENGINE).keys("enter j").text());
}

#[test]
fn containers_at_200x60() {
    insta::assert_snapshot!(open(at(200, 60)).keys("enter").text());
}

#[test]
fn containers_without_colours_and_in_ascii() {
    let mut screen = open(Kit { level: Level::None, charset: Charset::Ascii, ..ENGINE });
    insta::assert_snapshot!(screen.text());
    let buffer = screen.buffer();
    assert!(buffer.content.iter().all(|cell| cell.symbol().is_ascii()));
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert!(
        buffer.content.iter().any(|cell| cell.modifier.contains(Modifier::REVERSED)),
        "the selected row can be seen"
    );
}

#[test]
fn the_surface_is_counted_and_its_origins_are_named() {
    let text = open(ENGINE).keys("enter").text();
    assert!(text.contains("3 copied up   2 new   1 deleted"), "{text}");
    assert!(text.contains("2 files copied up") && text.contains("1 file copied up"), "{text}");
    assert!(text.contains("1 of them only for mode, owner or time"), "{text}");
    assert!(text.contains("from layer 2") && text.contains("over layer 1"), "{text}");
}

#[test]
fn a_newer_state_keeps_what_is_open_and_selected() {
    let mut screen = open(ENGINE);
    // All closed but one folder, and a file in it selected: not what a first look opens.
    let before = screen.keys("enter - g down right down down").text();
    assert_eq!(before.matches("from layer").count(), 1, "{before}");
    assert!(before.contains("╭─ vi ─") && !before.contains("libc.so"), "{before}");
    screen.keys("R");
    assert!(screen.asked().contains("Changes {"));
    let reading = changes(&screen);
    let after = screen.give(Data::Changes { container: id(1), reading }).text();
    assert_eq!(after, before);
}

#[test]
fn without_the_images_layers_no_origin_is_claimed() {
    let mut screen = open(ENGINE);
    let crate::content::Reading::Ready(whole) = changes(&screen) else { panic!("is ready") };
    let tree = outcrop_layers::tree::Tree::build(&[whole.tree.layer(0).clone(), whole.tree.layer(3).clone()]);
    let content = crate::content::Content::new("x".into(), tree, whole.source.clone(), vec!["as listed".into()]);
    let reading = crate::content::Reading::Ready(std::sync::Arc::new(content));
    let text = screen.give(Data::Changes { container: id(1), reading }).text();
    assert!(text.contains("copied up") && !text.contains("files copied up") && !text.contains("from layer"), "{text}");
}

#[test]
fn tabs_show_mounts_processes_and_inspect() {
    let mut screen = open(ENGINE);
    insta::assert_snapshot!("container_mounts", screen.keys("enter ] ] ] ]").text());
    let row = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let top = Processes { titles: row(&["PID", "CMD"]), rows: vec![row(&["4211", "sh"]), row(&["42", "a\u{1b}[2J"])] };
    screen.keys("]").give(Data::Processes { container: id(1), result: Ok(top) });
    let text = screen.text();
    assert!(text.contains("4211") && text.contains("a\\x1b[2J"), "{text}");
    assert!(screen.keys("]").text().contains("\"Args\": []"));
}

#[test]
fn logs_follow_pause_and_are_searched() {
    let mut screen = open(ENGINE);
    screen.keys("L");
    let generation = screen.sent.iter().find_map(|request| match request {
        Request::Logs { generation, .. } => Some(*generation),
        _ => None,
    });
    let generation = generation.expect("the log was asked for");
    let lines: String = (0..200).fold(String::new(), |all, n| format!("{all}\u{1b}[32mline-{n}\u{1b}[0m\u{1b}[2J\n"));
    screen.give(Data::Logs { generation, bytes: lines.into_bytes(), end: None });
    let text = screen.text();
    assert!(text.contains("line-199") && text.contains("following") && !text.contains("[2J"), "{text}");
    let buffer = screen.buffer();
    let green = buffer.content.iter().filter(|cell| cell.fg == Color::Indexed(2)).count();
    assert!(green > 100, "its colours are kept");
    let text = screen.keys("/ text:LINE-150").text();
    assert!(text.contains("line-150") && !text.contains("line-199"), "{text}");
    let text = screen.keys("ctrl-u text:zzz").text();
    assert!(text.contains("/zzz: nothing"), "{text}");
    let text = screen.keys("ctrl-u text:line enter N").text();
    assert!(text.contains("paused") && text.contains("/line"), "{text}");
    let text = screen.keys("G").text();
    assert!(text.contains("following"), "{text}");
    let text =
        screen.give(Data::Logs { generation, bytes: b"no newline".to_vec(), end: Some("it has ended".into()) }).text();
    assert!(text.contains("no newline") && text.contains("it has ended"), "{text}");
    // News of a log that was left change nothing.
    screen.give(Data::Logs { generation: generation + 999, bytes: b"stranger\n".to_vec(), end: None });
    assert!(!screen.text().contains("stranger"));
}

#[test]
fn a_terminal_has_every_key_but_one() {
    let mut screen = open(ENGINE);
    screen.keys("x");
    let (number, mut input, size) = terminal(&mut screen);
    assert_eq!(size, (86, 22));
    screen.give(Data::Terminal(number, TerminalNews::Started("sh".into())));
    let output = b"\x1b[1;31m/ # \x1b[0m\x1b]0;title\x07$ \xe2\x80\xaeevil".to_vec();
    screen.give(Data::Terminal(number, TerminalNews::Output(output)));
    insta::assert_snapshot!("container_terminal", screen.text());
    screen.keys("q ctrl-c esc tab up 1 enter");
    let mut typed = Vec::new();
    while let Ok(TerminalInput::Bytes(bytes)) = input.try_recv() {
        typed.extend(bytes);
    }
    assert_eq!(typed, b"q\x03\x1b\t\x1b[A1\r");
    assert!(!screen.app.is_over(), "ctrl-c and q were the program's");
    screen.resize(100, 30);
    assert!(matches!(input.try_recv(), Ok(TerminalInput::Resize(..))), "it is told its size");
    screen.keys("f12");
    assert!(screen.text().contains("enter goes back into it"));
    screen.keys("enter a");
    assert!(matches!(input.try_recv(), Ok(TerminalInput::Bytes(bytes)) if bytes == b"a"));
    screen.keys("f12 a");
    let (attached, _other, _) = terminal(&mut screen);
    assert!(attached != number, "its own program is another terminal");
    screen.keys("f12 x b");
    assert!(matches!(input.try_recv(), Ok(TerminalInput::Bytes(bytes)) if bytes == b"b"), "the shell is still there");
    screen.give(Data::Terminal(number, TerminalNews::Ended("sh has ended with 0".into())));
    let text = screen.text();
    assert!(text.contains("sh has ended with 0"), "{text}");
    screen.keys("q");
    assert!(screen.app.is_over(), "its keys are ours again");
}

#[test]
fn input_of_a_program_that_ended_is_dropped() {
    let mut screen = open(ENGINE);
    screen.keys("x");
    let (number, _input, _) = terminal(&mut screen);
    let before = screen.app.epoch;
    screen.give(Data::Terminal(number, TerminalNews::Ended("gone".into())));
    assert!(screen.app.epoch > before, "what was typed for the program does not act on the list");
}

#[test]
fn every_action_is_said_as_docker_would_say_it() {
    let mut screen = open(ENGINE);
    screen.keys("p M ctrl-u text:web2 enter C text:app1:v2 enter e enter c o text:etc enter enter");
    screen.keys("t");
    let text = screen.keys("!").text();
    for command in [
        "docker ps -a",
        "docker diff web",
        "docker pause web",
        "docker rename web web2",
        "docker commit web app1:v2",
        "docker export -o",
        "docker cp web:/etc -",
        "docker stop web",
    ] {
        assert!(text.contains(command), "{command}\n{text}");
    }
    let asked = screen.asked();
    assert!(asked.contains("verb: Pause") && asked.contains("repository: \"app1\", tag: \"v2\""), "{asked}");
}

#[test]
fn marked_containers_are_stopped_together_after_asking() {
    let mut screen = open(ENGINE);
    let text = screen.keys("space space t").text();
    assert!(text.contains("Stop 2 containers?") && text.contains("docker stop web cache"), "{text}");
    screen.keys("y");
    let stopped = screen.sent.iter().any(|request| {
        matches!(request, Request::Work { work: Work::Each { verb: Verb::Stop, containers }, .. } if containers.len() == 2)
    });
    assert!(stopped);
}

#[test]
fn killing_asks_and_restarting_is_chosen() {
    let mut screen = open(ENGINE);
    assert!(screen.keys("K").text().contains("Kill web?"));
    assert!(!screen.keys("enter").asked().contains("Kill"), "enter cancels");
    assert!(screen.keys("r").text().contains("It runs already"));
    assert!(screen.keys("r").asked().contains("verb: Restart"));
    screen.keys("j j");
    assert!(screen.keys("r").asked().contains("verb: Start"), "what does not run is started at once");
}

#[test]
fn removing_says_what_is_lost_and_what_stays() {
    let mut screen = open(ENGINE);
    assert!(screen.keys("delete").asked().contains("ContainerSizes(Remove"));
    screen.give(Data::ContainerSizes(Asking::Remove, written()));
    insta::assert_snapshot!("remove_running_container", screen.text());
    assert!(!screen.keys("y enter").asked().contains("RemoveContainers"), "a forced removal wants the name");
    assert!(screen.keys("backspace text:web enter").asked().contains("force: true"));
    screen.keys("j j delete").give(Data::ContainerSizes(Asking::Remove, written()));
    let text = screen.text();
    assert!(text.contains("it has no volume: nothing of it stays"), "{text}");
    assert!(screen.keys("y").asked().contains("force: false"));
}

#[test]
fn what_the_engine_does_not_let_go_can_be_forced() {
    let mut screen = open(ENGINE);
    let containers = vec![crate::work::Named { id: id(1), name: "web".into() }];
    let text = screen.give(Data::Stubborn { containers, why: "it runs\u{1b}[2J".into() }).text();
    assert!(text.contains("Remove web by force?") && text.contains("it runs\\x1b[2J"), "{text}");
    assert!(screen.keys("text:web enter").asked().contains("force: true"));
}

#[test]
fn pruning_is_a_plan_first_and_takes_what_it_listed() {
    let mut screen = open(ENGINE);
    screen.keys("P").give(Data::ContainerSizes(Asking::Prune, written()));
    insta::assert_snapshot!("prune_containers", screen.text());
    let asked = screen.keys("y").asked();
    assert!(asked.contains("RemoveContainers") && asked.contains("\"db\"") && !asked.contains("\"web\""), "{asked}");
}

#[test]
fn only_the_running_and_the_filter() {
    let mut screen = open(ENGINE);
    let text = screen.keys("o").text();
    assert!(text.contains("Containers running") && !text.contains("job"), "{text}");
    let text = screen.keys("o / text:job enter").text();
    assert!(text.contains("1 of 5") && text.contains("filter: job"), "{text}");
    assert!(screen.keys("esc").text().contains("cache"));
}

#[test]
fn an_archive_has_no_containers() {
    let mut screen = Screen::open(Some(super::fixture::FAMILY), COLOUR);
    assert!(screen.keys("2").text().contains("an archive holds"));
    assert!(screen.keys("3").text().contains("an archive holds"));
    assert!(screen.keys("1").text().contains("app1:latest"));
}

#[test]
fn a_reading_only_engine_changes_nothing() {
    let mut screen = open(ENGINE);
    let connection = crate::options::Connection { read_only: Some("dockerd has it".into()), ..Default::default() };
    screen.give(Data::Connected(Box::new(connection)));
    let _ = screen.asked();
    for key in ["t", "K", "p", "x", "M", "C", "delete", "P", "+", "r"] {
        screen.keys(key).keys("esc esc 2");
        let asked = screen.asked();
        assert!(!asked.contains("Work {") && !asked.contains("Terminal {"), "{key}: {asked}");
    }
}

#[test]
fn hostile_names_of_containers_are_harmless() {
    let mut screen = Screen::open(None, ENGINE);
    let mut rows = containers();
    rows[0].name = "w\u{1b}[31m\u{202e}eb".into();
    rows[0].image = "\u{9b}2Jimage\u{7}".into();
    rows[0].mounts[0].source = "/tmp/\u{1b}]0;x\u{7}".into();
    screen.keys("2").give(Data::Containers(Ok(rows)));
    for keys in ["enter", "] ] ]", "esc delete"] {
        screen.keys(keys);
        assert!(super::is_clean(&screen.buffer(), Charset::Unicode), "{}", screen.text());
    }
    screen.give(Data::ContainerSizes(Asking::Remove, written()));
    assert!(super::is_clean(&screen.buffer(), Charset::Unicode), "{}", screen.text());
}

#[test]
fn what_was_started_is_shown_and_attached() {
    let mut screen = open(ENGINE);
    screen.keys("1").give(Data::Launched { container: id(9), name: "fresh".into(), terminal: true });
    assert!(screen.asked().contains("Containers"), "the list is asked for");
    let mut rows = containers();
    rows.push(super::objects::container(9, "fresh", crate::model::State::Created, "Created"));
    screen.give(Data::Containers(Ok(rows)));
    let asked = screen.asked();
    assert!(asked.contains("Attach { start: true }"), "{asked}");
    assert!(screen.text().contains("ctrl-\\ or F12 leaves it"));
}

#[test]
fn a_cancelled_reading_can_be_tried_again() {
    let mut screen = Screen::open(None, ENGINE);
    screen.keys("2").give(Data::Containers(Ok(containers())));
    let asked = screen.asked();
    assert!(asked.contains("Changes {"), "{asked}");
    screen.keys("ctrl-x enter");
    let text = screen.text();
    assert!(text.contains("cancelled") && text.contains("tries again"), "{text}");
    assert!(screen.keys("enter").asked().contains("Changes {"));
    screen.take(Message::Job(crate::job::JobId(1), JobNews::Done("tardy".into())));
    assert!(!screen.text().contains("tardy"), "a cancelled job says nothing more");
}

#[test]
fn what_two_containers_see_is_compared() {
    let mut screen = open(ENGINE);
    let text = screen.keys("=").text();
    assert!(text.contains("Compare web with") && text.contains("cache") && text.contains("db"), "{text}");
    let text = screen.keys("b").text();
    assert!(text.contains("vs db") && text.contains("reading both"), "{text}");
    let asked = screen.asked();
    assert!(asked.contains(&format!("container: {:?}", id(3))), "{asked}");
    let reading = super::objects::other_changes(&screen);
    screen.give(Data::Changes { container: id(3), reading });
    insta::assert_snapshot!("containers_compared", screen.text());
    let text = screen.keys("esc").text();
    assert!(text.contains("3 copied up") && !text.contains("vs db"), "{text}");
    assert!(
        !screen.keys("esc j space g =").text().contains("Compare web with"),
        "what is marked is taken: no question"
    );
    let reading = crate::content::Reading::Failed("its files are gone".into());
    let text = screen.give(Data::Changes { container: id(2), reading }).text();
    assert!(text.contains("its files are gone"), "{text}");
}
