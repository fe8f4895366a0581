//! The line mode, from questions to answers.

use super::fixture::{self, FAMILY, HOSTILE, Image};
use crate::options::{Backend, Connection, Options};

async fn ask(images: &[Image<'_>], questions: &str) -> String {
    let folder = tempfile::tempdir().expect("makes a folder");
    let path = fixture::write(folder.path(), images);
    let mut options = Options::new(Backend::Archive(path), Connection::default());
    options.spool = folder.path().to_owned();
    let mut out = Vec::new();
    crate::plain(options, questions.as_bytes(), &mut out).await.expect("answers");
    String::from_utf8(out).expect("is text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_in_sentences() {
    let questions =
        "help\nimage app1\nfiles 3\nfiles 9\nfind flaskapp\nfile bin/busybox\nwaste\nfrobnicate\nimage nothing\nquit\n";
    insta::assert_snapshot!(ask(FAMILY, questions).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prints_no_control_character() {
    let text = ask(HOSTILE, "image 1\nfiles\nfiles 1\nfind e\nfile x\u{1b}[31m\n\u{1b}]0;x\u{7}\n").await;
    assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{text:?}");
}
