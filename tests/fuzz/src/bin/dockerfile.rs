//! A Dockerfile, and the patterns of a .dockerignore: nothing panics, what is wrong is said with a line that is there.
#![no_main]
use outcrop_engine::build::{Dockerfile, Ignore, ignore};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(problem) = Dockerfile::parse("Dockerfile", bytes) {
        let lines = bytes.iter().filter(|&&b| b == b'\n').count() + 1;
        assert!(problem.line() <= lines, "{problem}");
        assert!(problem.to_string().starts_with("Dockerfile:") && !problem.message().is_empty());
    }
    let text = String::from_utf8_lossy(bytes);
    let patterns = ignore::read(&text);
    if let Ok(matcher) = Ignore::new(&patterns) {
        for path in ["a", "a/b", "a/b/c.txt", ".git/config"].into_iter().chain(patterns.iter().map(String::as_str)) {
            let out = matcher.leaves_out(path);
            let mut kept = matcher.clone();
            // A name with a pattern's characters in it is not itself when it is read as a pattern, nor one that is no clean path.
            let clean = path.trim() == path && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
            if clean && !path.contains(['*', '?', '[', '\\', '!']) && kept.keep(&[path]).is_ok() && out {
                assert!(!kept.leaves_out(path), "{path:?} stays");
            }
        }
    }
});
