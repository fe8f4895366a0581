//! Many containers at once and in a row.

use std::fs;

use serde_json::json;

use crate::host::{Host, settled};

/// Containers that run side by side.
const AT_ONCE: usize = 200;
/// Containers one after the other.
const IN_A_ROW: usize = 1000;

#[test]
#[ignore = "needs root: run by .ci/run"]
fn many_at_once_and_many_in_a_row() {
    let host = Host::new();
    let body = || json!({ "Cmd": ["true"], "HostConfig": { "AutoRemove": true } });
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| host.run(body()).code)).collect();
        for thread in threads {
            assert_eq!(thread.join().expect("a thread"), 0);
        }
    });
    for _ in 0..IN_A_ROW {
        assert_eq!(host.run(body()).code, 0);
    }
    assert_eq!(settled(|| host.leftovers()), Vec::<String>::new());
    let layers = fs::read_dir(host.root().join("overlay2")).expect("layers").count();
    assert_eq!(layers, 2, "the image's layer and l");
    assert_eq!(fs::read_dir(host.root().join("overlay2/l")).expect("links").count(), 1);
}
