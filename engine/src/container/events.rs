//! Telling followers what happens to containers.

use std::collections::BTreeMap;
use std::path::Path;

use super::Containers;
use super::record::Record;
use crate::events::Events;

/// Notes that `action` happened to a container, with Docker's attributes: image, name, labels and `more`.
pub(crate) fn note(root: &Path, action: &str, record: &Record, more: &[(&str, &str)]) {
    let mut attributes: BTreeMap<String, String> = record.config.labels.clone().unwrap_or_default();
    attributes.insert("image".into(), record.config.image.clone());
    attributes.insert("name".into(), record.plain_name().into());
    attributes.extend(more.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())));
    Events::new(root.join("outcrop/events.log"), true).log("container", action, &record.id, attributes);
}

/// Notes that a container's volumes were mounted or unmounted.
pub(crate) fn note_volumes(root: &Path, action: &str, record: &Record) {
    let events = Events::new(root.join("outcrop/events.log"), true);
    for point in record.mount_points.values().filter(|point| point.kind == "volume" && !point.name.is_empty()) {
        let mut attributes = vec![("container", record.id.as_str()), ("driver", &point.driver)];
        if action == "mount" {
            let access = if point.rw { "true" } else { "false" };
            let place = [("destination", point.destination.as_str()), ("propagation", &point.propagation)];
            attributes.extend(place.into_iter().chain([("read/write", access)]));
        }
        let attributes = attributes.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        events.log("volume", action, &point.name, attributes);
    }
}

impl Containers {
    /// Notes that `action` happened to a container.
    pub(crate) fn note(&self, record: &Record, action: &str, more: &[(&str, &str)]) {
        note(self.root(), action, record, more);
    }
}
