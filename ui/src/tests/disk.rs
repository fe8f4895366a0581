//! The disk screen, over answers as an engine gives them.

use outcrop_layers::digest::{ChainId, DiffId, Digest};

use super::{COLOUR, Kit, Screen};
use crate::message::Data;
use crate::model::{Disk, DiskContainer, DiskFolder, DiskImage, DiskVolume};
use crate::safe_text::Charset;
use crate::theme::Level;

const ENGINE: Kit = Kit { engine: true, ..COLOUR };

fn image(id: &str, tags: &[&str], layers: &[(&str, u64)]) -> DiskImage {
    let digest = |name: &str| format!("sha256:{}", Digest::of(name.as_bytes()).hex());
    let diffs: Vec<DiffId> = layers.iter().map(|(name, _)| digest(name).parse().expect("is a digest")).collect();
    let layers = ChainId::all(&diffs).into_iter().zip(layers.iter().map(|layer| layer.1)).collect();
    DiskImage { id: digest(id), tags: tags.iter().map(|&tag| tag.to_owned()).collect(), layers }
}

fn disk() -> Disk {
    let (base, python) = (("base", 78_000_000), ("python", 296_000_000));
    let images = vec![
        image("base", &["ubuntu:latest"], &[base]),
        image("app1", &["app1:latest"], &[base, python, ("one", 12_000)]),
        image("app2", &["app2:latest", "app2:v1"], &[base, python, ("two", 38_000_000)]),
        image("none", &[], &[base, ("lost", 20_000_000)]),
    ];
    let container = |name: &str, image: usize, runs, volume: &str| DiskContainer {
        id: Digest::of(name.as_bytes()).hex(),
        name: name.into(),
        image: images[image].id.clone(),
        runs,
        bytes: 14_200_000,
        log: 64_000,
        volumes: vec![volume.into()],
    };
    let volume = |name: &str, bytes| DiskVolume { name: name.into(), is_anonymous: name.len() == 64, bytes };
    let containers = vec![container("web", 1, true, "db"), container("old", 2, false, super::objects::ANONYMOUS)];
    let volumes =
        vec![volume("db", Some(12_600_000)), volume(super::objects::ANONYMOUS, Some(9_000)), volume("nfs", None)];
    let folder = |name: &str, bytes| DiskFolder { path: format!("/var/lib/docker/overlay2/{name}"), bytes };
    let folders = Some(vec![folder("b34d0f2a", 31_000_000), folder("77c1aa90", 900)]);
    Disk { images, containers, volumes, folders }
}

pub(super) fn open(kit: Kit) -> Screen {
    let mut screen = Screen::open(None, kit);
    screen.keys("4");
    assert!(screen.text().contains("measuring"));
    screen.give(Data::Disk(Ok(disk())));
    screen
}

fn at(width: u16, height: u16) -> Kit {
    Kit { size: (width, height), ..ENGINE }
}

#[test]
fn disk_at_80x24() {
    insta::assert_snapshot!(open(at(80, 24)).text());
}

#[test]
fn disk_at_120x40() {
    insta::assert_snapshot!(open(ENGINE).keys("P").text());
}

#[test]
fn disk_at_200x60() {
    insta::assert_snapshot!(open(at(200, 60)).keys("ctrl-a").text());
}

#[test]
fn disk_without_colours_and_in_ascii() {
    let mut screen = open(Kit { level: Level::None, charset: Charset::Ascii, ..ENGINE });
    insta::assert_snapshot!(screen.text());
    assert!(screen.buffer().content.iter().all(|cell| cell.symbol().is_ascii()));
}

#[test]
fn what_grew_since_the_first_look_is_told() {
    let mut screen = open(ENGINE);
    assert!(!screen.text().contains("+ and - since"), "nothing did: {}", screen.text());
    let mut later = disk();
    later.containers[0].bytes += 1_500_000;
    later.volumes[0].bytes = Some(12_000_000);
    let text = screen.keys("R").give(Data::Disk(Ok(later))).text();
    assert!(text.contains("2 containers") && text.contains("+1.50 MB") && text.contains("−600 kB"), "{text}");
}

#[test]
fn the_list_is_sorted_by_what_one_wants() {
    let mut screen = open(ENGINE);
    let order = |screen: &mut Screen, names: &[&str]| {
        let text = screen.text();
        let list: Vec<&str> = text.lines().skip(12).collect();
        let at = |name: &str| list.iter().position(|line| line.contains(name));
        let places: Vec<_> = names.iter().map(|name| at(name)).collect();
        assert!(places.is_sorted() && places.iter().all(Option::is_some), "{places:?}: {text}");
    };
    order(&mut screen, &["app2:latest", "ubuntu:latest", "container  web", "volume     db", "b34d0f2a"]);
    screen.keys("S f");
    order(&mut screen, &["140bedbf9c3f", "container  old", "app2:latest", "container  web"]);
    assert!(screen.text().contains("by what it frees"));
    screen.keys("S s");
    order(&mut screen, &["app2:latest", "ubuntu:latest", "b34d0f2a", "container  web", "volume     db"]);
}

#[test]
fn the_map_at_80x24() {
    insta::assert_snapshot!(open(at(80, 24)).keys("tab").text());
}

#[test]
fn the_map_without_colours_and_in_ascii() {
    let mut screen = open(Kit { level: Level::None, charset: Charset::Ascii, size: (80, 24), ..ENGINE });
    insta::assert_snapshot!(screen.keys("tab z").text());
    assert!(screen.buffer().content.iter().all(|cell| cell.symbol().is_ascii()));
}

#[test]
fn a_layer_has_the_colour_on_the_map_that_it_has_everywhere() {
    let mut screen = open(ENGINE);
    let buffer = screen.keys("tab").buffer();
    let theme = crate::theme::Theme::new(Level::True, false, None).expect("is valid");
    let disk = disk();
    let base = theme.stratum(disk.images[1].layers[0].0.0.as_bytes(), None);
    let python = theme.stratum(disk.images[1].layers[1].0.0.as_bytes(), Some(base));
    for look in [base, python] {
        let bands = buffer.content.iter().filter(|cell| Some(cell.bg) == theme.band(look).bg).count();
        assert!(bands > 6, "{look:?}: {bands}");
    }
}

#[test]
fn arrows_and_clicks_move_in_the_map_and_space_marks_who_has_a_layer() {
    let mut screen = open(ENGINE);
    let text = screen.keys("tab").text();
    assert!(text.contains("Map  layer 2 of app1, app2"), "the largest first: {text}");
    let text = screen.keys("space").text();
    assert!(text.contains("2 things marked") && text.contains("app2:latest is what old stands on"), "{text}");
    // What they stand under has to go, too: then the layer does.
    let text = screen.keys("space").text();
    assert!(text.contains("0 things marked"), "{text}");
    let text = screen.click("volume").keys("esc").click("old  ").keys("space").text();
    assert!(text.contains("1 thing marked"), "{text}");
    let text = screen.click(" 2 app1 +1").text();
    assert!(text.contains("Map  layer 2 of app1, app2"), "{text}");
    let moved = screen.keys("right").text();
    assert!(moved.contains("Map  layer") && !moved.contains("Map  layer 2 of app1"), "{moved}");
    let back = screen.keys("left").text();
    assert!(back.contains("Map  layer 2 of app1"), "{back}");
    let list = screen.keys("enter").text();
    assert!(list.contains("▸ image      app"), "{list}");
}

#[test]
fn what_would_go_is_marked_on_the_map() {
    let mut screen = open(ENGINE);
    assert!(!screen.text().contains("● 2 none"), "{}", screen.text());
    let text = screen.keys("P").text();
    let marks = text.matches('●').count();
    assert_eq!(marks, 5, "three lines of the list, and the areas of two: the volume is too small for one: {text}");
    assert!(!text.contains("● 1 "), "the base stays: {text}");
}

#[test]
fn the_sum_counts_a_layer_once_and_only_if_it_goes() {
    let mut screen = open(ENGINE);
    // The first line is app2: a container stands on it.
    let text = screen.keys("space").text();
    assert!(text.contains("frees 0 B") && text.contains("app2:latest is what old stands on"), "{text}");
    // With its container the layer that nobody else has goes, and the writable layer with its log.
    let text = screen.keys("G k k k k k k").text();
    assert!(text.contains("▸ container  old"), "{text}");
    let text = screen.keys("space").text();
    assert!(text.contains("frees 52.3 MB") && text.contains("374 MB of their layers stay"), "{text}");
}

#[test]
fn removing_is_a_plan_first() {
    let mut screen = open(ENGINE);
    screen.keys("P delete");
    let text = screen.text();
    assert!(text.contains("Remove 3 things?") && text.contains("frees 34.3 MB"), "{text}");
    assert!(!screen.keys("y enter").asked().contains("RemoveAll"), "a volume goes: the word is typed");
    let asked = screen.keys("backspace text:remove enter").asked();
    assert!(asked.contains("RemoveAll { containers: [Named {") && asked.contains("name: \"old\""), "{asked}");
    assert!(!asked.contains("app1") && !asked.contains("\"db\"") && !asked.contains("\"nfs\""), "{asked}");
    assert!(screen.keys("!").text().contains("docker rm old"), "{}", screen.text());
}

#[test]
fn a_running_container_is_not_removed() {
    let mut screen = open(ENGINE);
    let text = screen.keys("G k k k k k delete").text();
    assert!(text.contains("nothing can go: web runs"), "{text}");
}

#[test]
fn what_no_engine_knows_is_shown_and_has_no_command() {
    let mut screen = open(ENGINE);
    let text = screen.keys("G k").text();
    assert!(text.contains("▸ folder     b34d0f2a") && text.contains("2 layer folders"), "{text}");
    let text = screen.keys("delete").text();
    let why = "nothing can go: /var/lib/docker/overlay2/b34d0f2a: no engine has a command for it";
    assert!(text.contains(why), "{text}");
}

#[test]
fn hostile_names_on_the_disk_are_harmless() {
    let mut screen = Screen::open(None, ENGINE);
    let mut evil = disk();
    evil.images[0].tags = vec!["\u{1b}[31mx\u{202e}".into()];
    evil.containers[0].name = "\u{9b}2J".into();
    evil.folders = Some(vec![DiskFolder { path: "/r/\u{1b}[2J".into(), bytes: 1 }]);
    evil.volumes[0].name = "\u{7}\n".repeat(500);
    screen.keys("4").give(Data::Disk(Ok(evil)));
    for keys in ["ctrl-a", "delete", "esc"] {
        screen.keys(keys);
        assert!(super::is_clean(&screen.buffer(), Charset::Unicode), "{}", screen.text());
    }
    let text = screen.give(Data::Disk(Err("no \u{1b}[1m".into()))).text();
    assert!(text.contains("containers"), "what was known stays: {text}");
}
