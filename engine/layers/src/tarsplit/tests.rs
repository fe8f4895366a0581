use std::collections::HashMap;

use super::*;
use crate::tar::TarReader;
use crate::tar::write::{Block, Tar};

type Files = HashMap<Vec<u8>, Vec<u8>>;

/// Unpacks as an engine does: the record, and what is on disk in the end.
fn split(tar: &[u8]) -> (Vec<u8>, Files) {
    let mut files = Files::new();
    let mut kept = Kept::new(tempfile::tempfile);
    let mut reader = TarReader::recording(tar, Splitter::new(Vec::new()));
    while let Some(mut entry) = reader.next().expect("a tar") {
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("content");
        let path = entry.header.path().expect("a path").to_vec();
        if let Some(earlier) = files.remove(&path) {
            kept.keep(&path, &earlier[..]).expect("kept");
        }
        if !content.is_empty() {
            files.insert(path, content);
        }
    }
    let record = reader.into_inner().1.finish().expect("to memory");
    if kept.is_empty() {
        return (record, files);
    }
    let mut carried = Vec::new();
    carry(&record[..], &kept, &mut carried).expect("carries");
    (carried, files)
}

fn together(record: &[u8], files: &Files) -> Result<Vec<u8>, SplitError> {
    let mut tar = Vec::new();
    let open = |name: &[u8]| {
        let path = clean_path(name).map_err(io::Error::other)?;
        files.get(&path[..]).map(Vec::as_slice).ok_or_else(|| io::ErrorKind::NotFound.into())
    };
    let written = assemble(record, open, &mut tar)?;
    assert_eq!(written, tar.len() as u64);
    Ok(tar)
}

fn round_trip(tar: &[u8]) -> String {
    let (record, files) = split(tar);
    assert!(together(&record, &files).expect("assembles") == tar);
    let record = String::from_utf8(record).expect("JSON");
    let mut names: Vec<_> = record.lines().filter_map(|line| line.split_once("\"name\":")).map(|(_, n)| n).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup_by_key(|name| name.split_once('"').map(|(_, rest)| rest.split('"').next()));
    assert_eq!(names.len(), all, "Docker refuses names that come twice");
    record
}

#[test]
fn writes_what_docker_writes() {
    let tar = Tar::default().directory("d/").file("d/a", b"hello\n").block(&Block::new(b"caf\xe9", b'0', 0)).end();
    let record = round_trip(&tar);
    let lines: Vec<&str> = record.lines().collect();
    assert_eq!(lines.len(), 7);
    assert!(lines[0].starts_with(r#"{"type":2,"payload":"ZC8AAAAA"#) && lines[0].ends_with(r#"","position":0}"#));
    assert_eq!(lines[1], r#"{"type":1,"name":"d/","payload":null,"position":1}"#);
    assert_eq!(lines[3], r#"{"type":1,"name":"d/a","size":6,"payload":"YUw+7uLYEAA=","position":3}"#);
    assert_eq!(lines[5], r#"{"type":1,"name_raw":"Y2Fm6Q==","payload":null,"position":5}"#);
    // Padding of the one and headers of the next are one segment; so are the end's blocks.
    let segment: serde_json::Value = serde_json::from_str(lines[4]).expect("JSON");
    assert_eq!(segment["payload"].as_str().map(str::len), Some((512usize - 6 + 512).div_ceil(3) * 4));
}

#[test]
fn checksums_as_go_has_them() {
    let table = [("", 0), ("a", 0x3420 << 48), ("ab", 0x36c4_2000 << 32), ("abc", 0x3776_c420 << 32)];
    for (text, expected) in table {
        assert_eq!(crc_fast::checksum(Crc64GoIso, text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn every_byte_comes_back() {
    let tar = Tar::default().file("a", b"one").file("b", &[7; 5000]);
    round_trip(&tar.clone().end());
    round_trip(&[&tar.clone().end()[..], &vec![3; 3 << 20]].concat());
    round_trip(&tar.0);
    round_trip(&tar.0[..tar.0.len() - 120]);
    round_trip(b"");
    let records: [(&str, &[u8]); 2] = [("path", &[b'p'; 1000]), ("size", b"3")];
    round_trip(&Tar::default().pax(&records).block(&Block::new(b"x", b'0', 9)).content(b"abc").end());
}

#[test]
fn paths_that_come_twice() {
    let names = ["a", "./a", "/a", "b", "a", "b"];
    let mut tar = Tar::default().directory("d").directory("d/").file("e", b"was a file").directory("e");
    for (number, name) in names.iter().enumerate() {
        tar = tar.file(name, format!("content {number}").repeat(100).as_bytes());
    }
    let record = round_trip(&tar.directory("f").file("f", b"was a directory").end());
    assert!(!record.contains(r#""name":"a""#), "its content is carried");
}

#[test]
fn what_is_not_on_disk_as_it_is_in_the_tar() {
    let sparse: [(&str, &[u8]); 2] = [("GNU.sparse.size", b"99"), ("GNU.sparse.map", b"50,3")];
    let tar = Tar::default().pax(&sparse).file("s", b"abc").file(".wh.x", b"a whiteout with content").file("a", b"b");
    let record = round_trip(&tar.end());
    assert!(!record.contains(r#""name":"s""#) && !record.contains("wh.x"));
    let link = Tar::default().file("a", b"b").link("b", b'1', "a").file(".wh.c", b"").end();
    assert!(round_trip(&link).contains(r#"{"type":1,"name":"b","payload":null"#));
}

#[test]
fn changed_files_are_named() {
    let (record, files) = split(&Tar::default().file("d/a", b"hello").end());
    let with = |content: Option<&[u8]>| {
        let mut files = files.clone();
        files.remove(&b"d/a"[..]);
        files.extend(content.map(|bytes| (b"d/a".to_vec(), bytes.to_vec())));
        together(&record, &files).expect_err("differs").to_string()
    };
    assert!(with(None).contains("file \"d/a\" of the layer: "));
    assert!(with(Some(b"hellO")).contains("expected CRC-64"));
    assert!(with(Some(b"hell")).contains("expected 5 bytes, found 4 bytes"));
    assert!(with(Some(b"hello!")).contains("found more"));
}

#[test]
fn damaged_records() {
    let table = [
        ("{", "EOF"),
        (r#"{"type":2,"payload":"!","position":0}"#, "nvalid"),
        (r#"{"type":2,"payload":"","position":3}"#, "number 3"),
        (r#"{"type":9,"payload":"","position":0}"#, "type 9"),
        (r#"{"type":1,"name":"a","size":4,"payload":"AAAA","position":0}"#, "checksum"),
        (r#"{"type":1,"name":"a","size":-4,"payload":null,"position":0}"#, "-4"),
        (r#"{"type":1,"name_raw":"?","payload":null,"position":0}"#, "nvalid"),
    ];
    for (line, expected) in table {
        let message = together(line.as_bytes(), &Files::new()).expect_err("damaged").to_string();
        assert!(message.contains("record 0 is damaged") && message.contains(expected), "{message}");
    }
    let escaped = r#"{"type":1,"name":"\u0061\n\"","size":1,"payload":"NCAAAAAAAAA=","position":0}"#;
    let files = Files::from([(b"a\n\"".to_vec(), b"a".to_vec())]);
    assert_eq!(together(escaped.as_bytes(), &files).expect("escapes are JSON's"), b"a");
}
