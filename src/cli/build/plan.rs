//! Plans of builds, for people to read.

use std::io;

use bollard::Docker;
use bollard::query_parameters::ImportImageOptionsBuilder;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::cli::Failure;
use crate::report::value::Value;
use crate::report::{safe, table, units};

/// Asks for a plan: one line a Dockerfile, JSON in the same place where a build has its words.
pub(super) async fn ask(
    docker: &Docker,
    body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Result<Vec<Value>, Failure> {
    let mut answer = docker.import_image_stream(ImportImageOptionsBuilder::default().build(), body, None);
    let mut plans = Vec::new();
    while let Some(info) = answer.next().await {
        if let Some(text) = info?.stream {
            let plan = serde_json::from_str(&text);
            plans.push(plan.map_err(|error| Failure::new(format!("the engine's plan cannot be read: {error}")))?);
        }
    }
    Ok(plans)
}

/// Longest instruction that is printed, in characters.
const LONGEST: usize = 60;

/// Prints plans, one after the other.
pub(super) fn print(plans: &[Value], json: bool) -> Result<(), Failure> {
    if json {
        for plan in plans {
            safe::print(&format!("{}\n", plan.json()))?;
        }
        return Ok(());
    }
    let first = plans.first().map(|plan| plan.text("Dockerfile").to_owned()).unwrap_or_default();
    for (at, plan) in plans.iter().enumerate() {
        let name = plan.text("Dockerfile");
        let steps = plan.list("Steps");
        let rows: String = steps.iter().map(row).collect();
        let runs = steps.iter().filter(|step| !step.get("Reused").is_some_and(Value::truth)).count();
        let mut text = format!(
            "{}{}\n{}{} steps are reused, {runs} run\n",
            if at > 0 { "\n" } else { "" },
            safe::word(name),
            table::align(&rows),
            steps.len() - runs
        );
        if at > 0 {
            let shared = plan.number("Shared").unwrap_or(0);
            let of = safe::word(&first);
            text = format!("{text}the first {shared} steps are those of {of}: their layers are stored once\n");
        }
        safe::print_raw(&text)?;
    }
    Ok(())
}

fn row(step: &Value) -> String {
    let reused = step.get("Reused").is_some_and(Value::truth);
    let instruction: String = step.text("Instruction").chars().take(LONGEST).collect();
    let size = match step.number("Size") {
        Some(size) => units::short_size(size as f64),
        None => String::new(),
    };
    format!(
        "  {}/{}\t{}\t{}\t{size}\t{}\n",
        step.number("Number").unwrap_or(0),
        step.number("Of").unwrap_or(0),
        if reused { "reused" } else { "runs" },
        safe::word(&instruction),
        safe::word(step.text("Why")),
    )
}
