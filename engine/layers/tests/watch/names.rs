//! Names of processes that have long ended when their event is read.

use outcrop_layers::watch::Kind;

use crate::support::{Mounted, On};

/// Makes 1,000 files, each with a program of its own.
const SCRIPT: &str = "for n in $(seq 250); do
    touch touch$n
    cp touch$n cp$n
    ln cp$n ln$n
    mkdir mkdir$n
done";

#[test]
#[ignore = "needs root: run by .ci/run"]
fn processes_that_live_for_a_moment_are_named() {
    let mounted = Mounted::new(On::Here, "", |_| {});
    let events = mounted.watch_script(SCRIPT);
    let mut named = 0;
    for event in events.iter().filter(|event| matches!(event.kind, Kind::Create { .. } | Kind::Link { .. })) {
        let path = event.path.to_string();
        let name = event.who.as_ref().and_then(|who| who.name.as_ref()).map(ToString::to_string);
        named += usize::from(name.as_deref() == Some(path.trim_end_matches(|c: char| c.is_ascii_digit())));
    }
    println!("{named} of 1000 named");
    assert!(named >= 990, "{named} of 1000");
}
