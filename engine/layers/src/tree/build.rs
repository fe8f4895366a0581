//! Builds the tree: one pass over each layer, then one over the paths.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;

use super::compare::compare;
use super::{Node, NodeId, Tree, totals};
use crate::index::{FileType, LayerIndex, NONE};
use crate::version::{Change, Differs, Evidence, Version};

/// A path while layers are put on top of each other; numbered as they are found.
#[derive(Clone, Copy)]
struct Growing {
    parent: u32,
    first_child: u32,
    next_sibling: u32,
    named: (u32, u32),
    /// Its last version that is no removal, as a position among all versions; [`NONE`]: not there.
    alive: u32,
    /// One more than the last layer that names it or something in it.
    touched: u32,
}

struct Builder<'a> {
    layers: &'a [Arc<LayerIndex>],
    nodes: Vec<Growing>,
    versions: Vec<(u32, Version)>,
    table: HashTable<u32>,
    hasher: RandomState,
    /// What an opaque folder of this layer hides, unless the layer has it itself.
    hidden: Vec<u32>,
}

impl Tree {
    /// Puts layers on top of each other, base first.
    ///
    /// A layer that could not be read is given as an empty index: the others still make a tree.
    pub fn build(layers: &[Arc<LayerIndex>]) -> Self {
        let root =
            Growing { parent: 0, first_child: NONE, next_sibling: NONE, named: (NONE, 0), alive: NONE, touched: 0 };
        let most = layers.iter().map(|l| l.records().len()).max().unwrap_or_default();
        let mut builder = Builder {
            layers,
            nodes: Vec::with_capacity(most + 1),
            versions: Vec::with_capacity(most),
            table: HashTable::with_capacity(most),
            hasher: RandomState::new(),
            hidden: Vec::new(),
        };
        builder.nodes.push(root);
        let mut map = Vec::new();
        for layer in 0..layers.len() as u32 {
            builder.add(layer, &mut map);
        }
        builder.finish()
    }
}

impl Builder<'_> {
    /// Puts one layer on top. `map` tells the node of each of its records.
    fn add(&mut self, layer: u32, map: &mut Vec<u32>) {
        let index = Arc::clone(&self.layers[layer as usize]);
        map.clear();
        map.resize(index.records().len(), NONE);
        let mut covered = 0;
        for (at, record) in index.records().iter().enumerate() {
            let name = index.text(record.name);
            let found = if at == 0 { Some(0) } else { self.child(map[record.parent as usize], name) };
            if record.file_type == FileType::Whiteout {
                if let Some(node) = found {
                    self.remove(node, layer);
                }
                continue;
            }
            let node = match found {
                Some(node) => node,
                None => self.insert(map[record.parent as usize], name, (layer, at as u32)),
            };
            map[at] = node;
            self.nodes[node as usize].touched = layer + 1;
            let below = covered;
            if record.is_opaque() && at >= covered && self.is_folder(node) {
                covered = record.end as usize;
                self.hide_later(node);
            }
            // Below an opaque folder even an implied one is new.
            self.put(node, layer, at as u32, record.is_implied() && at >= below);
        }
        for node in std::mem::take(&mut self.hidden) {
            if self.nodes[node as usize].touched != layer + 1 {
                self.gone(node, layer, Change::Opaque);
            }
        }
    }

    /// Puts a record of a layer at a node; `implied` folders say nothing of one that is there.
    fn put(&mut self, node: u32, layer: u32, record: u32, implied: bool) {
        let below = self.versions.get(self.nodes[node as usize].alive as usize).map(|(_, v)| *v);
        let index = &self.layers[layer as usize];
        let (change, differs, evidence) = match below {
            None if implied && node == 0 => return,
            None => (Change::Added, Differs::default(), Evidence::Certain),
            Some(v) => compare((&self.layers[v.from as usize], v.record), (index, record)),
        };
        if implied && !matches!(change, Change::Added | Change::TypeChanged) {
            return;
        }
        if change == Change::TypeChanged && self.is_folder(node) {
            self.remove_below(node, layer, Change::Replaced);
        }
        self.push(node, Version { layer, change, differs, evidence, record, from: layer });
    }

    fn push(&mut self, node: u32, version: Version) {
        self.nodes[node as usize].alive = if version.change.is_removal() { NONE } else { self.versions.len() as u32 };
        self.versions.push((node, version));
    }

    fn remove(&mut self, node: u32, layer: u32) {
        if self.nodes[node as usize].alive == NONE {
            return;
        }
        if self.is_folder(node) {
            self.remove_below(node, layer, Change::RemovedWithFolder);
        }
        self.gone(node, layer, Change::Whiteout);
    }

    fn remove_below(&mut self, node: u32, layer: u32, change: Change) {
        let start = self.hidden.len();
        self.hide_later(node);
        for node in self.hidden.split_off(start) {
            self.gone(node, layer, change);
        }
    }

    fn gone(&mut self, node: u32, layer: u32, change: Change) {
        let alive = self.nodes[node as usize].alive;
        if let Some((_, below)) = self.versions.get(alive as usize) {
            let version = Version { layer, change, differs: Differs::default(), evidence: Evidence::Certain, ..*below };
            self.push(node, version);
        }
    }

    /// Notes all that is alive below a folder.
    fn hide_later(&mut self, folder: u32) {
        let start = self.hidden.len();
        let mut at = start;
        let mut child = self.nodes[folder as usize].first_child;
        loop {
            while child != NONE {
                let node = &self.nodes[child as usize];
                if node.alive != NONE {
                    self.hidden.push(child);
                }
                child = node.next_sibling;
            }
            let Some(next) = self.hidden.get(at) else { break };
            child = self.nodes[*next as usize].first_child;
            at += 1;
        }
    }

    fn is_folder(&self, node: u32) -> bool {
        let alive = self.versions.get(self.nodes[node as usize].alive as usize);
        alive.map_or(node == 0, |(_, v)| {
            self.layers[v.from as usize].records()[v.record as usize].file_type == FileType::Directory
        })
    }

    fn child(&self, parent: u32, name: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one((parent, name));
        let is = |n: &u32| self.nodes[*n as usize].parent == parent && self.name(*n) == name;
        self.table.find(hash, is).copied()
    }

    fn insert(&mut self, parent: u32, name: &[u8], named: (u32, u32)) -> u32 {
        let node = self.nodes.len() as u32;
        let next_sibling = std::mem::replace(&mut self.nodes[parent as usize].first_child, node);
        self.nodes.push(Growing { parent, first_child: NONE, next_sibling, named, alive: NONE, touched: 0 });
        let (nodes, layers, hasher) = (&self.nodes, self.layers, &self.hasher);
        self.table.insert_unique(hasher.hash_one((parent, name)), node, |n| {
            hasher.hash_one((nodes[*n as usize].parent, name_of(layers, nodes[*n as usize].named)))
        });
        node
    }

    fn name(&self, node: u32) -> &[u8] {
        name_of(self.layers, self.nodes[node as usize].named)
    }

    /// Numbers the nodes depth first with sorted names and lays everything out flat.
    fn finish(self) -> Tree {
        let order = self.order();
        let mut position = vec![NONE; self.nodes.len()];
        for (at, node) in order.iter().enumerate() {
            position[*node as usize] = at as u32;
        }
        let mut nodes: Vec<Node> = order
            .iter()
            .enumerate()
            .map(|(at, old)| {
                let Growing { parent, named, .. } = self.nodes[*old as usize];
                let parent = position[parent as usize];
                Node { parent, end: at as u32 + 1, named, children: 0, versions: 0, deltas: 0 }
            })
            .collect();
        let count = nodes.len() as u32;
        nodes.push(Node { parent: 0, end: count, named: (NONE, 0), children: 0, versions: 0, deltas: 0 });
        for at in (1..order.len()).rev() {
            let (parent, end) = (nodes[at].parent as usize, nodes[at].end);
            nodes[parent].end = nodes[parent].end.max(end);
        }
        let children = group(
            &mut nodes,
            (1..count).map(NodeId),
            |nodes, n| nodes[n.index()].parent,
            |n, at| {
                n.children = at;
            },
        );
        let versions = self.versions.iter().map(|(node, version)| (position[*node as usize], *version));
        let versions = group(&mut nodes, versions, |_, (node, _)| *node, |n, at| n.versions = at);
        let versions = versions.into_iter().map(|(_, version)| version).collect();
        let mut tree = Tree { layers: self.layers.to_vec(), nodes, children, versions, deltas: Vec::new() };
        totals::fill(&mut tree);
        tree
    }

    fn order(&self) -> Vec<u32> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let (mut stack, mut children) = (vec![0], Vec::new());
        while let Some(at) = stack.pop() {
            order.push(at);
            let mut child = self.nodes[at as usize].first_child;
            while child != NONE {
                children.push(child);
                child = self.nodes[child as usize].next_sibling;
            }
            children.sort_unstable_by_key(|n| std::cmp::Reverse(self.name(*n)));
            stack.append(&mut children);
        }
        order
    }
}

fn name_of(layers: &[Arc<LayerIndex>], (layer, record): (u32, u32)) -> &[u8] {
    layers.get(layer as usize).map_or(&[], |index| index.text(index.records()[record as usize].name))
}

/// Sorts items by their node, keeping their order within one, and notes in each node where its items begin.
fn group<T: Clone>(
    nodes: &mut [Node],
    items: impl Iterator<Item = T> + Clone,
    node_of: impl Fn(&[Node], &T) -> u32,
    set_start: impl Fn(&mut Node, u32),
) -> Vec<T> {
    let mut starts = vec![0_u32; nodes.len() + 1];
    for item in items.clone() {
        starts[node_of(nodes, &item) as usize + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    for (node, start) in nodes.iter_mut().zip(&starts) {
        set_start(node, *start);
    }
    let mut slots: Vec<Option<T>> = vec![None; starts[nodes.len()] as usize];
    for item in items {
        let next = &mut starts[node_of(nodes, &item) as usize];
        slots[*next as usize] = Some(item);
        *next += 1;
    }
    slots.into_iter().flatten().collect()
}
