//! Rules that an image must keep: dive's file and names, and dive's figures, so that a `.dive-ci` means what it meant.

use std::path::Path;

use clap::Args;
use outcrop_layers::waste::Waste;

use crate::report::units;

/// Rules on the command line.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Rules")]
pub(crate) struct Given {
    /// Efficiency must be at least this (0 to 1; dive's score)
    #[arg(long, alias = "lowestEfficiency", value_name = "RATIO")]
    lowest_efficiency: Option<String>,
    /// No more than this may be wasted (20MB)
    #[arg(long, alias = "highestWastedBytes", value_name = "SIZE")]
    highest_wasted_bytes: Option<String>,
    /// No more than this share of the bytes above the base may be wasted (0 to 1)
    #[arg(long, alias = "highestUserWastedPercent", value_name = "RATIO")]
    highest_user_wasted_percent: Option<String>,
}

/// The rules that hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rules {
    lowest_efficiency: Option<f64>,
    highest_wasted_bytes: Option<u64>,
    highest_user_wasted_percent: Option<f64>,
}

/// What became of a rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// Its name, as dive writes it.
    pub(crate) rule: &'static str,
    /// Whether it was kept.
    pub(crate) kept: bool,
    /// Figure and limit, in words.
    pub(crate) why: String,
}

impl Rules {
    /// What dive demands when nothing is said: efficiency 0.9, and a tenth of the bytes above the base.
    fn dive() -> Self {
        Self { lowest_efficiency: Some(0.9), highest_wasted_bytes: None, highest_user_wasted_percent: Some(0.1) }
    }

    /// The rules of this run: none unless they are asked for.
    pub(crate) fn find(ci: bool, file: Option<&Path>, given: &Given) -> Result<Option<Self>, String> {
        let asked = ci
            || file.is_some()
            || given.lowest_efficiency.is_some()
            || given.highest_wasted_bytes.is_some()
            || given.highest_user_wasted_percent.is_some();
        if !asked {
            return Ok(None);
        }
        let mut rules = Self::dive();
        let path = file.unwrap_or(Path::new(".dive-ci"));
        match std::fs::read_to_string(path) {
            Ok(text) => rules.read(&text).map_err(|error| format!("{}: {error}", path.display()))?,
            Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        }
        for (name, value) in [
            ("lowestEfficiency", &given.lowest_efficiency),
            ("highestWastedBytes", &given.highest_wasted_bytes),
            ("highestUserWastedPercent", &given.highest_user_wasted_percent),
        ] {
            if let Some(value) = value {
                rules.set(name, value)?;
            }
        }
        Ok(Some(rules))
    }

    /// Reads a `.dive-ci`: `rules:` and a `name: value` for each, `disabled` for none.
    fn read(&mut self, text: &str) -> Result<(), String> {
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() || line == "rules:" || line == "---" {
                continue;
            }
            let (name, value) =
                line.split_once(':').ok_or_else(|| format!("line {}: {line:?} is no `name: value`", number + 1))?;
            self.set(name.trim(), value.trim().trim_matches(['"', '\'']))
                .map_err(|error| format!("line {}: {error}", number + 1))?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let off = matches!(value, "disabled" | "off" | "false");
        let ratio = || {
            let ratio = value.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
            ratio.ok_or_else(|| format!("{name}: {value:?} is no number from 0 to 1"))
        };
        match name {
            "lowestEfficiency" => self.lowest_efficiency = if off { None } else { Some(ratio()?) },
            "highestUserWastedPercent" => self.highest_user_wasted_percent = if off { None } else { Some(ratio()?) },
            "highestWastedBytes" => {
                let size = || units::parse_size(value).ok_or_else(|| format!("{name}: {value:?} is no size like 20MB"));
                self.highest_wasted_bytes = if off { None } else { Some(size()?) };
            }
            _ => {
                return Err(format!(
                    "unknown rule {name:?}: lowestEfficiency, highestWastedBytes, highestUserWastedPercent"
                ));
            }
        }
        Ok(())
    }

    /// Measures an image by the rules.
    pub(crate) fn judge(&self, waste: &Waste) -> Vec<Verdict> {
        let dive = waste.dive;
        let mut verdicts = Vec::new();
        let mut add = |rule, kept, why: String| verdicts.push(Verdict { rule, kept, why });
        if let Some(lowest) = self.lowest_efficiency {
            add("lowestEfficiency", dive.score >= lowest, format!("{:.4}, at least {lowest}", dive.score));
        }
        if let Some(most) = self.highest_wasted_bytes {
            let words = |bytes: u64| units::human_size(bytes as f64);
            add("highestWastedBytes", dive.wasted <= most, format!("{}, at most {}", words(dive.wasted), words(most)));
        }
        if let Some(most) = self.highest_user_wasted_percent {
            add(
                "highestUserWastedPercent",
                dive.user_wasted <= most,
                format!("{:.4}, at most {most}", dive.user_wasted),
            );
        }
        verdicts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_dive_reads() {
        let mut rules = Rules::dive();
        let text = "rules:\n  # If the efficiency is measured below X%, mark as failed.\n  lowestEfficiency: 0.95\n\n  highestWastedBytes: 20MB\n  highestUserWastedPercent: disabled\n";
        assert_eq!(rules.read(text), Ok(()));
        let want = Rules {
            lowest_efficiency: Some(0.95),
            highest_wasted_bytes: Some(20_000_000),
            highest_user_wasted_percent: None,
        };
        assert_eq!(rules, want);
        for bad in ["lowestEfficiency: 2", "what: 1", "no colon", "highestWastedBytes: many"] {
            assert!(rules.read(bad).is_err(), "{bad}");
        }
    }
}
