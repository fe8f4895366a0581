//! How the screens look.

use ratatui::style::Modifier;

use super::fixture::{FAMILY, HOSTILE};
use super::{COLOUR, Kit, Screen};
use crate::message::{Data, Request};
use crate::safe_text::Charset;
use crate::theme::Level;

fn at(width: u16, height: u16) -> Kit {
    Kit { size: (width, height), ..COLOUR }
}

fn shot(kit: Kit, keys: &str) -> String {
    Screen::open(Some(FAMILY), kit).keys(keys).text()
}

#[test]
fn images_at_80x24() {
    insta::assert_snapshot!(shot(at(80, 24), ""));
}

#[test]
fn images_at_120x40() {
    insta::assert_snapshot!(shot(at(120, 40), "enter j"));
}

#[test]
fn images_at_200x60() {
    insta::assert_snapshot!(shot(at(200, 60), "enter j enter"));
}

#[test]
fn without_colours_and_in_ascii() {
    let kit = Kit { level: Level::None, charset: Charset::Ascii, ..COLOUR };
    let mut screen = Screen::open(Some(FAMILY), kit);
    insta::assert_snapshot!(screen.keys("enter j enter").text());
    let buffer = screen.buffer();
    assert!(buffer.content.iter().all(|c| c.symbol().is_ascii()));
    assert!(
        buffer.content.iter().all(|c| c.fg == ratatui::style::Color::Reset && c.bg == ratatui::style::Color::Reset)
    );
    assert!(buffer.content.iter().any(|c| c.modifier.contains(Modifier::REVERSED)), "the selected row can be seen");
}

#[test]
fn files_up_to_here_and_whole() {
    insta::assert_snapshot!("files_up_to_here", shot(COLOUR, "enter j enter ]"));
    insta::assert_snapshot!("files_whole_by_name", shot(COLOUR, "enter enter ] ] S n *"));
}

#[test]
fn only_what_changed() {
    let all = shot(COLOUR, "enter j enter ]");
    let changed = shot(COLOUR, "enter j enter ] c");
    assert!(all.contains("etc/") && !changed.contains(" etc/"), "{changed}");
}

#[test]
fn find_shows_whole_paths_and_goes_there() {
    let mut screen = Screen::open(Some(FAMILY), COLOUR);
    screen.keys("enter enter ] ] / text:flaskapp");
    insta::assert_snapshot!("find", screen.text());
    let text = screen.keys("enter enter").text();
    assert!(!text.contains("/flaskapp") && text.contains("history of this file"), "{text}");
    let text = screen.keys("/ text:zzzz").text();
    assert!(text.contains("no path matches"), "{text}");
    assert!(!screen.keys("esc").text().contains("no path matches"));
}

#[test]
fn a_file_tells_its_history() {
    let text = shot(COLOUR, "enter enter ] ] / text:busybox enter enter");
    assert!(text.contains("layer 1  added") && text.contains("layer 3  mode"), "{text}");
    assert!(text.contains("whole file stored again"), "{text}");
}

#[test]
fn diff_of_two_versions() {
    let text = shot(COLOUR, "enter enter ] ] / text:busybox enter enter d");
    assert!(text.contains("0755") && text.contains("0700") && text.contains("the content is the same"), "{text}");
}

#[test]
fn waste_with_advice() {
    insta::assert_snapshot!(shot(COLOUR, "w"));
}

#[test]
fn compare_joins_what_is_shared() {
    insta::assert_snapshot!(shot(COLOUR, "= a"));
}

#[test]
fn help_palette_log_and_copy() {
    insta::assert_snapshot!("help", shot(COLOUR, "?"));
    insta::assert_snapshot!("palette", shot(COLOUR, ": text:waste"));
    insta::assert_snapshot!("copy", shot(COLOUR, "enter y"));
    assert!(shot(COLOUR, "!").contains("$ docker images"));
}

#[test]
fn copying_goes_to_the_clipboard() {
    let mut screen = Screen::open(Some(FAMILY), COLOUR);
    screen.keys("y h");
    let copied: Vec<_> = screen
        .sent
        .iter()
        .filter_map(|r| if let Request::Copy(text) = r { Some(text.as_str()) } else { None })
        .collect();
    assert_eq!(copied, ["docker history --no-trunc app1:latest"]);
}

#[test]
fn filter_narrows_and_esc_widens() {
    let mut screen = Screen::open(Some(FAMILY), COLOUR);
    let text = screen.keys("/ text:app enter").text();
    assert!(text.contains("2 of 3") && text.contains("filter: app"), "{text}");
    assert!(!screen.keys("esc").text().contains("filter: app"));
    let text = screen.keys("/ text:!app enter").text();
    assert!(text.contains("1 of 3"), "{text}");
    let text = screen.keys("/ ctrl-u text:size:big").text();
    assert!(text.contains("filter: size:big"), "{text}");
}

#[test]
fn removing_lists_what_goes_and_needs_y() {
    let mut screen = Screen::open(Some(FAMILY), COLOUR);
    insta::assert_snapshot!("remove", screen.keys("delete").text());
    assert!(!screen.keys("enter").text().contains("Remove 1 image?"), "enter cancels");
    assert!(screen.keys("delete n !").text().contains("$ docker images"));
    assert!(!screen.text().contains("docker rmi"));
    let text = screen.keys("esc space space delete").text();
    assert!(text.contains("Remove 2 images?"), "{text}");
    let text = screen.keys("y").text();
    assert!(text.contains("an archive is only read"), "{text}");
}

#[test]
fn what_a_container_stands_on_frees_nothing() {
    let mut screen = Screen::open(None, Kit { engine: true, ..COLOUR });
    let image = |id: u8, containers| crate::model::ImageRow {
        id: format!("sha256:{id:064x}"),
        tags: vec![format!("image{id}:latest")],
        size: 5_000_000,
        created: i64::from(id),
        containers: Some(containers),
        parent: String::new(),
    };
    screen.give(Data::Images(vec![image(1, 0), image(2, 1)]));
    let text = screen.keys("delete").text();
    assert!(text.contains("in use by 1 container") && text.contains("stays until the container goes"), "{text}");
    let text = screen.keys("esc j delete").text();
    assert!(text.contains("image1:latest") && !text.contains("stays until"), "{text}");
}

#[test]
fn without_an_engine_it_says_what_was_tried() {
    let mut screen = Screen::open(None, at(80, 24));
    insta::assert_snapshot!(screen.text());
    screen.keys("enter");
    assert!(screen.sent.iter().any(|r| matches!(r, Request::OpenEmbedded)));
}

#[test]
fn hostile_names_are_shown_and_harmless() {
    insta::assert_snapshot!(Screen::open(Some(HOSTILE), COLOUR).keys("enter j enter").text());
}

#[test]
fn small_screens_say_what_they_want() {
    let mut screen = Screen::open(Some(FAMILY), at(20, 5));
    assert!(screen.text().contains("outcrop wants"));
    for (width, height) in [(1, 1), (0, 0), (59, 15), (60, 16), (61, 60), (300, 16), (400, 120)] {
        screen.resize(width, height);
        let _ = screen.text();
    }
}

#[test]
fn advice_is_shown_also_where_no_byte_is_hidden() {
    use super::fixture::{Image, Member};
    const LISTS: &[Member<'static>] =
        &[(b"var/lib/apt/lists/", 0, 0o755), (b"var/lib/apt/lists/main_Packages", 3_000_000, 0o644)];
    let image = Image { tags: &["app:latest"], layers: &[("RUN apt-get update", LISTS)], settings: &[] };
    let text = Screen::open(Some(&[image]), at(80, 24)).keys("w").text();
    assert!(text.contains("remove them in the RUN") && !text.contains("stored in vain"), "{text}");
}
