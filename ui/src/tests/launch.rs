//! The form that starts a container.

use super::objects::{containers, ground};
use super::{COLOUR, Kit, Screen};
use crate::launch::check::Seen;
use crate::launch::{Launch, Looked, MountKind, Syntax};
use crate::message::{Data, Request};
use crate::options::{Connection, Kind};
use crate::safe_text::Charset;
use crate::work::Work;

const ENGINE: Kit = Kit { engine: true, ..COLOUR };

fn open(kit: Kit) -> Screen {
    let mut screen = Screen::open(None, kit);
    screen.keys("2").give(Data::Containers(Ok(containers()))).keys("+");
    let data = ground(&screen, true);
    screen.give(data);
    screen
}

/// What was started.
fn started(screen: &mut Screen) -> Option<Launch> {
    screen.sent.drain(..).find_map(|request| match request {
        Request::Work { work: Work::Launch(launch), .. } => Some(*launch),
        _ => None,
    })
}

fn looked(path: &str, seen: Seen, entries: &[&str]) -> Data {
    let entries = entries.iter().map(|name| ((*name).to_owned(), true)).collect();
    Data::Looked(Looked { path: path.into(), seen, entries })
}

/// A volume, a folder and memory.
const MOUNTS: &str = "tab tab tab tab a tab text:db tab text:/var/lib/mysql tab enter \
                      a b tab text:/home/me/src tab text:/src tab text:readonly enter \
                      a t tab text:/tmp tab text:tmpfs-size=64m enter";

#[test]
fn the_form_at_80x24() {
    insta::assert_snapshot!(open(Kit { size: (80, 24), ..ENGINE }).keys("text:web2").keys(MOUNTS).text());
}

#[test]
fn the_form_at_120x40() {
    insta::assert_snapshot!(open(ENGINE).keys("text:web2").keys(MOUNTS).text());
}

#[test]
fn the_form_at_200x60_in_ascii() {
    let kit = Kit { size: (200, 60), charset: Charset::Ascii, level: crate::theme::Level::None, ..ENGINE };
    let mut screen = open(kit);
    insta::assert_snapshot!(screen.keys("text:web2").keys(MOUNTS).text());
    assert!(screen.buffer().content.iter().all(|cell| cell.symbol().is_ascii()));
}

#[test]
fn what_is_started_is_what_the_command_says() {
    let mut screen = open(ENGINE);
    screen.keys("text:web2 tab text:sh tab tab space").keys("tab tab").keys("text:A=1 ctrl-s");
    let launch = started(&mut screen).expect("was started");
    assert_eq!((launch.name.as_str(), &launch.command[..], launch.remove), ("web2", &["sh".to_owned()][..], true));
    assert_eq!(launch.env, ["A=1"]);
    let text = screen.keys("!").text();
    assert!(text.contains("docker run -it --rm --name web2 -e A=1 app1:latest sh"), "{text}");
}

#[test]
fn who_writes_is_asked_for_where_the_kernel_does_not_tell() {
    for (kind, rootless, asks) in [
        (Kind::Embedded, true, true),
        (Kind::Embedded, false, false),
        (Kind::Docker, true, false),
        (Kind::Podman, true, false),
    ] {
        let connection = Connection { kind, rootless, ..Connection::default() };
        assert_eq!(connection.asks_who(), asks, "{kind:?} {rootless}");
        let mut screen = open(ENGINE);
        if let Data::Ground(mut known) = ground(&screen, true) {
            known.asked_who = connection.asks_who();
            screen.give(Data::Ground(known));
        }
        assert_eq!(screen.text().contains("--annotation outcrop.notify=true"), asks);
        screen.keys("ctrl-s");
        assert_eq!(started(&mut screen).expect("was started").tell_who, asks);
    }
}

#[test]
fn mounts_are_written_in_both_forms_and_copied() {
    let mut screen = open(ENGINE);
    let text = screen.keys(MOUNTS).text();
    assert!(text.contains("--mount type=bind,source=/home/me/src,target=/src,readonly"), "{text}");
    assert!(text.contains("hides 2 files of layer 1"), "{text}");
    let text = screen.keys("v").text();
    assert!(text.contains("-v /home/me/src:/src:ro") && text.contains("--tmpfs /tmp:size=64m"), "{text}");
    screen.keys("c");
    let copied = screen.sent.iter().any(
        |request| matches!(request, Request::Copy(text) if text.starts_with("docker run -it -v db:/var/lib/mysql -v")),
    );
    assert!(copied, "{}", screen.asked());
    screen.keys("ctrl-s");
    let launch = started(&mut screen).expect("was started");
    assert_eq!((launch.mounts.len(), launch.syntax), (3, Syntax::Short));
    assert_eq!(launch.mounts[2].kind, MountKind::Tmpfs);
}

#[test]
fn what_is_wrong_stands_beside_the_field_and_is_not_started() {
    let mut screen = open(ENGINE);
    let text = screen.keys("text:web").text();
    assert!(text.contains("another container has this name"), "{text}");
    screen.keys("ctrl-s");
    assert!(started(&mut screen).is_none());
    let text = screen.keys("text:3 tab tab tab tab tab tab tab tab text:nowhere").text();
    assert!(text.contains("there is no such network"), "{text}");
    let text = screen.keys("ctrl-u tab text:80:x tab text:1m tab text:many").text();
    assert!(text.contains("80:x: write") && text.contains("6m is the least") && text.contains("0.5 or 2"), "{text}");
    screen.keys("ctrl-s");
    assert!(started(&mut screen).is_none());
}

#[test]
fn a_folder_that_is_not_there_is_said_and_made_by_the_short_form() {
    let mut screen = open(ENGINE);
    screen.keys("tab tab tab tab a b tab text:/no/such");
    assert!(screen.asked().contains("Look(\"/no/such\")"));
    screen.give(looked("/no/such", Seen::Missing, &[]));
    assert!(screen.text().contains("there is no such folder"));
    screen.keys("tab text:/x tab enter");
    assert!(screen.text().contains("Add a mount"), "it is not taken");
    screen.keys("esc v a b tab text:/no/such tab text:/x tab enter");
    assert!(!screen.text().contains("Add a mount"), "the short form makes it\n{}", screen.text());
}

#[test]
fn sources_and_targets_complete() {
    let mut screen = open(ENGINE);
    let text = screen.keys("tab tab tab tab a tab text:l right tab text:/va right").text();
    assert!(text.contains("logs") && text.contains("/var/lib/data"), "{text}");
    screen.keys("esc a b tab text:/ho").give(looked("/", Seen::There, &["home", "opt"]));
    let text = screen.keys("right").text();
    assert!(text.contains("/home"), "{text}");
}

#[test]
fn a_folder_is_chosen_in_a_browser() {
    let mut screen = open(ENGINE);
    screen.keys("tab tab tab tab a b tab ctrl-o").give(looked("/", Seen::There, &["home", "srv"]));
    insta::assert_snapshot!("launch_browser", screen.text());
    screen.keys("enter").give(looked("/home", Seen::There, &["me"]));
    let text = screen.keys("space").text();
    assert!(text.contains("/home/me") && !text.contains("takes this folder"), "{text}");
}

#[test]
fn declared_volumes_are_shown_until_a_mount_takes_them() {
    let mut screen = open(ENGINE);
    assert!(screen.text().contains("declared by the image"));
    screen.keys("tab tab tab tab a tab text:mine tab text:/var/lib/data/ tab enter");
    let text = screen.text();
    assert!(!text.contains("declared by the image") && text.contains("(new)"), "{text}");
}

#[test]
fn a_mount_is_changed_and_taken_away() {
    let mut screen = open(ENGINE);
    screen.keys(MOUNTS);
    let text = screen.keys("enter").text();
    assert!(text.contains("Change a mount"), "{text}");
    screen.keys("tab tab ctrl-u tab text:/t tab ctrl-u enter");
    screen.keys("esc delete");
    screen.keys("ctrl-s");
    assert_eq!(started(&mut screen).expect("was started").mounts.len(), 2);
}

#[test]
fn no_key_is_lost_to_the_screen_below() {
    let mut screen = open(ENGINE);
    screen.keys("text:qK1P");
    assert!(!screen.app.is_over() && screen.text().contains("qK1P"));
    assert!(!screen.keys("esc").text().contains("qK1P"));
}

#[test]
fn a_mount_is_completed_as_in_a_shell_and_taken_from_any_line() {
    let mut screen = open(ENGINE);
    let text = screen.keys("tab tab tab tab a").text();
    assert!(text.contains("[volume]") && text.contains("space changes it"), "{text}");
    screen.keys("tab text:d tab").keys("enter text:/srv ctrl-s");
    let text = screen.text();
    assert!(text.contains("source=db,target=/srv") && !text.contains("Add a mount"), "{text}");
}
