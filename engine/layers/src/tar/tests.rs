use super::write::{Block, Tar};
use super::*;

/// Each member and its whole content.
fn read(tar: &[u8]) -> Result<Vec<(Member, Vec<u8>)>, TarError> {
    let mut reader = TarReader::new(tar);
    let mut members = Vec::new();
    while let Some(mut entry) = reader.next()? {
        let mut content = Vec::new();
        (&mut entry).take(1 << 20).read_to_end(&mut content).map_err(|source| TarError::Read { at: 0, source })?;
        members.push((entry.header.clone(), content));
    }
    assert_eq!(reader.at(), tar.len() as u64);
    Ok(members)
}

fn one(tar: &[u8]) -> (Member, Vec<u8>) {
    let mut members = read(tar).expect("reads");
    assert_eq!(members.len(), 1);
    members.remove(0)
}

fn error(tar: &[u8]) -> String {
    match read(tar) {
        Err(error) => error.to_string(),
        Ok(members) => panic!("read: {members:?}"),
    }
}

#[test]
fn reads_each_kind() {
    let mut device = Block::new(b"dev/sda", b'4', 0);
    device.put(329, b"0000010\0").put(337, b"0000021\0");
    let tar = Tar::default()
        .directory("etc/")
        .file("etc/a", b"hello")
        .link("b", b'1', "./etc/a")
        .link("c", b'2', "../etc/a")
        .block(&device)
        .block(&Block::new(b"pipe", b'6', 0))
        .end();
    let kinds: Vec<Kind> = read(&tar).expect("reads").into_iter().map(|(member, _)| member.kind).collect();
    let expected = [
        Kind::Directory { opaque: false },
        Kind::File { size: 5, disk: None },
        Kind::Hardlink { target: b"etc/a"[..].into() },
        Kind::Symlink { target: b"../etc/a"[..].into() },
        Kind::BlockDevice { major: 8, minor: 17 },
        Kind::Fifo,
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn reads_plain_metadata() {
    let (member, content) = one(&Tar::default().file("a", b"xyz").end());
    assert_eq!((member.mode, member.uid, member.gid), (0o644, 1000, 1001));
    assert_eq!(member.mtime, Time { seconds: 0o14_000_000_000, nanoseconds: 0 });
    assert_eq!((member.header_at, member.content_at, member.stored), (0, 512, 3));
    assert_eq!(content, b"xyz");
}

#[test]
fn ends_of_streams() {
    let tar = Tar::default().file("a", b"xyz");
    let whole = tar.clone().end();
    let garbage = [&whole[..], b"garbage behind the end, 3 bytes short of nothing"].concat();
    let one_zero_block = &whole[..1536];
    for end in [&whole[..], &garbage, one_zero_block, &whole[..1600], &tar.0, &tar.0[..600], &tar.0[..515]] {
        assert_eq!(one(end).1, b"xyz");
    }
    assert!(read(b"").expect("nothing is an empty tar").is_empty());
    assert!(error(&tar.0[..514]).contains("ends at byte 514, inside the content of \"a\""));
    assert!(error(&tar.0[..300]).contains("ends at byte 300, inside a header"));
    let lone = [&whole[..1536], &whole[..]].concat();
    assert!(error(&lone).contains("lone block of zeros before byte 1536"));
    let header_only = Tar::default().pax(&[("path", b"b")]).end();
    assert!(error(&header_only).contains("headers of one entry"));
}

#[test]
fn old_and_new_headers() {
    let mut v7 = Block::new(b"old/", 0, 0);
    v7.put(257, &[0; 8]).put(345, b"ignored");
    let (member, _) = one(&Tar::default().block(&v7).end());
    assert_eq!((&member.name[..], &member.kind), (&b"old/"[..], &Kind::Directory { opaque: false }));

    let mut ustar = Block::new(b"name", b'0', 0);
    ustar.put(345, b"pre/fix");
    assert_eq!(one(&Tar::default().block(&ustar).end()).0.name, b"pre/fix/name");

    let mut gnu = Block::gnu(b"name", b'0', 0);
    gnu.put(345, b"14000000000\0");
    assert_eq!(one(&Tar::default().block(&gnu).end()).0.name, b"name");

    let mut signed = Block::new(b"caf\xe9", b'0', 0);
    signed.0[148..156].fill(b' ');
    let sum: i64 = signed.0.iter().map(|b| i64::from(*b as i8)).sum();
    signed.put(148, format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(one(&[&signed.0[..], &[0; 1024]].concat()).0.name, b"caf\xe9");

    let mut wrong = Block::new(b"a", b'0', 0).bytes();
    wrong[3] ^= 1;
    assert!(error(&wrong).contains("no tar header at byte 0"));
}

#[test]
fn long_names() {
    let long = [b'n'; 300];
    let gnu = Tar::default()
        .special(b'K', &[&[b't'; 200][..], b"\0"].concat())
        .special(b'L', &[&long[..], b"\0"].concat())
        .link("short", b'2', "cut")
        .end();
    let (member, _) = one(&gnu);
    assert_eq!(member.name, long);
    assert_eq!(member.kind, Kind::Symlink { target: [b't'; 200].into() });
    assert_eq!(member.header_at, 0);

    let pax = Tar::default().pax(&[("path", &long), ("linkpath", b"a/b")]).link("short", b'1', "cut").end();
    let (member, _) = one(&pax);
    assert_eq!((&member.name[..], member.kind), (&long[..], Kind::Hardlink { target: b"a/b"[..].into() }));

    let huge = Tar::default().block(&Block::gnu(b"././@LongLink", b'L', LONGEST_SPECIAL + 1)).end();
    assert!(error(&huge).contains("a long name at byte 0 claims 1048577 bytes, at most 1048576"));
    let cut = Tar::default().block(&Block::gnu(b"././@LongLink", b'x', LONGEST_SPECIAL)).end();
    assert!(error(&cut).contains("cut off"));
}

#[test]
fn pax_replaces_fields() {
    let records: [(&str, &[u8]); 6] = [
        ("uid", b"70000000"),
        ("gid", b"5"),
        ("mtime", b"-1.25"),
        ("SCHILY.xattr.user.x", b"a\n\0b=c"),
        ("LIBARCHIVE.xattr.user.y", b"AAE="),
        ("path", b""),
    ];
    let taken_back: [(&str, &[u8]); 2] = [("path", b"long"), ("path", b"")];
    assert_eq!(one(&Tar::default().pax(&taken_back).file("plain", b"").end()).0.name, b"plain");
    let (member, _) = one(&Tar::default().pax(&records).file("plain", b"").end());
    assert_eq!((member.uid, member.gid, &member.name[..]), (70_000_000, 5, &b"plain"[..]));
    assert_eq!(member.mtime, Time { seconds: -2, nanoseconds: 750_000_000 });
    let names: Vec<&[u8]> = member.xattrs.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(names, [&b"user.x"[..], b"user.y"]);
    assert_eq!((&*member.xattrs[0].1, &*member.xattrs[1].1), (&b"a\n\0b=c"[..], &b"\0\x01"[..]));
}

#[test]
fn one_size_decides() {
    // Readers that trust the header would find the member hidden in the content.
    let inner = Tar::default().file("hidden", b"!");
    let content = [&inner.0[..], &[0; 10]].concat();
    let tar = Tar::default()
        .pax(&[("size", content.len().to_string().as_bytes())])
        .block(&Block::new(b"outer", b'0', 0))
        .content(&content)
        .file("next", b"")
        .end();
    let names: Vec<Vec<u8>> = read(&tar).expect("reads").into_iter().map(|(member, _)| member.name).collect();
    assert_eq!(names, [&b"outer"[..], b"next"]);

    // The PAX size is for the file, not for the long name between.
    let tar = Tar::default().pax(&[("size", b"3")]).special(b'L', b"longname\0").block(&Block::new(b"x", b'0', 9));
    let (member, content) = one(&tar.content(b"abc").end());
    assert_eq!((&member.name[..], &content[..]), (&b"longname"[..], &b"abc"[..]));

    // Types without content have none, whatever they claim.
    let tar = Tar::default().block(&Block::new(b"d", b'5', 512)).file("f", b"").end();
    assert_eq!(read(&tar).expect("reads").len(), 2);
}

#[test]
fn impossible_numbers() {
    let eight_eib = b"\x80\0\0\0\x80\0\0\0\0\0\0\0";
    let negative = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    for size in [eight_eib, negative, b"00000000009\0"] {
        let mut block = Block::new(b"a", b'0', 0);
        block.put(124, size);
        assert!(error(&Tar::default().block(&block).end()).contains("the size is not a possible number"));
    }
    let mut block = Block::new(b"a", b'0', 0);
    block.put(124, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
    assert!(error(&Tar::default().block(&block).end()).contains("cut off"), "claims allocate nothing");
    for (key, value) in [("size", "9223372036854775808"), ("size", "-1"), ("uid", "4294967295"), ("gid", "-1")] {
        let tar = Tar::default().pax(&[(key, value.as_bytes())]).file("a", b"").end();
        assert!(error(&tar).contains("impossible value"), "{key}={value}");
    }
    let mut block = Block::new(b"a", b'0', 0);
    block.put(108, b"\x80\0\0\0\xff\xff\xff\xff");
    assert!(error(&Tar::default().block(&block).end()).contains("the owner is not a possible number"));
}

#[test]
fn global_headers_are_checked_and_ignored() {
    let global = Tar::default().special(b'g', b"15 comment=git\n").special(b'g', b"12 size=999\n");
    let (member, content) = one(&global.file("a", b"xy").end());
    assert_eq!((&member.name[..], &content[..]), (&b"a"[..], &b"xy"[..]));
    assert!(error(&Tar::default().special(b'g', b"nonsense").file("a", b"").end()).contains("damaged PAX header"));
}

#[test]
fn hostile_names() {
    assert!(error(&Tar::default().link("a", b'1', "../../etc/passwd").end()).contains("leads out of the layer"));
    let (member, _) = one(&Tar::default().link("a", b'1', "/etc/passwd").end());
    assert_eq!(member.kind, Kind::Hardlink { target: b"etc/passwd"[..].into() });
    let (member, _) = one(&Tar::default().file("../../etc/x", b"").end());
    assert!(member.path().is_err_and(|e| e.to_string().contains("\"../../etc/x\" leads out of the layer")));
    assert!(error(&Tar::default().pax(&[("path", b"a\0b")]).file("a", b"").end()).contains("impossible value"));
    assert!(error(&Tar::default().block(&Block::new(b"a", b'M', 0)).end()).contains("tar type 'M'"));
    let shown = shown(b"a\x1b[31m\xff\n");
    assert!(shown.chars().all(|c| !c.is_control()), "{shown}");
}

fn sparse_pax(records: &[(&str, &[u8])], stored: &[u8]) -> Vec<u8> {
    let block = Block::new(b"GNUSparseFile.0/f", b'0', stored.len() as u64);
    Tar::default().pax(records).block(&block).content(stored).end()
}

#[test]
fn sparse_files_in_every_version() {
    let expected = b"\0\0abc\0\0\0de\0\0";
    let map = [Extent { offset: 2, length: 3 }, Extent { offset: 8, length: 2 }, Extent { offset: 12, length: 0 }];
    let mut old = Block::gnu(b"f", b'S', 5);
    for (index, extent) in map.iter().enumerate() {
        old.put(386 + 24 * index, format!("{:011o}\0{:011o}\0", extent.offset, extent.length).as_bytes());
    }
    old.put(483, b"00000000014\0");
    let mut chained = Block::gnu(b"f", b'S', 5);
    chained.put(386, b"00000000002\x0000000000003\0").put(482, &[1]).put(483, b"00000000014\0");
    let mut extension = [0; 512];
    extension[..24].copy_from_slice(b"00000000010\x0000000000002\0");
    extension[24..48].copy_from_slice(b"00000000014\x0000000000000\0");
    let v00: [(&str, &[u8]); 8] = [
        ("GNU.sparse.size", b"12"),
        ("GNU.sparse.numblocks", b"3"),
        ("GNU.sparse.offset", b"2"),
        ("GNU.sparse.numbytes", b"3"),
        ("GNU.sparse.offset", b"8"),
        ("GNU.sparse.numbytes", b"2"),
        ("GNU.sparse.offset", b"12"),
        ("GNU.sparse.numbytes", b"0"),
    ];
    let v01: [(&str, &[u8]); 3] =
        [("GNU.sparse.size", b"12"), ("GNU.sparse.name", b"f"), ("GNU.sparse.map", b"2,3,8,2,12,0")];
    let v10: [(&str, &[u8]); 4] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.realsize", b"12"),
        ("GNU.sparse.name", b"f"),
    ];
    let mut stored = b"3\n2\n3\n8\n2\n12\n0\n".to_vec();
    stored.resize(512, 0);
    stored.extend_from_slice(b"abcde");
    let tars = [
        Tar::default().block(&old).content(b"abcde").end(),
        Tar([&chained.bytes()[..], &extension].concat()).content(b"abcde").end(),
        sparse_pax(&v00, b"abcde"),
        sparse_pax(&v01, b"abcde"),
        sparse_pax(&v10, &stored),
    ];
    for tar in tars {
        let (member, content) = one(&tar);
        assert_eq!(member.sparse.as_deref(), Some(&map[..]));
        assert_eq!((member.kind.size(), member.stored), (12, 5));
        assert_eq!(content, expected);
    }
}

#[test]
fn sparse_maps_that_lie() {
    let with =
        |map: &[u8], size: &[u8]| error(&sparse_pax(&[("GNU.sparse.size", size), ("GNU.sparse.map", map)], b"abc"));
    assert!(with(b"0,2,1,1", b"9").contains("overlap"));
    assert!(with(b"8,3", b"9").contains("behind the file's end"));
    assert!(with(b"9223372036854775807,3", b"9223372036854775807").contains("behind the file's end"));
    assert!(with(b"0,4", b"9").contains("do not add up"));
    assert!(with(b"0,1", b"9").contains("do not add up"));
    assert!(with(b"0", b"9").contains("impossible value"));
    let version: [(&str, &[u8]); 3] =
        [("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"9")];
    let mut endless = b"65536\n".to_vec();
    endless.resize(512, b'1');
    for map in [&[b'1'; 512][..], b"0\n", b"99999999\n0\n0\n", &endless, &[b'x'; 512]] {
        assert!(error(&sparse_pax(&version, map)).contains("damaged map"), "{}", map.escape_ascii());
    }
    let future: [(&str, &[u8]); 2] = [("GNU.sparse.major", b"2"), ("GNU.sparse.minor", b"0")];
    assert!(error(&sparse_pax(&future, b"abc")).contains("unknown version"));
    let mut endless = Block::gnu(b"f", b'S', 0);
    endless.put(482, &[1]);
    let mut extension = [0; 512];
    extension[504] = 1;
    let tar = [&endless.bytes()[..], &extension, &extension].concat();
    assert!(error(&tar).contains("number of sparse extents"));
}

#[test]
fn a_huge_hole_costs_nothing_to_list() {
    let tar = sparse_pax(&[("GNU.sparse.size", b"1099511627776"), ("GNU.sparse.map", b"0,3")], b"abc");
    let mut reader = TarReader::new(&tar[..]);
    let entry = reader.next().expect("reads").expect("one");
    assert_eq!(entry.header.kind.size(), 1 << 40);
    assert!(reader.next().expect("passes over it").is_none());
}

#[test]
fn layer_items() {
    let mut device = Block::new(b"null", b'3', 0);
    device.put(329, b"0000000\0").put(337, b"0000000\0");
    let overlay: [(&str, &[u8]); 3] = [
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.overlay.whiteout", b"y"),
        ("SCHILY.xattr.security.capability", b"x"),
    ];
    let tar = Tar::default()
        .file("a/.wh.b", b"")
        .file("a/.wh..wh..opq", b"")
        .file(".wh..wh.plnk/1", b"")
        .pax(&overlay)
        .file("./c", b"")
        .file("a/.wh..", b"")
        .block(&device)
        .end();
    let mut items = read(&tar).expect("reads").into_iter().map(|(member, _)| member.layer_item());
    let mut next = || items.next().expect("six");
    assert!(matches!(next(), Ok(Some(LayerItem::Entry(e))) if &*e.path == b"a/b" && e.kind == Kind::Whiteout));
    assert_eq!(next().ok().flatten(), Some(LayerItem::Opaque { directory: b"a"[..].into() }));
    assert!(matches!(next(), Ok(None)));
    let Ok(Some(LayerItem::Entry(entry))) = next() else { panic!("an entry") };
    assert_eq!((&*entry.path, entry.xattrs.len()), (&b"c"[..], 1));
    assert!(matches!(next(), Err(TarError::Whiteout { .. })));
    assert!(matches!(next(), Err(TarError::Device { .. })));
}
