//! Images that are fetched and brought away, as jobs with a bar for each layer.

use super::{COLOUR, Kit, Screen};
use crate::job::{JobId, JobNews, Part};
use crate::message::{Data, Message, Request};
use crate::model::ImageRow;

const ENGINE: Kit = Kit { engine: true, ..COLOUR };

fn open() -> Screen {
    let mut screen = Screen::open(None, ENGINE);
    let row = |id: &str, tags: &[&str]| ImageRow {
        id: format!("sha256:{}", id.repeat(32)),
        tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        ..ImageRow::default()
    };
    screen.give(Data::Images(vec![row("aa", &["reg.example:5000/team/app:2"]), row("bb", &[])]));
    screen.asked();
    screen
}

fn job(screen: &mut Screen) -> (JobId, String) {
    let found = screen.sent.iter().rev().find_map(|request| match request {
        Request::Pull { job, .. } | Request::Push { job, .. } => Some(*job),
        _ => None,
    });
    (found.expect("was asked"), screen.asked())
}

#[test]
fn a_pull_is_a_job_with_a_bar_for_each_layer() {
    let mut screen = open();
    screen.keys("p ctrl-u text:alpine enter");
    let (id, asked) = job(&mut screen);
    assert!(asked.contains("name: \"alpine:latest\""), "{asked}");
    let tell = |screen: &mut Screen, layer: &str, status: &str, done, total| {
        let part = Part { id: layer.into(), status: status.into(), done, total };
        screen.take(Message::Job(id, JobNews::Part(part)));
    };
    tell(&mut screen, "0123456789ab", "Downloading", 1_000_000, 4_000_000);
    screen.keys("J");
    // What comes while one looks is seen.
    tell(&mut screen, "fedcba987654", "Pulling fs layer", 0, 0);
    tell(&mut screen, "0123456789ab", "Downloading", 3_000_000, 4_000_000);
    tell(&mut screen, "\u{1b}[31m", "\u{9b}evil", 1, 2);
    insta::assert_snapshot!("pull", screen.text());
    assert!(super::is_clean(&screen.buffer(), crate::safe_text::Charset::Unicode));
    screen.take(Message::Job(id, JobNews::Done("Downloaded newer image for alpine:latest".into())));
    let text = screen.keys("esc").text();
    assert!(text.contains("pull alpine:latest: Downloaded newer image"), "{text}");
    assert!(screen.keys("!").text().contains("docker pull alpine:latest"));
}

#[test]
fn names_are_said_in_full() {
    let mut screen = open();
    // The selected image's own name stands there already.
    screen.keys("p enter");
    assert!(job(&mut screen).1.contains("name: \"reg.example:5000/team/app:2\""));
    let digest = format!("x@sha256:{}", "0".repeat(64));
    screen.keys(&format!("p ctrl-u text:{digest} enter"));
    assert!(job(&mut screen).1.contains(&format!("name: \"{digest}\"")));
    screen.keys("U enter");
    let (id, asked) = job(&mut screen);
    assert!(asked.contains("Push {") && asked.contains("name: \"reg.example:5000/team/app:2\""), "{asked}");
    screen.take(Message::Job(id, JobNews::Failed("cannot push x: push access denied".into())));
    assert!(screen.text().contains("push access denied"), "{}", screen.text());
    // What has no name goes nowhere.
    screen.keys("j U");
    assert!(screen.text().contains("no name that says to which registry"), "{}", screen.text());
}
