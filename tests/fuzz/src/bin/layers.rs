//! Three tars from one input, as an image: what the tree and the waste say must add up.
#![no_main]
use std::sync::Arc;

use outcrop_layers::index::{IndexBuilder, LayerIndex};
use outcrop_layers::tar::{LayerItem, TarReader};
use outcrop_layers::tree::Tree;
use outcrop_layers::view::View;
use outcrop_layers::waste::Waste;

fn index(tar: &[u8]) -> Option<LayerIndex> {
    let mut reader = TarReader::new(tar);
    let mut builder = IndexBuilder::new();
    while let Some(entry) = reader.next().ok()? {
        match entry.header.clone().layer_item().ok()? {
            Some(LayerItem::Entry(entry)) => builder.entry(&entry).ok()?,
            Some(LayerItem::Opaque { directory }) => builder.opaque(&directory).ok()?,
            None => {}
        }
    }
    Some(builder.finish())
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let third = data.len() / 3 / 512 * 512;
    let layers: Vec<_> = [&data[..third], &data[third..2 * third], &data[2 * third..]].into_iter().filter_map(index).map(Arc::new).collect();
    let tree = Tree::build(&layers);
    for node in tree.nodes() {
        tree.seen(node, View::Whole);
        tree.totals(node, View::UpTo(layers.len().saturating_sub(1)));
        assert_eq!(tree.find(&tree.path(node)), Some(node));
    }
    let waste = Waste::of(&tree);
    assert!((0.0..=1.0).contains(&waste.efficiency()), "{}", waste.efficiency());
});
