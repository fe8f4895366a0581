//! What each way to change a file is told as.

use crate::support::{Mounted, On, short};

#[test]
#[ignore = "needs root: run by .ci/run"]
fn x() {
    let mounted = Mounted::new(On::Ext4, "", |base| {
        std::fs::write(base.join("lower2/file"), "lower\n").expect("written");
        std::fs::write(base.join("lower1/other"), "lower\n").expect("written");
    });
    let events = mounted.watch_script("echo x >> file; : > other; echo new > new");
    for e in &events { println!("{e:?}"); }
    for e in short(&events) { println!("{e}"); }
}
