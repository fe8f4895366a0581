//! The instructions of an image, each with the layer it made.

use std::borrow::Cow;

use crate::config::ImageConfig;

/// One instruction, or a layer that no instruction tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The command as people read it: see [`readable`]. Empty when the configuration has none.
    pub created_by: String,
    /// The command as the builder wrote it.
    pub verbatim: String,
    /// When, RFC 3339, as it stands there.
    pub created: Option<String>,
    /// The builder's comment.
    pub comment: Option<String>,
    /// The layer it made; `None` when it made none.
    pub layer: Option<usize>,
    /// Whether the history says it made a layer but the image has no more of them.
    pub missing: bool,
}

/// Pairs instructions with layers, base first.
///
/// History entries that are not marked as empty take the layers in order. Builders leave out history, or parts of it: layers that
/// are left over follow without an instruction.
pub fn steps(config: &ImageConfig) -> Vec<Step> {
    let layers = config.rootfs.diff_ids.len();
    let mut next = 0;
    let mut steps: Vec<Step> = Vec::with_capacity(config.history.len().max(layers));
    for entry in &config.history {
        let makes = !entry.empty_layer;
        let layer = (makes && next < layers).then_some(next);
        next += usize::from(layer.is_some());
        let verbatim = entry.created_by.clone().unwrap_or_default();
        steps.push(Step {
            created_by: readable(&verbatim).into_owned(),
            verbatim,
            created: entry.created.clone(),
            comment: entry.comment.clone(),
            layer,
            missing: makes && layer.is_none(),
        });
    }
    steps.extend((next..layers).map(|layer| Step {
        created_by: String::new(),
        verbatim: String::new(),
        created: None,
        comment: None,
        layer: Some(layer),
        missing: false,
    }));
    steps
}

/// A builder's command as it stood in the Dockerfile, as far as that can be told.
///
/// The classic builder writes `/bin/sh -c #(nop)  CMD ["sh"]` for instructions that run nothing, and `/bin/sh -c apt-get update` for
/// `RUN`; with build arguments `|2 A=1 B=2 /bin/sh -c make`. BuildKit writes `RUN /bin/sh -c make # buildkit`. Copies of the classic
/// builder name a checksum: `COPY file:9f… in /app`.
pub fn readable(created_by: &str) -> Cow<'_, str> {
    let text = created_by.trim();
    let text = text.strip_suffix("# buildkit").map_or(text, str::trim_end);
    let (text, runs) = match text.strip_prefix("RUN ") {
        Some(rest) => (without_arguments(rest.trim_start()), true),
        None => (without_arguments(text), false),
    };
    match text.strip_prefix("/bin/sh -c") {
        Some(rest) => match rest.trim_start().strip_prefix("#(nop)") {
            Some(instruction) => Cow::Borrowed(instruction.trim_start()),
            None => Cow::Owned(format!("RUN {}", rest.trim_start())),
        },
        None if runs => Cow::Owned(format!("RUN {text}")),
        None => Cow::Borrowed(text),
    }
}

/// Strips `|2 A=1 B=2 ` in front of a command. Values may hold spaces: the shell tells where they end.
fn without_arguments(text: &str) -> &str {
    let counted = text.strip_prefix('|').and_then(|rest| rest.split_once(' '));
    match counted {
        Some((count, rest)) if count.parse::<u16>().is_ok() => {
            rest.find("/bin/sh -c").map_or(rest, |shell| &rest[shell..])
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{History, RootFs};
    use crate::digest::{DiffId, Digest};

    #[test]
    fn reads_what_builders_write() {
        for (written, read) in [
            ("", ""),
            ("/bin/sh -c #(nop)  CMD [\"bash\"]", "CMD [\"bash\"]"),
            ("/bin/sh -c #(nop) ADD file:1234 in / ", "ADD file:1234 in /"),
            ("/bin/sh -c apt-get update", "RUN apt-get update"),
            ("RUN /bin/sh -c apt-get update # buildkit", "RUN apt-get update"),
            ("RUN |1 V=1 2 /bin/sh -c make $V # buildkit", "RUN make $V"),
            ("|2 A=1 B=x y /bin/sh -c make", "RUN make"),
            ("RUN /bin/bash -o pipefail -c x # buildkit", "RUN /bin/bash -o pipefail -c x"),
            ("COPY . /src # buildkit", "COPY . /src"),
            ("bazel build ...", "bazel build ..."),
            ("|x", "|x"),
            ("| /bin/sh -c a", "| /bin/sh -c a"),
        ] {
            assert_eq!(readable(written), read, "{written:?}");
        }
    }

    #[test]
    fn pairs_layers_with_what_history_there_is() {
        let paired = |history: &str, layers: usize| {
            let history = history
                .split_whitespace()
                .map(|word| History { empty_layer: word == "-", created_by: Some(word.into()), ..History::default() })
                .collect();
            let diff_ids = vec![DiffId(Digest::of(b"")); layers];
            let rootfs = RootFs { diff_ids, ..RootFs::default() };
            let config = ImageConfig { history, rootfs, ..ImageConfig::default() };
            let show = |s: &Step| {
                let layer = s.layer.map_or(if s.missing { "?".into() } else { String::new() }, |l| l.to_string());
                format!("{}{layer}", s.created_by)
            };
            steps(&config).iter().map(show).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(paired("a - b -", 2), "a0 - b1 -");
        assert_eq!(paired("", 2), "0 1");
        assert_eq!(paired("a", 3), "a0 1 2");
        assert_eq!(paired("a b c", 1), "a0 b? c?");
        assert_eq!(paired("- -", 0), "- -");
    }
}
