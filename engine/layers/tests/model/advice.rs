//! What is advised for typical mistakes.

use outcrop_layers::advice::advice;
use outcrop_layers::config::{History, ImageConfig, RootFs};
use outcrop_layers::digest::{DiffId, Digest};
use outcrop_layers::source::LayerInfo;
use outcrop_layers::tree::Tree;
use outcrop_layers::waste::Waste;

use crate::text::layer;

/// What is advised for layers, each `INSTRUCTION | WORDS`.
fn advised(lines: &[&str]) -> Vec<String> {
    let (instructions, words): (Vec<&str>, Vec<&str>) =
        lines.iter().map(|line| line.split_once(" | ").expect("instruction | words")).unzip();
    let history = instructions
        .iter()
        .map(|text| History { created_by: Some((*text).to_owned()), ..History::default() })
        .collect();
    let rootfs = RootFs { diff_ids: vec![DiffId(Digest::of(b"")); lines.len()], ..RootFs::default() };
    let layers = LayerInfo::of(&ImageConfig { history, rootfs, ..ImageConfig::default() });
    let tree = Tree::build(&words.into_iter().map(layer).collect::<Vec<_>>());
    let size = |bytes: u64| format!("{} MB", bytes / 1_000_000);
    advice(&tree, &Waste::of(&tree)).iter().map(|a| a.text(&tree, &layers, &size)).collect()
}

#[test]
fn advice_names_layers_bytes_and_what_to_write() {
    let base = "ADD file:1 in / | bin/sh=1000000@1 etc/ usr/ usr/lib/ usr/lib/x=5000000@1";
    let table: [(&[&str], &str); 10] = [
        (
            &[
                base,
                "COPY . /app | app/ app/a=20000000@1 app/b=11000000@1",
                "RUN chown -R 5 /app | app/^5 app/a=20000000@1^5 app/b=11000000@1^5",
            ],
            "`chown` in layer 3 copied 31 MB (2 files below /app) to change no content; use `COPY --chown` in layer 2",
        ),
        (
            &[base, "RUN make | app/a=20000000@1", "RUN chmod +x /app/a | app/a=20000000@1*755"],
            "`chmod` in layer 3 copied 20 MB (/app/a) to change no content; do it in the instruction of layer 2, which makes them",
        ),
        (
            &[
                base,
                "RUN apt-get update | var/lib/apt/lists/a=41000000",
                "RUN rm -rf /var/lib/apt/lists/* | -var/lib/apt/lists/a",
            ],
            "apt lists (41 MB) are removed in layer 3, later than layer 2 made them, so they stay in the image: remove them in the same \
             RUN, or keep them out with --mount=type=cache",
        ),
        (
            &[base, "RUN apt-get update | var/lib/apt/lists/a=41000000"],
            "apt lists (41 MB in /var/lib/apt/lists) are left in the image: remove them in the RUN that makes them, layer 2",
        ),
        (
            &[base, "RUN rm -rf /usr/lib | -usr/lib"],
            "layer 2 removes 5 MB (1 file below /usr/lib) that the base stores: that frees nothing; choose a base without them",
        ),
        (
            &[base, "RUN curl -O x.tgz | x.tgz=9000000", "RUN rm x.tgz | -x.tgz"],
            "layer 3 removes 9 MB (/x.tgz) that layer 2 stores: they stay in the image; remove them in the instruction \
             that makes them, or make them in a build stage and copy only what is needed",
        ),
        (
            &[base, "RUN apt-get upgrade -y | usr/lib/x=6000000@2"],
            "the upgrade in layer 2 replaces 5 MB (/usr/lib/x) of layer 1: use a newer base image",
        ),
        (
            &[base, "RUN make | app/a=9000000", "RUN make again | app/a=9000001"],
            "layer 3 writes 9 MB (/app/a) again that layer 2 wrote: write them once, in one instruction",
        ),
        (
            &[base, "COPY . /app | app/a=9000000@1", "COPY . /app | app/a=9000000@1"],
            "layer 3 stores 9 MB (/app/a) of layer 2 again unchanged: copy only what is new, with a narrower COPY or a \
             .dockerignore",
        ),
        (
            &[base, "COPY . /app | app/ app/a=9000000@1", "RUN rm -r /app; mkdir /app | app/! app/c=1"],
            "layer 3 replaces /app as a whole and hides 9 MB of layer 2: make it right in one instruction",
        ),
    ];
    for (layers, expected) in table {
        assert_eq!(advised(layers), [expected]);
    }
    assert_eq!(advised(&[base, "COPY . /x | x=1000", "RUN rm /x | -x"]), Vec::<String>::new());
}
