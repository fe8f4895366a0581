//! What the bottom line shows of a pane's keys, the most useful first.

use crate::action::Action as A;
use crate::keymap::Scope;

const IMAGES: &[A] = &[
    A::Open,
    A::New,
    A::Mark,
    A::Compare,
    A::Waste,
    A::Remove,
    A::Tag,
    A::Load,
    A::Pull,
    A::Save,
    A::Filter,
    A::Palette,
    A::Help,
    A::Quit,
];
const STRATA: &[A] = &[A::Open, A::Waste, A::Compare, A::Copy, A::Inspect, A::NextPane, A::Palette, A::Help];
const FILES: &[A] =
    &[A::Open, A::NextTab, A::OnlyChanged, A::Sort, A::Filter, A::Diff, A::Save, A::ExpandAll, A::Palette, A::Help];
const FILE: &[A] = &[A::Zoom, A::Diff, A::Save, A::Follow, A::Copy, A::Back, A::Palette, A::Help];
const WASTE: &[A] = &[A::Open, A::NextTab, A::Diff, A::Save, A::Follow, A::Copy, A::Back, A::Palette, A::Help];
const CONTAINERS: &[A] = &[
    A::Open,
    A::New,
    A::Shell,
    A::Live,
    A::Logs,
    A::Start,
    A::Stop,
    A::Remove,
    A::CopyFiles,
    A::Compare,
    A::Commit,
    A::Filter,
    A::Palette,
    A::Help,
];
const CHANGES: &[A] =
    &[A::NextTab, A::Open, A::Diff, A::Compare, A::Save, A::Filter, A::Shell, A::Logs, A::Palette, A::Help, A::Back];
const LIVE: &[A] =
    &[A::Hold, A::Filter, A::Open, A::Diff, A::Sort, A::Save, A::Load, A::Shell, A::NextTab, A::Palette, A::Help];
const TERMINAL: &[A] = &[A::Open, A::Attach, A::NextTab, A::Start, A::Back, A::Palette, A::Help];
const LOGS: &[A] = &[A::Filter, A::NextMatch, A::Hold, A::Bottom, A::NextTab, A::Back, A::Palette, A::Help];
const CONTAINER: &[A] =
    &[A::NextTab, A::PreviousTab, A::Refresh, A::Zoom, A::Shell, A::Logs, A::Back, A::Palette, A::Help];
const VOLUMES: &[A] = &[
    A::Open,
    A::New,
    A::Mark,
    A::Clone,
    A::Save,
    A::Load,
    A::Remove,
    A::Prune,
    A::Refresh,
    A::Sort,
    A::Filter,
    A::Palette,
    A::Help,
];
const VOLUME: &[A] = &[A::Open, A::Filter, A::Save, A::Sort, A::ExpandAll, A::Back, A::Palette, A::Help];

const DISK: &[A] = &[
    A::Mark,
    A::NextPane,
    A::Remove,
    A::Prune,
    A::Sort,
    A::MarkAll,
    A::Refresh,
    A::Zoom,
    A::Back,
    A::Palette,
    A::Help,
];
const BUILD: &[A] =
    &[A::RunBuild, A::Mark, A::Browse, A::BuildOptions, A::NoCache, A::Open, A::Refresh, A::Palette, A::Help];
const STEPS: &[A] = &[A::RunBuild, A::NextPane, A::BuildOptions, A::NoCache, A::Zoom, A::Back, A::Palette, A::Help];

/// The keys worth a place in the bottom line; where an engine is only read, none that would change it.
pub(super) fn hints(scope: Scope, connected: bool, read_only: bool) -> impl Iterator<Item = A> {
    all(scope, connected).iter().copied().filter(move |action| !read_only || !changes(scope, *action))
}

fn all(scope: Scope, connected: bool) -> &'static [A] {
    if !connected {
        return &[A::Open, A::Help, A::Quit];
    }
    match scope {
        Scope::Images => IMAGES,
        Scope::Strata => STRATA,
        Scope::Files => FILES,
        Scope::File => FILE,
        Scope::Waste => WASTE,
        Scope::Containers => CONTAINERS,
        Scope::Changes => CHANGES,
        Scope::Live => LIVE,
        Scope::Terminal => TERMINAL,
        Scope::Logs => LOGS,
        Scope::Container => CONTAINER,
        Scope::Volumes => VOLUMES,
        Scope::Volume => VOLUME,
        Scope::Disk => DISK,
        Scope::Build => BUILD,
        Scope::Steps => STEPS,
        _ => &[A::Down, A::Back, A::Palette, A::Help],
    }
}

/// Whether an action changes something in the engine.
fn changes(scope: Scope, action: A) -> bool {
    match action {
        A::New
        | A::Remove
        | A::Prune
        | A::Tag
        | A::Pull
        | A::Push
        | A::Clone
        | A::Shell
        | A::Start
        | A::Stop
        | A::Attach
        | A::Commit
        | A::RunBuild => true,
        // A recording is opened, and marks lead nowhere but to a removal.
        A::Load => scope != Scope::Live,
        A::Mark | A::MarkAll => scope == Scope::Disk,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_can_be_changed_no_change_is_offered() {
        let words = |scope, read_only| hints(scope, true, read_only).map(A::short).collect::<Vec<_>>().join(" ");
        assert_eq!(words(Scope::Images, true), "open mark compare waste save filter commands keys quit");
        assert!(words(Scope::Images, false).contains("open new mark compare waste remove"));
        assert_eq!(words(Scope::Disk, true), "next pane sort refresh zoom back commands keys");
        assert!(words(Scope::Live, true).contains("load"), "a recording");
    }
}
