//! The scripted workload: every structural fact once, with the right process, layer and bytes.

use std::process::Command;

use outcrop_layers::watch::{Event, Evidence, Options, Update};

use crate::facts::{assert_exact, expected};

use crate::support::{Mounted, On, Watching, events, run, workload};

/// How often the workload runs.
const RUNS: usize = 10;

fn watched_workload(mounted: &Mounted) -> (String, Vec<Update>) {
    let watch = Watching::start(Options::default());
    let attached = watch.attach(mounted.overlay()).expect("attaches");
    assert_eq!((attached.method, attached.notes.as_slice()), (Evidence::Fanotify, &[][..]));
    let output = Command::new(workload()).arg("run").arg(mounted.merged()).output().expect("workload");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8(output.stdout).expect("text"), watch.finished())
}

fn mounted(on: On, options: &str) -> Mounted {
    Mounted::new(on, options, |base| {
        run(workload().to_str().expect("text"), &["prepare", base.to_str().expect("text")]);
    })
}

#[test]
#[ignore = "needs root and loop devices: run by .ci/run"]
fn every_fact_of_the_workload_is_told_once() {
    for run in 1..=RUNS {
        let mounted = mounted(On::Ext4, "");
        let (output, updates) = watched_workload(&mounted);
        let expected = expected(&output);
        let facts = assert_exact(&expected, &events(&updates));
        println!("run {run}: {facts} facts");
        assert!(facts >= 10_120);
    }
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn every_fact_is_told_once_on_other_filesystems() {
    for (on, options) in [(On::Tmpfs, ""), (On::Btrfs, ""), (On::Ext4, ",redirect_dir=on"), (On::Ext4, ",index=on")] {
        let mounted = mounted(on, options);
        let (output, updates) = watched_workload(&mounted);
        let facts = assert_exact(&expected(&output), &events(&updates));
        println!("{on:?} {options}: {facts} facts");
    }
}

#[test]
#[ignore = "needs root and loop devices: run by .ci/run"]
fn ten_overlays_at_once() {
    let mounted: Vec<Mounted> = (0..10).map(|_| mounted(On::Here, "")).collect();
    let watch = Watching::start(Options::default());
    let attached: Vec<_> = mounted.iter().map(|one| watch.attach(one.overlay()).expect("attaches").overlay).collect();
    let running: Vec<_> = mounted
        .iter()
        .map(|one| {
            let mut command = Command::new(workload());
            command.arg("run").arg(one.merged()).stdout(std::process::Stdio::piped()).spawn().expect("workload")
        })
        .collect();
    let outputs: Vec<_> = running.into_iter().map(|child| child.wait_with_output().expect("waits").stdout).collect();
    let events = events(&watch.finished());
    for (overlay, output) in attached.iter().zip(outputs) {
        let of_it: Vec<Event> = events.iter().filter(|event| event.overlay == *overlay).cloned().collect();
        assert_exact(&expected(&String::from_utf8(output).expect("text")), &of_it);
    }
}
