//! Sums of a watch, as text and as JSON.

use std::collections::HashMap;
use std::fmt::Write as _;

use outcrop_layers::watch::{Adviser, Attached, Bytes, Counts, Totals};
use serde_json::{Value, json};

use super::show::path;
use crate::report::{safe, table, units};

/// Files that are listed.
const FILES: usize = 10;

fn size(bytes: u64) -> String {
    units::human_size(bytes as f64)
}

fn times(bytes: Bytes) -> String {
    bytes.amplification().map_or_else(|| "-".into(), |times| format!("{times:.1} x"))
}

fn kinds(counts: &Counts) -> [(&'static str, u64); 9] {
    [
        ("copied up", counts.copy_ups),
        ("new", counts.creates),
        ("written", counts.writes),
        ("with other attributes", counts.attributes),
        ("whited out", counts.whiteouts),
        ("removed", counts.deletes),
        ("made opaque", counts.opaques),
        ("renamed", counts.renames),
        ("linked", counts.links),
    ]
}

/// What copying cost and what it was for.
fn cost(bytes: Bytes) -> String {
    match bytes {
        Bytes { copied: 0, written: 0 } => "nothing was copied up\n".into(),
        Bytes { copied: 0, written } => format!("nothing was copied up, {} were written\n", size(written)),
        Bytes { copied, written: 0 } => format!("{} copied up to change nothing\n", size(copied)),
        Bytes { copied, written } => {
            format!("{} copied up to change {}: {}\n", size(copied), size(written), times(bytes))
        }
    }
}

/// A column that says whose layer or file a line is about, where there are several overlays.
struct Whose<'a>(&'a HashMap<u32, Attached>);

impl Whose<'_> {
    fn title(&self) -> &'static str {
        if self.0.len() > 1 { "OVERLAY\t" } else { "" }
    }

    fn name(&self, overlay: u32) -> String {
        let known = self.0.get(&overlay).map_or("?", |known| known.name.as_str());
        if self.0.len() > 1 { format!("{}\t", safe::word(known)) } else { String::new() }
    }
}

/// For people.
pub(super) fn text(totals: &Totals, adviser: &Adviser, overlays: &HashMap<u32, Attached>) -> String {
    let bytes = totals.bytes;
    let mut out = cost(bytes);
    let counts: Vec<_> =
        kinds(&totals.counts).iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} {word}")).collect();
    let _ = writeln!(out, "{}", counts.join(", "));
    if totals.counts.found_by_scan > 0 {
        let _ = writeln!(
            out,
            "{} of these were not reported, but found by reading the directory",
            totals.counts.found_by_scan
        );
    }
    let mut layers: Vec<_> = totals.layers.iter().collect();
    layers.sort_by_key(|(key, _)| **key);
    let whose = Whose(overlays);
    let mut rows = format!("\n{}LAYER\tFILES COPIED\tBYTES\tCREATED BY\n", whose.title());
    for ((overlay, layer), sums) in &layers {
        let lower = overlays.get(overlay).and_then(|overlay| overlay.lowers.get(*layer));
        let made =
            lower.and_then(|lower| lower.created_by.as_deref()).unwrap_or_default().lines().next().unwrap_or_default();
        let (copied, made) = (size(sums.copied), safe::word(made));
        let _ = writeln!(rows, "{}{}\t{}\t{copied}\t{made}", whose.name(*overlay), layer + 1, sums.copy_ups);
    }
    push(&mut out, &rows, layers.len());
    let mut processes: Vec<_> = totals.processes.iter().collect();
    processes
        .sort_by(|(a, one), (b, other)| (other.bytes.copied, other.events, a).cmp(&(one.bytes.copied, one.events, b)));
    let mut rows = "\nPROCESS\tEVENTS\tCOPIED\tCHANGED\tTIMES\n".to_owned();
    for (name, sums) in &processes {
        let name = name.as_ref().map_or_else(|| "(unknown)".into(), |name| safe::word(&name.text()).into_owned());
        let (copied, written) = (size(sums.bytes.copied), size(sums.bytes.written));
        let _ = writeln!(rows, "{name}\t{}\t{copied}\t{written}\t{}", sums.events, times(sums.bytes));
    }
    push(&mut out, &rows, processes.len());
    let mut rows = format!("\n{}FILE\tCOPIED\tCHANGED\tTIMES\n", whose.title());
    let top = totals.top(FILES);
    for ((overlay, file), sums) in &top {
        let (copied, written) = (size(sums.bytes.copied), size(sums.bytes.written));
        let (whose, file) = (whose.name(*overlay), path(&file.text()));
        let _ = writeln!(rows, "{whose}{file}\t{copied}\t{written}\t{}", times(sums.bytes));
    }
    push(&mut out, &rows, top.len());
    let advice = adviser.advice();
    if !advice.is_empty() {
        out += "\nADVICE\n";
        for one in advice {
            let _ = writeln!(out, "{}", safe::word(&one.text(&size)));
        }
    }
    out
}

fn push(out: &mut String, rows: &str, lines: usize) {
    if lines > 0 {
        let rows = rows.strip_prefix('\n').unwrap_or(rows);
        let _ = write!(out, "\n{}", table::align(rows));
    }
}

/// For programs: one object.
pub(super) fn json(totals: &Totals, adviser: &Adviser, overlays: &HashMap<u32, Attached>, agrees: bool) -> String {
    let name = |overlay: &u32| overlays.get(overlay).map_or("", |overlay| overlay.name.as_str());
    let layers: Vec<Value> = totals
        .layers
        .iter()
        .map(|((overlay, layer), sums)| json!({ "overlay": name(overlay), "layer": layer, "copyUps": sums.copy_ups, "copied": sums.copied }))
        .collect();
    let processes: Vec<Value> = totals
        .processes
        .iter()
        .map(|(name, sums)| json!({ "name": name, "events": sums.events, "bytes": sums.bytes }))
        .collect();
    let files: Vec<Value> = totals
        .top(FILES)
        .iter()
        .map(|((overlay, file), sums)| json!({ "overlay": name(overlay), "path": file, "bytes": sums.bytes, "copyUps": sums.copy_ups, "writes": sums.writes }))
        .collect();
    let advice: Vec<String> = adviser.advice().iter().map(|one| one.text(&size)).collect();
    let all = json!({
        "counts": totals.counts,
        "bytes": totals.bytes,
        "amplification": totals.bytes.amplification(),
        "layers": layers,
        "processes": processes,
        "files": files,
        "advice": advice,
        "agreesWithUpperDirectory": agrees,
    });
    format!("{all}\n")
}
