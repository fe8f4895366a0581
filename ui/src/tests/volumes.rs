//! The volumes screen, over answers as an engine gives them.

use super::objects::{ANONYMOUS, pasts, sizes, volume_content, volumes};
use super::{COLOUR, Kit, Screen};
use crate::message::Data;
use crate::safe_text::Charset;
use crate::theme::Level;

const ENGINE: Kit = Kit { engine: true, ..COLOUR };

fn open(kit: Kit) -> Screen {
    let mut screen = Screen::open(None, kit);
    screen.keys("3").give(Data::Volumes(Ok(volumes())));
    screen.give(Data::VolumeSizes(Ok(sizes()))).give(Data::VolumePasts(pasts()));
    let reading = volume_content(&screen);
    screen.give(Data::VolumeContent { volume: "db".into(), reading });
    screen
}

fn at(width: u16, height: u16) -> Kit {
    Kit { size: (width, height), ..ENGINE }
}

#[test]
fn volumes_at_80x24() {
    insta::assert_snapshot!(open(at(80, 24)).text());
}

#[test]
fn volumes_at_120x40() {
    insta::assert_snapshot!(open(ENGINE).keys("enter").text());
}

#[test]
fn volumes_at_200x60() {
    insta::assert_snapshot!(open(at(200, 60)).text());
}

#[test]
fn volumes_without_colours_and_in_ascii() {
    let mut screen = open(Kit { level: Level::None, charset: Charset::Ascii, ..ENGINE });
    insta::assert_snapshot!(screen.text());
    assert!(screen.buffer().content.iter().all(|cell| cell.symbol().is_ascii()));
}

#[test]
fn a_volume_that_outlived_its_writer_says_so() {
    let text = open(ENGINE).keys("j").text();
    assert!(text.contains("it has outlived them"), "{text}");
    assert!(text.contains("scribe (of base:latest)") && text.contains("removed 1 h ago"), "{text}");
    let text = open(ENGINE).keys("j j").text();
    assert!(text.contains("no container, and the engine tells of none that did"), "{text}");
}

#[test]
fn sizes_come_later_and_are_asked_for_once() {
    let mut screen = Screen::open(None, ENGINE);
    screen.keys("3").give(Data::Volumes(Ok(volumes())));
    assert_eq!(screen.asked().matches("VolumeSizes").count(), 1);
    assert!(screen.text().contains("being measured"));
    screen.keys("R R");
    assert_eq!(screen.asked().matches("VolumeSizes").count(), 0, "it is being measured");
    let text = screen.give(Data::VolumeSizes(Err("the engine did not measure: no".into()))).text();
    assert!(text.contains("did not measure"), "{text}");
    screen.keys("R");
    assert_eq!(screen.asked().matches("VolumeSizes").count(), 1);
}

#[test]
fn a_volume_in_use_is_not_removed() {
    let mut screen = open(ENGINE);
    let text = screen.keys("delete").text();
    assert!(text.contains("db is mounted in web, db: remove that first"), "{text}");
    assert!(!screen.keys("y enter").asked().contains("RemoveVolumes"));
}

#[test]
fn removing_a_volume_wants_its_name() {
    let mut screen = open(ENGINE);
    screen.keys("j delete");
    insta::assert_snapshot!("remove_volume", screen.text());
    assert!(!screen.keys("y enter").asked().contains("RemoveVolumes"));
    let asked = screen.keys("backspace text:logs enter").asked();
    assert!(asked.contains("RemoveVolumes { names: [\"logs\"] }"), "{asked}");
}

#[test]
fn pruning_is_a_plan_of_names() {
    let mut screen = open(ENGINE);
    let text = screen.keys("P").text();
    assert!(text.contains("only those without a name  0 volumes") && text.contains("2 volumes, 1.20 GB"), "{text}");
    let text = screen.keys("n").text();
    assert!(
        text.contains("Remove 2 volumes that nothing uses?") && text.contains("docker volume rm logs old"),
        "{text}"
    );
    let asked = screen.keys("text:remove enter").asked();
    assert!(asked.contains("RemoveVolumes { names: [\"logs\", \"old\"] }") && !asked.contains(ANONYMOUS), "{asked}");
}

#[test]
fn creating_is_checked_as_it_is_typed() {
    let mut screen = open(ENGINE);
    let text = screen.keys("+ text:a").text();
    assert!(text.contains("two characters or more"), "{text}");
    screen.keys("enter enter text:o=bind");
    assert!(screen.text().contains("o needs a device"));
    screen.keys("enter enter");
    assert!(!screen.asked().contains("CreateVolume"), "what is wrong is not sent");
    screen.keys("text:bc enter enter ctrl-u enter text:team=x enter");
    let asked = screen.asked();
    assert!(asked.contains("CreateVolume(NewVolume { name: \"abc\", driver: \"local\""), "{asked}");
    assert!(screen.keys("!").text().contains("docker volume create --label team=x abc"));
}

#[test]
fn cloning_backing_up_and_restoring() {
    let mut screen = open(ENGINE);
    screen.keys("c ctrl-u text:db enter");
    assert!(screen.text().contains("a name of its own"));
    let asked = screen.keys("c enter s enter").asked();
    assert!(asked.contains("CloneVolume { from: \"db\", to: \"db-copy\" }"), "{asked}");
    assert!(asked.contains("BackupVolume { name: \"db\"") && asked.contains("expected: 12600000"), "{asked}");
    let asked = screen.keys("o text:x.tar enter").asked();
    assert!(asked.contains("RestoreVolume { name: \"db\""), "{asked}");
}

#[test]
fn files_of_a_volume_are_found() {
    let mut screen = open(ENGINE);
    let text = screen.keys("enter / text:userfrm enter").text();
    assert!(text.contains("mysql/") && text.contains("user.frm"), "{text}");
}

#[test]
fn hostile_names_of_volumes_are_harmless() {
    let mut screen = Screen::open(None, ENGINE);
    let mut rows = volumes();
    rows[0].name = "\u{1b}[31mdb\u{202e}".into();
    rows[0].labels = vec![("\u{7}".into(), "x".repeat(10_000))];
    rows[0].users[0].name = "\u{9b}2J".into();
    screen.keys("3").give(Data::Volumes(Ok(rows)));
    for keys in ["j", "k", "delete", "esc y"] {
        screen.keys(keys);
        assert!(super::is_clean(&screen.buffer(), Charset::Unicode), "{}", screen.text());
    }
}

#[test]
fn a_volume_is_created_from_any_field() {
    let mut screen = open(ENGINE);
    let asked = screen.keys("+ text:cache ctrl-s").asked();
    assert!(asked.contains("cache"), "{asked}");
}

#[test]
fn what_is_in_a_volume_is_read_again_when_its_size_changed() {
    let mut screen = open(ENGINE);
    screen.asked();
    screen.give(Data::VolumeSizes(Ok(vec![("db".into(), 12_600_000)])));
    assert!(!screen.asked().contains("VolumeContent"), "nothing changed");
    screen.give(Data::VolumeSizes(Ok(vec![("db".into(), 12_600_001)])));
    assert!(screen.asked().contains("VolumeContent"), "{}", screen.text());
}
