//! Filters and times of the API.
#![no_main]
use outcrop_engine::filters::{Filters, parse_time, path_match};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = Filters::from_json(text);
    let _ = parse_time(text, 1_700_000_000_000_000_000);
    if let Some((pattern, name)) = text.split_once('\n') {
        path_match(pattern, name);
    }
});
