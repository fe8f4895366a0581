//! What is inside an image: its tree, and where its files are read from.

use std::sync::Arc;

use outcrop_layers::advice::{Advice, advice};
use outcrop_layers::source::{LayerInfo, LayerSource};
use outcrop_layers::tree::Tree;
use outcrop_layers::view::View;
use outcrop_layers::waste::Waste;

/// An image whose layers were read.
pub(crate) struct Content {
    /// The image's ID.
    pub(crate) image: String,
    pub(crate) tree: Tree,
    pub(crate) waste: Waste,
    /// Bytes wasted in each layer, and wasted by it in lower ones.
    pub(crate) waste_by_layer: Vec<(u64, u64)>,
    pub(crate) layers: Vec<LayerInfo>,
    /// What would save the most, first.
    pub(crate) advice: Vec<Advice>,
    /// Layers that could not be read, and why.
    pub(crate) problems: Vec<String>,
    pub(crate) source: Arc<dyn LayerSource>,
}

impl Content {
    pub(crate) fn new(image: String, tree: Tree, source: Arc<dyn LayerSource>, problems: Vec<String>) -> Self {
        let waste = Waste::of(&tree);
        let waste_by_layer = waste.by_layer(tree.layers());
        let layers = source.layers().to_vec();
        let advice = advice(&tree, &waste);
        Self { image, tree, waste, waste_by_layer, layers, advice, problems, source }
    }

    /// Added, changed and removed paths of a layer.
    pub(crate) fn counts(&self, layer: usize) -> (u64, u64, u64) {
        if layer >= self.tree.layers() {
            return (0, 0, 0);
        }
        let totals = self.tree.totals(self.tree.root(), View::Layer(layer));
        (totals.added, totals.changed, totals.removed)
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({}, {} paths)", self.image, self.tree.len())
    }
}

/// How an image's files can be had.
#[derive(Clone, Debug, Default)]
pub(crate) enum Reading {
    /// Not asked for yet.
    #[default]
    Not,
    /// Only by having the engine export the whole image, which takes a while: the user decides. The text says why.
    NeedsExport(String),
    /// A job reads them.
    Running,
    Ready(Arc<Content>),
    Failed(String),
}
