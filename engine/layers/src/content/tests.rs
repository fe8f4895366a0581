//! What previews and differences say.

use std::io::Write;

use super::*;

fn seen(bytes: &[u8]) -> Preview {
    preview(bytes, 1000).expect("memory")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn texts_and_what_is_none() {
    let text = |bytes: &[u8]| match seen(bytes).content {
        Content::Text(lines) => lines.join("|"),
        other => format!("{other:?}"),
    };
    for (bytes, expected) in [
        (&b""[..], "Empty"),
        (b"one\ntwo\n", "one|two"),
        (b"one\r\ntwo", "one|two"),
        (b"\n\n", "|"),
        ("gr\u{fc}n \u{1f409}".as_bytes(), "gr\u{fc}n \u{1f409}"),
        (b"a long enough line of latin-1 gr\xfcn", "a long enough line of latin-1 gr\\xfcn"),
        (b"\x1b[31mred", "\u{1b}[31mred"),
        (b"a\0b", "Bytes"),
        (b"\xff\xfe\xfd\xfc", "Bytes"),
        (&[7; 100], "Bytes"),
        (&[0; 600], "Bytes"),
    ] {
        assert_eq!(text(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn no_more_is_read_than_allowed() {
    let dragons = "\u{1f409}".repeat(1000);
    for limit in 1..20 {
        let preview = preview(dragons.as_bytes(), limit).expect("memory");
        assert_eq!((preview.complete, preview.bytes.len()), (false, limit));
        assert_eq!(preview.content, Content::Text(vec!["\u{1f409}".repeat(limit / 4)]));
    }
    let bomb = gzip(&vec![b'x'; 1 << 20]);
    let Content::Packed(inside) = preview(&bomb[..], 4000).expect("memory").content else { panic!("gzip") };
    assert_eq!((inside.bytes.len(), inside.complete), (4000, false));
    let nested = gzip(&gzip(b"x"));
    let Content::Packed(inside) = seen(&nested).content else { panic!("gzip") };
    assert_eq!(inside.content, Content::Bytes);
}

#[test]
fn archives_list_their_members() {
    let tar = crate::tar::write::Tar::default().file("etc/passwd", b"root").end();
    let expected = vec![Member { name: b"etc/passwd".to_vec(), kind: Kind::File { size: 4, disk: None } }];
    assert_eq!(seen(&tar).content, Content::Tar(expected.clone()));
    let packed = seen(&gzip(&tar));
    assert_eq!(packed.format, Some("gzip"));
    let Content::Packed(inside) = packed.content else { panic!("gzip") };
    assert_eq!(inside.content, Content::Tar(expected));
    let cut = preview(&gzip(&tar)[..20], 1000).expect("memory");
    assert!(matches!(cut.content, Content::Packed(_)));
}

#[test]
fn programs_tell_what_they_need() {
    let mut elf = vec![0; 200];
    elf[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    (elf[16], elf[18], elf[32], elf[54], elf[56]) = (3, 62, 64, 56, 2);
    (elf[64], elf[64 + 8], elf[64 + 32]) = (3, 180, 11);
    elf[64 + 56] = 2;
    elf[180..190].copy_from_slice(b"/lib/ld.so");
    let Content::Elf(found) = seen(&elf).content else { panic!("ELF") };
    assert_eq!((found.bits, found.machine.as_str(), found.dynamic), (64, "x86-64", true));
    assert_eq!(found.interpreter.as_deref(), Some("/lib/ld.so"));
    for cut in 0..200 {
        let _ = Elf::parse(&elf[..cut]);
        let mut wild = elf.clone();
        wild[cut] = 0xff;
        let _ = Elf::parse(&wild);
    }
}

#[test]
fn differences_of_lines_and_bytes() {
    let compare = |old: &[u8], new: &[u8]| difference(old, new, 1000, &|| false).expect("memory");
    assert_eq!(compare(b"same", b"same"), Difference::Same);
    let Difference::Text(hunks) = compare(b"a\nb\nc\n", b"a\nB\nc\nd\n") else { panic!("text") };
    let lines: Vec<_> = hunks[0].lines.iter().map(|l| format!("{:?} {}", l.tag, l.text)).collect();
    assert_eq!(lines, ["Same a", "Removed b", "Added B", "Same c", "Added d"]);
    assert_eq!((hunks.len(), hunks[0].old, hunks[0].new), (1, 1, 1));
    let (mut old, mut new) = (vec![1; 100_000], vec![1; 100_010]);
    (old[70_003], new[70_003]) = (2, 3);
    let Difference::Bytes { at, from, old, new } = compare(&old, &new) else { panic!("bytes") };
    assert_eq!((at, from, old[3], new[3], old.len(), new.len()), (70_003, 70_000, 2, 3, 256, 256));
    assert!(matches!(compare(b"a\n", b"a\r\n"), Difference::Bytes { at: 1, .. }));
    assert!(matches!(compare(&[0; 3], &[0; 5]), Difference::Bytes { at: 3, .. }));
    assert!(difference(&old[..], &new[..], 1, &|| true).is_err());
}

#[test]
fn hex_lines_align() {
    assert_eq!(hex_line(16, b"ABC\n"), "00000010  41 42 43 0a                                       |ABC.|");
    assert_eq!(hex_line(0, &[0; 20]).len(), hex_line(0, &[0; 16]).len());
    assert_eq!(
        hex_line(0, b"\x7fELF0123456789abc"),
        "00000000  7f 45 4c 46 30 31 32 33  34 35 36 37 38 39 61 62  |.ELF0123456789ab|"
    );
}
