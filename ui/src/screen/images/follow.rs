//! Keeps the panes in step: a newly selected image is read, a newly selected file is looked into - after a moment, so that
//! running through a list reads nothing.

use std::sync::Arc;
use std::time::Duration;

use outcrop_layers::index::FileType;
use outcrop_layers::tree::NodeId;
use outcrop_layers::view::View;
use ratatui::layout::{Margin, Rect};

use crate::content::{Content, Reading};
use crate::job::{Cancel, JobId, generation};
use crate::message::{Data, Request};
use crate::screen::Context;
use crate::screen::files::Tab;
use crate::screen::files::rows::Row;
use crate::screen::images::{Images, Panes};

/// How long an image stays selected before its files are read.
const BEFORE_READING: Duration = Duration::from_millis(120);
/// How long a file stays selected before it is looked into.
const BEFORE_PEEKING: Duration = Duration::from_millis(40);
/// How many images' trees are kept.
const KEPT: usize = 3;

/// What the panes were last brought in step with.
#[derive(Debug, Default)]
pub(crate) struct Following {
    image: Option<String>,
    /// The newest wait for an image, and for a file.
    image_wait: u64,
    file_wait: u64,
    job: Option<(JobId, Cancel, String)>,
    kept: Vec<Arc<Content>>,
}

impl Images {
    /// Height of the list of files.
    pub(super) fn files_height(&self, cx: &Context<'_>) -> u16 {
        let panes = Panes::of(self, cx.area);
        let height = if panes.files.height > 0 { panes.files.height } else { panes.file.height };
        height.saturating_sub(3)
    }

    /// The room inside the files pane.
    pub(super) fn files_inner(&self, area: Rect) -> Rect {
        let panes = Panes::of(self, area);
        let pane = if panes.files.height > 0 { panes.files } else { panes.file };
        pane.inner(Margin::new(1, 1))
    }

    /// Brings the panes in step with what is selected now.
    pub(super) fn take_steps(&mut self, cx: &mut Context<'_>) {
        let image = self.list.selected();
        if self.following.image != image {
            self.following.image = image;
            self.leave_content(cx);
        }
        if let Some(layer) = self.layer_or_below() {
            let height = self.files_height(cx);
            self.files.set_layer(layer, height, cx.requests);
        }
        self.settle_file(cx);
    }

    fn leave_content(&mut self, cx: &mut Context<'_>) {
        if let Some((job, cancel, _)) = self.following.job.take() {
            cancel.cancel();
            cx.jobs.cancel(job);
        }
        let kept = self.following.kept.iter().find(|c| Some(&c.image) == self.following.image.as_ref()).cloned();
        if let Some(content) = kept {
            self.show(content, cx);
            return;
        }
        self.reading = Reading::Not;
        let height = self.files_height(cx);
        self.files.set_content(None, 0, height, cx.requests);
        if self.following.image.is_some() {
            self.following.image_wait = generation();
            cx.requests.push(Request::Wait(BEFORE_READING, self.following.image_wait));
        }
    }

    fn show(&mut self, content: Arc<Content>, cx: &mut Context<'_>) {
        self.learn_steps(&content);
        self.reading = Reading::Ready(content.clone());
        let layer = self.layer_or_below().unwrap_or(0);
        let height = self.files_height(cx);
        self.waste_cursor = crate::widget::cursor::Cursor::default();
        self.files.set_content(Some(content), layer, height, cx.requests);
    }

    /// The configuration knows which steps made layers, and the layers know their bytes, where the engine's history did not say.
    fn learn_steps(&mut self, content: &Content) {
        let Some(known) = self.known.get_mut(&content.image) else { return };
        let exact = outcrop_layers::history::steps(content.source.config());
        let steps = &mut known.detail.steps;
        if exact.len() == steps.len() {
            for (step, exact) in steps.iter_mut().zip(exact) {
                step.layer = exact.layer;
            }
        }
        if known.detail.sized {
            return;
        }
        for step in steps.iter_mut() {
            if let Some(layer) = step.layer.filter(|l| *l < content.tree.layers()) {
                step.size = content.tree.layer(layer).bytes();
            }
        }
        known.detail.sized = true;
        self.count();
    }

    /// Starts reading the selected image's files.
    pub(super) fn read_content(&mut self, export: bool, cx: &mut Context<'_>) {
        let Some(row) = self.list.current() else { return };
        let (image, name) = (row.id.clone(), row.name().to_owned());
        let (job, cancel) = cx.jobs.start(format!("read {name}"), !export);
        self.reading = Reading::Running;
        self.following.job = Some((job, cancel.clone(), image.clone()));
        cx.requests.push(Request::Content { job, cancel, image, export });
    }

    /// Files of an image were read, or why not.
    pub(crate) fn set_content(&mut self, image: &str, reading: Reading, cx: &mut Context<'_>) {
        if let Reading::Ready(content) = &reading {
            self.following.kept.retain(|c| c.image != image);
            self.following.kept.push(content.clone());
            if self.following.kept.len() > KEPT {
                self.following.kept.remove(0);
            }
        }
        self.compare_content(image, &reading);
        self.ask_differences(cx.requests);
        if self.following.image.as_deref() != Some(image) {
            return;
        }
        self.following.job = None;
        match reading {
            Reading::Ready(content) => self.show(content, cx),
            reading => self.reading = reading,
        }
    }

    /// A job was cancelled: the reading of the selected image, perhaps.
    pub(super) fn take_cancel(&mut self, id: JobId) {
        if self.following.job.as_ref().is_some_and(|(job, ..)| *job == id) {
            self.following.job = None;
            self.reading = Reading::Failed("cancelled".into());
        }
    }

    pub(super) fn kept(&self, image: &str) -> Option<&Arc<Content>> {
        self.following.kept.iter().find(|c| c.image == image)
    }

    /// A wait is over: reads what is still selected.
    pub(super) fn take_wait(&mut self, token: u64, cx: &mut Context<'_>) {
        if token == self.following.image_wait && matches!(self.reading, Reading::Not) {
            self.read_content(false, cx);
        } else if token == self.following.file_wait {
            self.peek(cx);
        }
    }

    /// Lines that were made beside the screen; gives back those of another pane.
    pub(super) fn set_built(&mut self, generation: u64, rows: Vec<Row>, cx: &Context<'_>) -> Option<Data> {
        let height = self.files_height(cx);
        self.files.built(generation, rows, height).map(|rows| Data::Rows { generation, rows })
    }

    /// Paths that were found; gives back those of another pane.
    pub(super) fn set_found(
        &mut self,
        generation: u64,
        nodes: Vec<NodeId>,
        total: usize,
        cx: &Context<'_>,
    ) -> Option<Data> {
        let height = self.files_height(cx);
        self.files.set_found(generation, nodes, total, height).map(|nodes| Data::Found { generation, nodes, total })
    }

    /// The path selected in the files pane, whatever it shows.
    pub(super) fn selected_node(&self) -> Option<NodeId> {
        if self.files.tab == Tab::Waste { self.waste_node() } else { self.files.node() }
    }

    fn settle_file(&mut self, cx: &mut Context<'_>) {
        let node = self.selected_node().filter(|_| self.files.content.is_some());
        if self.file.node == node && !self.file_moved() {
            return;
        }
        self.file.generation = generation();
        self.file.node = node;
        self.file.peek = None;
        self.file.top = 0;
        self.file.left = 0;
        self.peeked = self.peek_layer();
        if node.is_some() {
            self.following.file_wait = generation();
            cx.requests.push(Request::Wait(BEFORE_PEEKING, self.following.file_wait));
        }
    }

    /// Whether the version to be shown is another one, of the same path.
    fn file_moved(&self) -> bool {
        self.peeked != self.peek_layer()
    }

    /// The layer whose version of the selected file is looked at.
    pub(super) fn peek_layer(&self) -> Option<usize> {
        let content = self.files.content.as_ref()?;
        if self.files.tab == Tab::Waste {
            return content.waste.items.get(self.waste_cursor.at).map(|i| i.layer);
        }
        Some(content.tree.seen(self.files.node()?, self.files.view())?.layer)
    }

    fn peek(&mut self, cx: &mut Context<'_>) {
        let (Some(content), Some(node), Some(layer)) = (self.files.content.clone(), self.file.node, self.peek_layer())
        else {
            return;
        };
        let view = if self.files.tab == Tab::Waste { View::Layer(layer) } else { self.files.view() };
        let is_file = content
            .tree
            .seen(node, view)
            .is_some_and(|s| matches!(s.entry.file_type(), FileType::File | FileType::Hardlink) && s.entry.size() > 0);
        if is_file {
            let path = content.tree.path(node);
            cx.requests.push(Request::Peek { generation: self.file.generation, content, layer, path });
        }
    }
}
