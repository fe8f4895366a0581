//! `outcrop system df`.

use std::process::ExitCode;

use clap::Args;

use super::images::id;
use super::{Failure, Session};
use crate::report::format::Columns;
use crate::report::value::Value;
use crate::report::{safe, table, units};

/// Show what takes how much room
#[derive(Args)]
#[command(after_help = "Examples:
  outcrop system df
  outcrop system df -v
  outcrop system df --format '{{.Type}} {{.Reclaimable}}'")]
pub(crate) struct Df {
    /// Print with a template: table, table TEMPLATE, TEMPLATE, or json
    #[arg(long, value_name = "FORMAT", default_value = "")]
    format: String,
    /// Every image, container and volume
    #[arg(short, long)]
    verbose: bool,
}

const COLUMNS: Columns = Columns {
    all: &[
        ("Active", "ACTIVE"),
        ("Reclaimable", "RECLAIMABLE"),
        ("Size", "SIZE"),
        ("TotalCount", "TOTAL"),
        ("Type", "TYPE"),
    ],
    table: &["Type", "TotalCount", "Active", "Size", "Reclaimable"],
};

impl Df {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let connection = session.connect().await?;
        // Since 1.52 the answer looks different: the older one is asked for, or what the engine has.
        let version = connection.get("/version").await?;
        let newest = |text: &str| text.strip_prefix("1.").and_then(|minor| minor.parse::<u16>().ok());
        let minor = newest(version.text("ApiVersion")).unwrap_or(41).min(47);
        let usage = connection.get(&format!("/v1.{minor}/system/df")).await?;
        let text = match (self.verbose, self.format.as_str()) {
            (true, "") => verbose(&usage, units::now()),
            (true, _) => crate::report::format::one(&self.format, usage)?,
            (false, format) => COLUMNS.render(format, summary(&usage))?,
        };
        safe::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn row(kind: &str, total: usize, active: usize, size: i64, reclaimable: i64, percent: bool) -> Value {
    let free = units::human_size(reclaimable.max(0) as f64);
    let free = if percent && size > 0 { format!("{free} ({}%)", reclaimable * 100 / size) } else { free };
    Value::object([
        ("Active", active.to_string().into()),
        ("Reclaimable", free.into()),
        ("Size", units::human_size(size as f64).into()),
        ("TotalCount", total.to_string().into()),
        ("Type", kind.into()),
    ])
}

fn number(value: &Value, key: &str) -> i64 {
    value.number(key).unwrap_or(0)
}

fn alive(container: &Value) -> bool {
    ["running", "paused", "restarting"].iter().any(|state| container.text("State").contains(state))
}

/// The four rows, counted as Docker does.
fn summary(usage: &Value) -> Vec<Value> {
    let images = usage.list("Images");
    let layers = number(usage, "LayersSize");
    let used = images.iter().filter(|image| number(image, "Containers") > 0);
    let held: i64 = used
        .clone()
        .filter(|image| number(image, "Size") != -1 && number(image, "SharedSize") != -1)
        .map(|image| number(image, "Size") - number(image, "SharedSize"))
        .sum();
    let containers = usage.list("Containers");
    let sizes =
        |alive_too: bool| containers.iter().filter(move |c| alive_too || !alive(c)).map(|c| number(c, "SizeRw")).sum();
    let volumes = usage.list("Volumes");
    let data = |volume: &Value| volume.get("UsageData").cloned().unwrap_or_default();
    let volume_size = |all: bool| {
        let sizes = volumes.iter().map(data).filter(|data| all || number(data, "RefCount") == 0);
        sizes.map(|data| number(&data, "Size")).filter(|size| *size != -1).sum()
    };
    let cache = usage.list("BuildCache");
    let truth = |item: &Value, key: &str| item.get(key).is_some_and(Value::truth);
    let cache_size = |free: bool| {
        let counted = cache.iter().filter(|item| !(truth(item, "Shared") || free && truth(item, "InUse")));
        counted.map(|item| number(item, "Size")).sum()
    };
    vec![
        row("Images", images.len(), used.count(), layers, layers - held, true),
        row(
            "Containers",
            containers.len(),
            containers.iter().filter(|c| alive(c)).count(),
            sizes(true),
            sizes(false),
            true,
        ),
        row(
            "Local Volumes",
            volumes.len(),
            volumes.iter().filter(|v| number(&data(v), "RefCount") > 0).count(),
            volume_size(true),
            volume_size(false),
            true,
        ),
        row(
            "Build Cache",
            cache.len(),
            cache.iter().filter(|item| truth(item, "InUse")).count(),
            cache_size(false),
            cache_size(true),
            false,
        ),
    ]
}

/// Everything, in tables.
fn verbose(usage: &Value, now: i64) -> String {
    let mut images = "REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\tSHARED SIZE\tUNIQUE SIZE\tCONTAINERS\n".to_owned();
    for image in usage.list("Images") {
        let (size, shared) = (number(image, "Size"), number(image, "SharedSize"));
        let name = image.list("RepoTags").first().map(ToString::to_string);
        let name = name.as_deref().and_then(|name| name.rsplit_once(':')).unwrap_or(("<none>", "<none>"));
        images += &line(&[
            name.0,
            name.1,
            &id(image.text("Id"), true),
            &units::ago(number(image, "Created"), now),
            &units::short_size(size as f64),
            &units::human_size(shared.max(0) as f64),
            &units::human_size((size - shared.max(0)) as f64),
            &number(image, "Containers").to_string(),
        ]);
    }
    let mut containers = "CONTAINER ID\tIMAGE\tCOMMAND\tLOCAL VOLUMES\tSIZE\tCREATED\tSTATUS\tNAMES\n".to_owned();
    for container in usage.list("Containers") {
        let local = container.list("Mounts").iter().filter(|mount| mount.text("Driver") == "local").count();
        let names: Vec<_> =
            container.list("Names").iter().map(|name| name.to_string().trim_start_matches('/').to_owned()).collect();
        containers += &line(&[
            &id(container.text("Id"), true),
            container.text("Image"),
            &format!("{:?}", table::shortened(container.text("Command"), 20)),
            &local.to_string(),
            &units::short_size(number(container, "SizeRw") as f64),
            &units::ago(number(container, "Created"), now),
            container.text("Status"),
            &names.join(","),
        ]);
    }
    let mut volumes = "VOLUME NAME\tLINKS\tSIZE\n".to_owned();
    for volume in usage.list("Volumes") {
        let data = volume.get("UsageData").cloned().unwrap_or_default();
        let size = units::human_size(number(&data, "Size").max(0) as f64);
        volumes += &line(&[volume.text("Name"), &number(&data, "RefCount").to_string(), &size]);
    }
    let cache: i64 = usage.list("BuildCache").iter().map(|item| number(item, "Size")).sum();
    format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}\nBuild cache usage: {}\n\nCACHE ID   CACHE TYPE   SIZE      CREATED   LAST USED   USAGE     SHARED\n",
        table::align(&images),
        table::align(&containers),
        table::align(&volumes),
        units::human_size(cache as f64)
    )
}

fn line(cells: &[&str]) -> String {
    let cells: Vec<_> =
        cells.iter().map(|cell| if safe::on_terminal() { safe::word(cell) } else { (*cell).into() }).collect();
    cells.join("\t") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_docker() {
        let usage = r#"{"LayersSize":1000,"Images":[{"Size":700,"SharedSize":300,"Containers":1},{"Size":300,"SharedSize":300,"Containers":0}],
            "Containers":[{"State":"exited","SizeRw":5},{"State":"running","SizeRw":7}],
            "Volumes":[{"UsageData":{"RefCount":0,"Size":10}},{"UsageData":{"RefCount":1,"Size":30}}],"BuildCache":null}"#;
        let usage = serde_json::from_str(usage).expect("is JSON");
        let text = COLUMNS.render("{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}} {{.Reclaimable}}", summary(&usage));
        let want = "Images 2 1 1kB 600B (60%)\nContainers 2 1 12B 5B (41%)\nLocal Volumes 2 1 40B 10B (25%)\nBuild Cache 0 0 0B 0B\n";
        assert_eq!(text.as_deref(), Ok(want));
    }
}
