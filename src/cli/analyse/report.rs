//! What was found out, as text and as JSON.

use std::fmt::Write as _;

use outcrop_layers::advice::advice;
use outcrop_layers::source::LayerSource;
use outcrop_layers::tree::{NodeId, Tree};
use outcrop_layers::waste::Waste;
use serde_json::{Value, json};

use super::rules::Verdict;
use crate::report::{table, units};

/// An analysed image.
pub(super) struct Report<'a> {
    pub(super) name: &'a str,
    pub(super) source: &'a dyn LayerSource,
    pub(super) tree: &'a Tree,
    pub(super) waste: &'a Waste,
    pub(super) verdicts: &'a [Verdict],
    pub(super) top: usize,
}

fn size(bytes: u64) -> String {
    units::human_size(bytes as f64)
}

/// The first line of a command, not too long.
fn command(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().replace('\t', " ");
    if line.chars().count() <= 70 { line } else { line.chars().take(69).chain(['…']).collect() }
}

impl Report<'_> {
    fn path(&self, node: NodeId) -> String {
        format!("/{}", String::from_utf8_lossy(&self.tree.path(node)).replace(['\t', '\n'], "?"))
    }

    /// For people. Lines are made safe by whoever prints them.
    pub(super) fn text(&self) -> String {
        let waste = self.waste;
        let mut out = format!("{}: {} layers, {}\n", self.name, self.tree.layers(), size(waste.total));
        let percent = waste.efficiency() * 100.0;
        let _ = writeln!(
            out,
            "efficiency {percent:.1} %, {} wasted (dive: score {:.1} %, {})\n",
            size(waste.wasted),
            waste.dive.score * 100.0,
            size(waste.dive.wasted)
        );
        let mut layers = "LAYER\tSIZE\tOF IT WASTED\tWASTES BELOW\tCREATED BY\n".to_owned();
        let sums = waste.by_layer(self.tree.layers());
        for (number, info) in self.source.layers().iter().enumerate() {
            let (here, below) = sums[number];
            let bytes = self.tree.layer(number).bytes();
            let _ = writeln!(
                layers,
                "{}\t{}\t{}\t{}\t{}",
                number + 1,
                size(bytes),
                size(here),
                size(below),
                command(&info.created_by)
            );
        }
        out += &table::align_with(&layers, 4, 3);
        if !waste.items.is_empty() {
            let mut items = "WASTED\tCAUSE\tSTORED IN\tBY\tPATH\n".to_owned();
            for item in waste.items.iter().take(self.top) {
                let guess = if item.is_guess() { " (likely)" } else { "" };
                let _ = writeln!(
                    items,
                    "{}\t{}{guess}\t{}\t{}\t{}",
                    size(item.bytes),
                    item.cause,
                    item.layer + 1,
                    item.by + 1,
                    self.path(item.node)
                );
            }
            let _ = write!(out, "\n{}", table::align_with(&items, 4, 3));
            if waste.items.len() > self.top {
                let _ = writeln!(out, "and {} more: --top {}", waste.items.len() - self.top, waste.items.len());
            }
        }
        let advice = self.advice();
        if !advice.is_empty() {
            out += "\n";
            for (bytes, text) in advice {
                let _ = writeln!(out, "- {text} [{}]", size(bytes));
            }
        }
        if !self.verdicts.is_empty() {
            out += "\n";
        }
        for verdict in self.verdicts {
            let _ = writeln!(out, "{} {}: {}", if verdict.kept { "PASS" } else { "FAIL" }, verdict.rule, verdict.why);
        }
        out
    }

    fn advice(&self) -> Vec<(u64, String)> {
        let layers = self.source.layers();
        advice(self.tree, self.waste).iter().map(|one| (one.bytes, one.text(self.tree, layers, &size))).collect()
    }

    /// For programs.
    pub(super) fn json(&self) -> String {
        let waste = self.waste;
        let sums = waste.by_layer(self.tree.layers());
        let layers: Vec<Value> = self.source.layers().iter().enumerate().map(|(number, info)| {
            json!({
                "layer": number + 1, "diffId": info.diff_id, "chainId": info.chain_id, "createdBy": info.created_by,
                "sizeBytes": self.tree.layer(number).bytes(), "wastedBytes": sums[number].0, "wastesBelowBytes": sums[number].1,
            })
        }).collect();
        let items: Vec<Value> = waste
            .items
            .iter()
            .map(|item| {
                json!({
                    "path": self.path(item.node), "bytes": item.bytes, "cause": item.cause.to_string(),
                    "storedIn": item.layer + 1, "by": item.by + 1, "guess": item.is_guess(),
                })
            })
            .collect();
        let document = json!({
            "image": self.name,
            "sizeBytes": waste.total, "aliveBytes": waste.alive, "wastedBytes": waste.wasted, "efficiency": waste.efficiency(),
            "dive": {"efficiencyScore": waste.dive.score, "inefficientBytes": waste.dive.wasted, "userWastedPercent": waste.dive.user_wasted},
            "layers": layers,
            "wasted": items,
            "advice": self.advice().into_iter().map(|(bytes, text)| json!({"bytes": bytes, "text": text})).collect::<Vec<_>>(),
            "rules": self.verdicts.iter().map(|v| json!({"rule": v.rule, "passed": v.kept, "detail": v.why})).collect::<Vec<_>>(),
        });
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }
}
