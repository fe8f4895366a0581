//! What the screens know about images, whoever answered.

use outcrop_layers::digest::{ChainId, DiffId};
use outcrop_layers::history::readable;

/// A row of the list of images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ImageRow {
    /// `sha256:…` of the configuration.
    pub(crate) id: String,
    /// Names with tag; empty for an untagged image.
    pub(crate) tags: Vec<String>,
    /// Bytes of all its layers.
    pub(crate) size: u64,
    /// Seconds since 1970.
    pub(crate) created: i64,
    /// Containers made of it, where the engine says.
    pub(crate) containers: Option<u64>,
    /// Image it was built on in this engine, if any.
    pub(crate) parent: String,
}

impl ImageRow {
    /// The first name, or `<none>`.
    pub(crate) fn name(&self) -> &str {
        self.tags.first().map_or("<none>", String::as_str)
    }

    /// What to call it in a command: a name, or the short ID.
    pub(crate) fn reference(&self) -> String {
        self.tags.first().cloned().unwrap_or_else(|| short(&self.id).to_owned())
    }
}

/// The first twelve digits of an ID.
pub(crate) fn short(id: &str) -> &str {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    digits.get(..12).unwrap_or(digits)
}

/// One instruction of an image, base first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Which layer it made, base first from 0; none for `ENV` and its kind.
    pub(crate) layer: Option<usize>,
    /// The instruction in a Dockerfile's words.
    pub(crate) instruction: String,
    /// Bytes of the layer.
    pub(crate) size: u64,
    /// Seconds since 1970; 0 unknown.
    pub(crate) created: i64,
}

/// An image with its layers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Detail {
    pub(crate) id: String,
    /// Diff IDs, base first.
    pub(crate) layers: Vec<DiffId>,
    /// Chain IDs, base first, one for each layer.
    pub(crate) chains: Vec<ChainId>,
    /// Instructions, base first.
    pub(crate) steps: Vec<Step>,
    /// `linux/amd64`.
    pub(crate) platform: String,
    /// Whether the sizes of the steps are those of an engine; an archive does not know them before its layers are read.
    pub(crate) sized: bool,
    /// All that the engine says, indented JSON.
    pub(crate) inspect: String,
}

impl Detail {
    /// Bytes of layer `n`.
    pub(crate) fn layer_size(&self, layer: usize) -> u64 {
        self.steps.iter().find(|s| s.layer == Some(layer)).map_or(0, |s| s.size)
    }
}

/// What `docker history` says of one step, base first.
pub(crate) struct RawStep {
    pub(crate) created_by: String,
    pub(crate) size: u64,
    pub(crate) created: i64,
    /// Whether it made a layer, where that is known.
    pub(crate) made_layer: Option<bool>,
}

/// Joins history and layers. The API does not say which steps made layers: those with bytes did; of the others as many as are
/// missing, and of these the ones whose instruction can write files.
pub(crate) fn join(steps: &[RawStep], layers: usize) -> Vec<Step> {
    let sure: Vec<Option<bool>> = steps.iter().map(|s| s.made_layer.or_else(|| (s.size > 0).then_some(true))).collect();
    let mut missing = layers.saturating_sub(sure.iter().filter(|s| **s == Some(true)).count());
    let mut makes: Vec<bool> = sure.iter().map(|s| *s == Some(true)).collect();
    for writes in [true, false] {
        for (at, step) in steps.iter().enumerate() {
            if missing > 0 && sure[at].is_none() && !makes[at] && can_write(&instruction(&step.created_by)) == writes {
                makes[at] = true;
                missing -= 1;
            }
        }
    }
    let mut next = 0;
    let mut out: Vec<Step> = steps
        .iter()
        .zip(makes)
        .map(|(step, makes)| {
            let layer = (makes && next < layers).then_some(next);
            next += usize::from(layer.is_some());
            Step { layer, instruction: instruction(&step.created_by), size: step.size, created: step.created }
        })
        .collect();
    // Layers without any history: images of other builders have no words for them.
    out.extend((next..layers).map(|layer| Step {
        layer: Some(layer),
        instruction: String::new(),
        size: 0,
        created: 0,
    }));
    out
}

fn can_write(instruction: &str) -> bool {
    let word = instruction.split_whitespace().next().unwrap_or("");
    !matches!(
        word,
        "ENV"
            | "LABEL"
            | "CMD"
            | "ENTRYPOINT"
            | "EXPOSE"
            | "USER"
            | "VOLUME"
            | "STOPSIGNAL"
            | "ARG"
            | "HEALTHCHECK"
            | "ONBUILD"
            | "MAINTAINER"
            | "SHELL"
            | "WORKDIR"
    )
}

/// What made a step: its command, or what its maker said of it where it had none, as an import.
pub(crate) fn maker(created_by: &str, comment: &str) -> String {
    let said = if created_by.trim().is_empty() { comment } else { created_by };
    said.to_owned()
}

/// What was written in the Dockerfile, as far as `created_by` of the classic builder or BuildKit tells.
pub(crate) fn instruction(created_by: &str) -> String {
    copied(&readable(created_by))
}

/// Takes the checksums out of the classic builder's `COPY file:0123… in /x`.
fn copied(text: &str) -> String {
    let Some((word, rest)) = text.split_once(' ') else { return text.to_owned() };
    if !matches!(word, "COPY" | "ADD") {
        return text.to_owned();
    }
    let Some((from, to)) = rest.split_once(" in ") else { return text.to_owned() };
    let what = match from.split_once(':').map(|(kind, _)| kind) {
        Some("file") => "file",
        Some("dir") => "folder",
        Some("multi") => "files",
        _ => return text.to_owned(),
    };
    format!("{word} ({what}) {}", to.trim())
}

/// Splits `name:tag`; a colon before the last slash belongs to a registry's port.
pub(crate) fn split_tag(text: &str) -> (&str, &str) {
    match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (text, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_known_by_its_comment() {
        assert_eq!(maker(" ", "Imported from -"), "Imported from -");
        assert_eq!(maker("RUN x", "buildkit.dockerfile.v0"), "RUN x");
    }

    #[test]
    fn instructions_read_as_in_the_dockerfile() {
        let hash = "0".repeat(64);
        let copy = format!("/bin/sh -c #(nop) COPY dir:{hash} in /opt/source-code ");
        let table = [
            ("/bin/sh -c #(nop)  ENTRYPOINT [\"/bin/sh\"]", "ENTRYPOINT [\"/bin/sh\"]"),
            ("/bin/sh -c apt-get update && x", "RUN apt-get update && x"),
            ("RUN /bin/sh -c apt-get update # buildkit", "RUN apt-get update"),
            ("|1 A=b /bin/sh -c make", "RUN make"),
            ("RUN |1 A=b /bin/sh -c make # buildkit", "RUN make"),
            (copy.as_str(), "COPY (folder) /opt/source-code"),
            ("COPY . /opt # buildkit", "COPY . /opt"),
            ("", ""),
        ];
        for (from, to) in table {
            assert_eq!(instruction(from), to);
        }
    }

    fn raw(created_by: &str, size: u64) -> RawStep {
        RawStep { created_by: created_by.into(), size, created: 0, made_layer: None }
    }

    #[test]
    fn layers_go_to_the_steps_that_can_write() {
        let steps = [raw("ADD x /", 9), raw("ENV A=b", 0), raw("RUN true", 0), raw("COPY . /", 3), raw("CMD x", 0)];
        let layers: Vec<_> = join(&steps, 3).iter().map(|s| s.layer).collect();
        assert_eq!(layers, [Some(0), None, Some(1), Some(2), None]);
        let layers: Vec<_> = join(&steps, 2).iter().map(|s| s.layer).collect();
        assert_eq!(layers, [Some(0), None, None, Some(1), None]);
        assert_eq!(join(&[], 2).len(), 2);
        assert_eq!(join(&steps, 0).iter().filter(|s| s.layer.is_some()).count(), 0);
    }

    #[test]
    fn splits_names() {
        assert_eq!(split_tag("app:v1"), ("app", "v1"));
        assert_eq!(split_tag("app"), ("app", "latest"));
        assert_eq!(split_tag("host:5000/app"), ("host:5000/app", "latest"));
    }
}
