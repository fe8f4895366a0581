//! A tar: every member and its content, within what was given.
#![no_main]
use std::io::Read;

use outcrop_layers::tar::TarReader;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut reader = TarReader::new(data);
    let mut left = 16 << 20;
    while let Ok(Some(mut entry)) = reader.next() {
        if let Ok(path) = entry.header.path() {
            assert!(!path.starts_with(b"/") && !path.split(|b| *b == b'/').any(|part| part == b".." || part == b"."));
        }
        let mut buffer = [0; 4096];
        while left > 0 && let Ok(n @ 1..) = entry.read(&mut buffer) {
            left -= n.min(left);
        }
    }
});
