//! Changes against a model, cuts, damage, readers beside writers.

use super::super::{PAGE, read, u16_at, write};
use super::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Numbers without a pattern, the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

fn apply(bytes: &mut Vec<u8>, plan: &Plan) {
    for (offset, page) in plan.pages.iter().chain([&(plan.meta_offset, plan.meta.clone())]) {
        let end = *offset as usize + page.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[*offset as usize..end].copy_from_slice(page);
    }
}

fn advance(bytes: &mut Vec<u8>, changes: &[(Vec<u8>, Option<Vec<u8>>)]) {
    let plan = plan(bytes, b"volumes", changes).unwrap();
    apply(bytes, &plan);
}

fn pairs(model: &Model) -> Vec<Pair> {
    model.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn change(random: &mut Random, model: &mut Model) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let several = 1 + random.below(3);
    let mut changes = Vec::new();
    for _ in 0..several {
        let key = format!("volume-{:04}", random.below(900)).into_bytes();
        let large = if random.below(40) == 0 { 9000 } else { 300 };
        let value = (random.below(3) > 0).then(|| vec![b'x'; random.below(large)]);
        match &value {
            Some(value) => drop(model.insert(key.clone(), value.clone())),
            None => drop(model.remove(&key)),
        }
        changes.push((key, value));
    }
    changes
}

/// What bbolt's own check looks for: every page below the end is either reached once or on the free list.
fn check(bytes: &[u8]) {
    let present = present(bytes).unwrap();
    let file = File { bytes, page_size: present.page_size };
    let mut used = reached(&file, present.root, present.end).unwrap();
    mark(&file, present.list, present.end, &mut used).unwrap();
    let list = file.page(present.list).unwrap();
    assert_eq!(u16_at(list, 8), Some(FREELIST));
    let count = usize::from(u16_at(list, 10).unwrap());
    let free: BTreeSet<u64> = (0..count).map(|n| u64_at(list, HEADER + n * 8).unwrap()).collect();
    assert_eq!(free, (2..present.end).filter(|id| !used.contains(id)).collect());
}

#[test]
fn many_changes_come_out_as_a_map_has_them() {
    for seed in [1, 2, 0x9e37_79b9] {
        let mut random = Random(seed);
        let mut bytes = write(b"volumes", Vec::new());
        let mut model = Model::new();
        for step in 0..1500 {
            let changes = change(&mut random, &mut model);
            advance(&mut bytes, &changes);
            if step % 50 == 0 || step > 1480 {
                check(&bytes);
                assert_eq!(read(&bytes, b"volumes").unwrap(), pairs(&model), "seed {seed}, step {step}");
            }
        }
        // Space is used again: the file stays near what its content needs.
        let content: usize = model.iter().map(|(key, value)| key.len() + value.len() + 16).sum();
        assert!(bytes.len() < content * 4 + 40 * PAGE, "{} bytes for {content}", bytes.len());
        let all: Vec<_> = model.keys().map(|key| (key.clone(), None)).collect();
        advance(&mut bytes, &all);
        check(&bytes);
        assert_eq!(read(&bytes, b"volumes").unwrap(), []);
    }
}

#[test]
fn cut_off_anywhere_the_old_state_is_there() {
    let mut random = Random(77);
    let mut bytes = write(b"volumes", Vec::new());
    let mut model = Model::new();
    for _ in 0..120 {
        let before = pairs(&model);
        let changes = change(&mut random, &mut model);
        let plan = plan(&bytes, b"volumes", &changes).unwrap();
        // Before the first sync any part of any page may be on disk, in any order; garbage where a block was half written.
        for _ in 0..8 {
            let mut torn = bytes.clone();
            for (offset, page) in &plan.pages {
                let end = *offset as usize + page.len();
                if torn.len() < end && random.below(2) == 0 {
                    torn.resize(end, 0);
                }
                let (from, to) = (random.below(page.len()), random.below(page.len() + 1));
                let noise = if random.below(2) == 0 { 0 } else { 0x5a };
                for (at, byte) in page.iter().enumerate().take(to).skip(from) {
                    if let Some(torn) = torn.get_mut(*offset as usize + at) {
                        *torn = byte ^ noise;
                    }
                }
            }
            assert_eq!(read(&torn, b"volumes").unwrap(), before);
        }
        // Before the second sync all pages are there, and the meta page up to any byte.
        let mut torn = bytes.clone();
        apply(&mut torn, &Plan { pages: plan.pages.clone(), meta: Vec::new(), meta_offset: 0 });
        let at = plan.meta_offset as usize;
        for cut in 0..=HEADER + 64 {
            torn[at..at + cut].copy_from_slice(&plan.meta[..cut]);
            let found = read(&torn, b"volumes").unwrap();
            let whole = torn[at + HEADER..at + HEADER + 64] == plan.meta[HEADER..HEADER + 64];
            assert_eq!(found, if whole { pairs(&model) } else { before.clone() }, "cut at {cut}");
            // And the next change works on what is left.
            if cut % 16 == 0 {
                let mut next = torn.clone();
                advance(&mut next, &[(b"next".to_vec(), Some(vec![1]))]);
                assert!(read(&next, b"volumes").unwrap().contains(&(b"next".to_vec(), vec![1])));
                check(&next);
            }
        }
        apply(&mut bytes, &plan);
    }
}

#[test]
fn other_buckets_stay() {
    let mut bytes = write(b"others", (0..300).map(|n| (format!("k{n:03}").into_bytes(), vec![7; 50])).collect());
    for n in 0..20_u8 {
        let put = [(vec![n], Some(vec![n; 3]))];
        advance(&mut bytes, &put);
    }
    check(&bytes);
    assert_eq!(read(&bytes, b"others").unwrap().len(), 300);
    assert_eq!(read(&bytes, b"volumes").unwrap().len(), 20);
}

#[test]
fn damage_is_an_error_and_nothing_is_written() {
    let whole = write(b"volumes", (0..60).map(|n| (format!("k{n:03}").into_bytes(), vec![7; 90])).collect());
    let put = [(b"new".to_vec(), Some(b"x".to_vec()))];
    for at in 2 * PAGE..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        let _ = plan(&bytes, b"volumes", &put);
    }
    for bytes in [vec![], vec![0; 65536], whole[..3 * PAGE].to_vec()] {
        assert!(plan(&bytes, b"volumes", &put).is_err());
    }
    // A free page on the list that the tree reaches as well is found before it is overwritten.
    let mut bytes = whole.clone();
    let meta = HEADER + 32;
    bytes[PAGE + meta..PAGE + meta + 8].copy_from_slice(&3_u64.to_le_bytes());
    let sum = checksum(&bytes[PAGE + HEADER..PAGE + HEADER + 56]);
    bytes[PAGE + HEADER + 56..PAGE + HEADER + 64].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(plan(&bytes, b"volumes", &put).unwrap_err(), BoltError::Page(3));
}

#[test]
fn a_file_keeps_its_inode_and_readers_see_whole_states() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metadata.db");
    std::fs::write(&path, write(b"volumes", Vec::new())).unwrap();
    let inode = std::fs::metadata(&path).unwrap().ino();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Each change sets both keys to one value; no reader may see them differ.
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let pairs = read_beside(&path, b"volumes").unwrap();
                assert!(pairs.windows(2).all(|two| two[0].1 == two[1].1));
            }
        });
        for n in 0..300_u32 {
            let value = Some(vec![n as u8; 2000]);
            update(&path, b"volumes", &[(b"a".to_vec(), value.clone()), (b"b".to_vec(), value)]).unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(std::fs::metadata(&path).unwrap().ino(), inode);
    assert!(std::fs::metadata(&path).unwrap().len() < 100_000);
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metadata.db");
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert!(read_beside(&path, b"volumes").is_err());
    assert!(update(&path, b"volumes", &[]).is_err());
    std::fs::remove_file(&path).unwrap();
    std::fs::write(dir.path().join("elsewhere"), write(b"volumes", Vec::new())).unwrap();
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    assert!(update(&path, b"volumes", &[(b"a".to_vec(), Some(vec![1]))]).is_err());
}
