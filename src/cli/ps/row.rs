//! A container in one row.

use outcrop_engine::image::Reference;
use outcrop_engine::mount::quote;

use super::ports;
use crate::cli::images::{created_at, id};
use crate::report::table::shortened;
use crate::report::units;
use crate::report::value::Value;

/// All fields of a row; with `short` the long ones are cut.
pub(super) fn row(container: &Value, short: bool, now: i64) -> Value {
    let created = container.number("Created").unwrap_or(0);
    let command = container.text("Command");
    let command = if short { shortened(command, 20) } else { command.to_owned() };
    let mounts = container.list("Mounts");
    let local = mounts.iter().filter(|mount| mount.text("Driver") == "local").count();
    let mut networks: Vec<&str> = container.at("NetworkSettings.Networks").names().collect();
    networks.sort_unstable();
    Value::object([
        ("Command", quote(&command).into()),
        ("CreatedAt", created_at(created).into()),
        ("ID", id(container.text("Id"), short).into()),
        ("Image", image(container, short).into()),
        ("Labels", labels(container.map("Labels")).into()),
        ("LocalVolumes", local.to_string().into()),
        ("Mounts", mount_names(mounts, short).into()),
        ("Names", names(container, short).into()),
        ("Networks", networks.join(",").into()),
        ("Platform", platform(container)),
        ("Ports", ports::shown(container.list("Ports")).into()),
        ("RunningFor", units::ago(created, now).into()),
        ("Size", size(container).into()),
        ("State", container.text("State").into()),
        ("Status", container.text("Status").into()),
    ])
}

/// The image's name; what is cut is a digest, or an ID.
fn image(container: &Value, short: bool) -> String {
    let name = container.text("Image");
    if name.is_empty() {
        return "<no image>".into();
    }
    if !short {
        return name.to_owned();
    }
    let of_image = id(container.text("ImageID"), true);
    if !of_image.is_empty() && of_image == id(name, true) {
        return of_image;
    }
    match Reference::parse(name) {
        Ok(reference) if reference.digest().is_some() => {
            let tag = reference.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
            reference.familiar_name() + &tag
        }
        _ => name.to_owned(),
    }
}

/// `a=b,c=d`, sorted.
pub(in crate::cli) fn labels(labels: &[(String, Value)]) -> String {
    let mut all: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    all.sort();
    all.join(",")
}

fn mount_names(mounts: &[Value], short: bool) -> String {
    let name = |mount: &Value| {
        let name = if mount.text("Name").is_empty() { mount.text("Source") } else { mount.text("Name") };
        if short { shortened(name, 15) } else { name.to_owned() }
    };
    mounts.iter().map(name).collect::<Vec<_>>().join(",")
}

/// Its names without the slash; names that links gave it only when nothing is cut.
fn names(container: &Value, short: bool) -> String {
    let names: Vec<_> =
        container.list("Names").iter().map(|name| name.to_string().trim_start_matches('/').to_owned()).collect();
    match names.iter().find(|name| !name.contains('/')) {
        Some(own) if short => own.clone(),
        _ => names.join(","),
    }
}

fn platform(container: &Value) -> Value {
    match container.at("ImageManifestDescriptor.platform") {
        Value::Map(parts) => {
            let text = |key: &str| parts.iter().find(|(name, _)| name == key).map(|(_, value)| value.to_string());
            let parts: Vec<_> = ["os", "architecture", "variant"].into_iter().filter_map(text).collect();
            parts.join("/").into()
        }
        _ => Value::Null,
    }
}

fn size(container: &Value) -> String {
    let own = units::short_size(container.float("SizeRw"));
    match container.float("SizeRootFs") {
        whole if whole > 0.0 => format!("{own} (virtual {})", units::short_size(whole)),
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(text: &str) -> Value {
        serde_json::from_str(text).expect("is JSON")
    }

    #[test]
    fn cuts_as_docker() {
        let one = container(
            r#"{"Id":"508a7230c6ddea97d0ba7658982fc27248eca96472559883da653221184f32d3","Names":["/other/alias","/c1"],
            "Image":"base:1@sha256:aa7270ccdc3e4a6d4b5f1a1c5e9cb9a4f1c1a0e5d9d6a3b9c2b3a4d5e6f70812","ImageID":"sha256:00","Command":"sh -c 'echo out; echo err >&2; exec sleep 1000'",
            "Created":0,"Labels":{"b":"2","a":""},"State":"running","Status":"Up","SizeRw":1200,"SizeRootFs":1983000,
            "Mounts":[{"Name":"0123456789abcdef","Driver":"local"},{"Source":"/x","Driver":""}],
            "NetworkSettings":{"Networks":{"none":{},"a":{}}}}"#,
        );
        let row = row(&one, true, 5);
        assert_eq!(row.text("Command"), "\"sh -c 'echo out; ec…\"");
        assert_eq!(row.text("Image"), "base:1");
        assert_eq!(row.text("ID"), "508a7230c6dd");
        assert_eq!(row.text("Names"), "c1");
        assert_eq!(row.text("Labels"), "a=,b=2");
        assert_eq!(row.text("Mounts"), "0123456789abcd…,/x");
        assert_eq!(row.text("LocalVolumes"), "1");
        assert_eq!(row.text("Networks"), "a,none");
        assert_eq!(row.text("Size"), "1.2kB (virtual 1.98MB)");
        let whole = super::row(&one, false, 5);
        assert_eq!((whole.text("Names"), whole.text("Image").len()), ("other/alias,c1", 78));
    }
}
