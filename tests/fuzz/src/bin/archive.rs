//! An image archive as a stream, as `load` reads it.
#![no_main]
use outcrop_layers::archive::{Documents, Part};
use outcrop_layers::digest::{DiffId, Digest};
use outcrop_layers::tar::TarReader;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut documents = Documents::default();
    let mut reader = TarReader::new(data);
    while let Ok(Some(mut entry)) = reader.next() {
        let member = entry.header.clone();
        let Ok(part) = documents.take(&member, &mut entry) else { return };
        if !matches!(part, Part::Taken) {
            let name = String::from_utf8_lossy(&member.name).into_owned();
            drop(part);
            let _ = documents.layer(&name, DiffId(Digest::of(b"")), 0);
        }
    }
    let _ = documents.resolve(None);
});
