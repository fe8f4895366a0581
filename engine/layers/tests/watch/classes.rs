//! What each way to change a file is told as.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use outcrop_layers::watch::{Evidence, Kind, Options};

use crate::support::{Mounted, On, Watching, events, short};

/// A script, and what is told of it.
type Case = (&'static str, &'static [&'static str]);

fn fill(base: &Path) {
    let write = |path: &str, text: &[u8]| {
        let path = base.join(path);
        fs::create_dir_all(path.parent().expect("inside")).expect("made");
        fs::write(path, text).expect("written");
    };
    write("lower0/file", b"hidden by a later layer");
    write("lower2/file", b"lower\n");
    write("lower1/dir/a", b"aaa");
    write("lower0/dir/b", b"bb");
    write("lower0/empty", b"");
    write("lower1/hard", b"hard\n");
    fs::hard_link(base.join("lower1/hard"), base.join("lower1/link")).expect("linked");
    std::os::unix::fs::symlink("file", base.join("lower1/symlink")).expect("linked");
    let sparse = fs::File::create(base.join("lower0/sparse")).expect("created");
    sparse.set_len(1 << 20).expect("sized");
    sparse.write_all_at(&[1; 4096], 512 << 10).expect("written");
}

fn check(on: On, options: &str, cases: &[Case]) {
    for (script, want) in cases {
        let mounted = Mounted::new(on, options, fill);
        let told = short(&mounted.watch_script(script));
        assert_eq!(told, *want, "{on:?} {options} {script}");
    }
}

const MMAP: &str = r#"python3 -c "
import mmap
file = open('file', 'r+b')
memory = mmap.mmap(file.fileno(), 0)
memory[0:2] = b'XY'
memory.close()
file.close()""#;

const EXCHANGE: &str = r#"echo new > n; python3 -c "
import ctypes
assert ctypes.CDLL(None).renameat2(-100, b'n', -100, b'file', 2) == 0""#;

const COPY: &str = "copy-up file copied=6 data=full lower2=handle node=file";

const CONTENT: &[Case] = &[
    ("echo x >> file", &[COPY, "write file changed=2 size=8"]),
    (": > file", &["copy-up file copied=0 data=truncated lower2=handle node=file", "write file changed=6 size=0"]),
    (
        "echo x >> empty",
        &["copy-up empty copied=0 data=nothing lower0=handle node=file", "write empty changed=2 size=2"],
    ),
    (MMAP, &[COPY, "write file changed=2 mapped=true size=6"]),
    ("python3 -c \"open('file', 'r+b').close()\"", &[COPY]),
    (
        "chmod 600 sparse",
        &["copy-up sparse copied=4096 data=full lower0=handle node=file", "attributes sparse mode=384"],
    ),
    (
        "exec 5>>log; echo 1 >&5; sleep 1.5; echo 2 >&5; sleep 1.5; exec 5>&-",
        &["create log node=file", "write log changed=2 size=2", "write log changed=4 size=4"],
    ),
];

const METADATA: &[Case] = &[
    ("chmod 600 file", &[COPY, "attributes file mode=384"]),
    ("chown 5:6 file", &[COPY, "attributes file owner=[5,6]"]),
    ("setfattr -n trusted.x -v 1 file", &[COPY, "attributes file"]),
    ("chmod 700 dir", &["copy-up dir copied=0 data=nothing lower1=handle node=directory", "attributes dir mode=448"]),
    ("touch -h symlink", &["copy-up symlink copied=0 data=nothing lower1=handle node=symlink", "attributes symlink"]),
];

const NAMES: &[Case] = &[
    (
        "echo x >> hard; echo y >> link",
        &[
            "copy-up hard copied=5 data=full lower1=handle node=file",
            "write hard changed=2 size=7",
            "copy-up link copied=5 data=full lower1=handle node=file",
            "write link changed=2 size=7",
        ],
    ),
    ("ln file other", &[COPY, "link other to=file"]),
    (
        "echo 1 > n; ln n m; rm n; ln m o",
        &["create n node=file", "write n changed=2 size=2", "link m to=n", "delete n node=file", "link o to=m"],
    ),
    (
        "mkfifo fifo; ln -s x y; mkdir d",
        &["create fifo node=special", "create y node=symlink", "create d node=directory"],
    ),
    (
        "mv file moved; mv moved file",
        &[COPY, "rename moved from=file left_whiteout=true node=file", "rename file from=moved node=file"],
    ),
    (
        "mkdir p; mv p other; rmdir other",
        &["create p node=directory", "rename other from=p node=directory", "delete other node=directory"],
    ),
    (
        EXCHANGE,
        &[
            "create n node=file",
            "write n changed=4 size=4",
            COPY,
            "rename file from=n node=file",
            "rename n exchange=true from=file node=file",
        ],
    ),
];

const REMOVALS: &[Case] = &[
    ("rm file symlink", &["whiteout file", "whiteout symlink"]),
    (
        "rm file; echo x > file; rm file",
        &[
            "whiteout file",
            "create file node=file over_whiteout=true",
            "write file changed=2 size=2",
            "whiteout file dropped=true",
        ],
    ),
    (
        "rm dir/a dir/b; rmdir dir; mkdir dir; echo a > dir/a",
        &[
            "copy-up dir copied=0 data=nothing lower1=path node=directory",
            "whiteout dir/a",
            "whiteout dir/b",
            "whiteout dir dropped=true",
            "opaque dir",
            "create dir/a node=file",
            "write dir/a changed=2 size=2",
        ],
    ),
];

#[test]
#[ignore = "needs root and loop devices: run by .ci/run"]
fn on_ext4() {
    for cases in [CONTENT, METADATA, NAMES] {
        check(On::Ext4, "", cases);
    }
    for (script, want) in REMOVALS {
        let mounted = Mounted::new(On::Ext4, "", fill);
        // Whether something could be looked at before it went is a matter of time.
        let timeless = |told: &str| {
            told.replace("=handle node=directory", "=path node=directory").replace(" changed=2 size=2", "")
        };
        let told = short(&mounted.watch_script(script)).join("\n");
        assert_eq!(timeless(&told), timeless(&want.join("\n")), "{script}");
    }
}

#[test]
#[ignore = "needs root and loop devices: run by .ci/run"]
fn on_other_filesystems() {
    for on in [On::Tmpfs, On::Btrfs] {
        check(on, "", &CONTENT[..5]);
        check(on, "", &NAMES[..3]);
    }
}

#[test]
#[ignore = "needs root and loop devices: run by .ci/run"]
fn a_subvolume_is_watched_by_its_directories() {
    let mounted = Mounted::new(On::Subvolume, "", fill);
    let watch = Watching::start(Options::default());
    let attached = watch.attach(mounted.overlay()).expect("attaches");
    assert_eq!(attached.method, Evidence::Directories);
    assert!(watch.attach(mounted.overlay()).expect_err("twice").to_string().contains("already"));
    assert!(attached.notes.iter().any(|note| note.contains("subvolume")), "{:?}", attached.notes);
    mounted.script("echo x >> file; rm symlink; mkdir -p new/deep; echo y > new/deep/file");
    let events = events(&watch.finished());
    let told = short(&events).join("\n");
    for want in [
        "copy-up file copied=6 data=full lower2=",
        "whiteout symlink",
        "create new node=directory",
        "create new/deep/file",
    ] {
        assert!(told.contains(want), "{want} is not in\n{told}");
    }
    assert_eq!(
        events[0].who.as_ref().and_then(|who| who.name.clone()).map(|name| name.to_string()).as_deref(),
        Some("sh")
    );
}

#[test]
#[ignore = "needs root and loop devices: run by .ci/run"]
fn with_metacopy_and_redirects() {
    check(
        On::Ext4,
        ",metacopy=on,redirect_dir=on",
        &[
            (
                "chmod 600 file; sleep 1; echo x >> file",
                &[
                    "copy-up file copied=0 data=metadata lower2=handle node=file",
                    "attributes file mode=384",
                    COPY,
                    "write file changed=2 size=8",
                ],
            ),
            (
                ": > file",
                &["copy-up file copied=0 data=truncated lower2=handle node=file", "write file changed=6 size=0"],
            ),
            ("echo x >> file", &[COPY, "write file changed=2 size=8"]),
        ],
    );
    let mounted = Mounted::new(On::Ext4, ",metacopy=on,redirect_dir=on", fill);
    let told = short(&mounted.watch_script("mv dir dir2; echo x >> dir2/a; rm dir2/b")).join("\n");
    for want in [
        "rename dir2 from=dir left_whiteout=true node=directory redirect=dir",
        "copy-up dir2/a copied=3 data=full lower1=handle node=file",
        "write dir2/a changed=2 size=5",
        "whiteout dir2/b",
    ] {
        assert!(told.contains(want), "{want} is not in\n{told}");
    }
}

/// With an index, names of one lower file stay names of one file: only one copy is made.
#[test]
#[ignore = "needs root and loop devices: run by .ci/run"]
fn with_an_index() {
    let mounted = Mounted::new(On::Ext4, ",index=on", fill);
    let events = mounted.watch_script("echo x >> hard; echo y >> link; rm hard");
    let copied: Vec<u64> = events
        .iter()
        .filter_map(|event| match event.kind {
            Kind::CopyUp { copied, .. } => Some(copied),
            _ => None,
        })
        .collect();
    assert_eq!(copied, [5]);
    let told = short(&events).join("\n");
    for want in ["link link to=hard", "whiteout hard dropped=true", "changed=4 size=9"] {
        assert!(told.contains(want), "{want} is not in\n{told}");
    }
    check(
        On::Ext4,
        ",index=on",
        &[("chmod 600 hard", &["copy-up hard copied=5 data=full lower1=handle node=file", "attributes hard mode=384"])],
    );
}

/// What happened before the watch is no event, but it is known: a file that was copied up before is not copied again.
#[test]
#[ignore = "needs root and loop devices: run by .ci/run"]
fn begins_with_what_is_there() {
    let mounted = Mounted::new(On::Ext4, "", fill);
    mounted.script("echo x >> file; rm symlink; mkdir new; echo 1 > new/n; rm -r dir");
    let told = mounted.watch_script("echo y >> file; echo link > symlink; mv new moved; mv file away; mkdir dir");
    assert_eq!(
        short(&told),
        [
            "write file changed=4 size=10",
            "create symlink node=file over_whiteout=true",
            "write symlink changed=5 size=5",
            "rename moved from=new node=directory",
            "rename away from=file left_whiteout=true node=file",
            "opaque dir",
        ]
    );
}

/// What somebody does to the upper directory itself is told as what it looks like.
#[test]
#[ignore = "needs root and loop devices: run by .ci/run"]
fn the_other_mechanisms_agree_with_the_scan() {
    for only in [Evidence::Directories, Evidence::Inotify, Evidence::Scan] {
        let mounted = Mounted::new(On::Ext4, "", fill);
        let watch = Watching::start(Options { only: Some(only), ..Options::default() });
        assert_eq!(watch.attach(mounted.overlay()).expect("attaches").method, only);
        mounted.script(
            "echo x >> file; rm symlink; mkdir -p a/b/c; echo 1 > a/b/c/f; mv dir/a dir/c 2>/dev/null; chmod 600 empty",
        );
        let told = short(&events(&watch.finished())).join("\n").replace(" (scan)", "");
        for want in [
            "copy-up file copied=6 data=full lower2=handle",
            "whiteout symlink",
            "create a node",
            "create a/b/c/f",
            "whiteout dir/a",
        ] {
            let renamed = only == Evidence::Directories && want == "whiteout dir/a";
            assert!(renamed || told.contains(want), "{only:?}: {want} is not in\n{told}");
        }
    }
}
