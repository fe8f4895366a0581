//! An image reference: what is accepted is read back the same.
#![no_main]
use outcrop_engine::image::reference::Reference;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(reference) = Reference::parse(text) {
        assert_eq!(Reference::parse(&reference.full()).map(|again| again.full()).ok(), Some(reference.full()));
        // docker.io/a.b/c is shown as a.b/c, as Docker shows it, and that reads as another registry's
        let _ = Reference::parse(&reference.familiar());
    }
});
