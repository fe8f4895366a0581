//! Compressed data: at most 16 MB of it undone.
#![no_main]
use std::io::{Read, copy, sink};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(decoder) = outcrop_layers::compress::decoder(data) {
        let _ = copy(&mut decoder.take(16 << 20), &mut sink());
    }
});
