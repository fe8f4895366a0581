//! Everything a key, the palette or the mouse can ask for.

use serde::{Deserialize, Serialize};

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $short:literal, $long:literal;)*) => {
        /// What can be done; keys are bound to these by name (`next-pane`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Action {
            $(#[doc = $long] $name,)*
        }

        impl Action {
            /// Every action, in the order of the help.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// One or two words, for the bottom line.
            pub fn short(self) -> &'static str {
                match self { $(Self::$name => $short,)* }
            }

            /// What it does, for help, palette and documentation.
            pub fn describe(self) -> &'static str {
                match self { $(Self::$name => $long,)* }
            }
        }
    };
}

actions! {
    Up = "up", "moves one line up";
    Down = "down", "moves one line down";
    PageUp = "page up", "moves one page up";
    PageDown = "page down", "moves one page down";
    Top = "top", "moves to the first line";
    Bottom = "bottom", "moves to the last line";
    Left = "close", "closes a folder, or goes to the one it is in; scrolls left";
    Right = "open", "opens a folder; scrolls right";
    Open = "open", "opens what is selected; never destroys anything";
    Back = "back", "goes one step back: closes what is open, clears the filter, clears the marks";
    NextPane = "next pane", "moves to the next pane";
    PreviousPane = "previous pane", "moves to the previous pane";
    NextTab = "next view", "shows the next view: one layer, up to here, whole image; the next tab of a container";
    PreviousTab = "previous view", "shows the previous view";
    Images = "images", "shows the images";
    Containers = "containers", "shows the containers";
    Volumes = "volumes", "shows the volumes";
    Disk = "disk", "shows what holds the disk, and what can go";
    Build = "build", "shows Dockerfiles, and what building them would do";
    Filter = "filter", "filters the list, or finds files by any part of their path";
    NextMatch = "next match", "moves to the next match";
    PreviousMatch = "previous match", "moves to the previous match";
    Palette = "commands", "lists every command with its key";
    Help = "keys", "shows the keys of the focused pane";
    Log = "log", "shows what was done, each as docker would say it";
    Jobs = "jobs", "shows the running and finished jobs";
    CancelJob = "cancel job", "cancels the running job";
    Mark = "mark", "marks or unmarks the line";
    MarkAll = "mark all", "marks every line shown";
    Copy = "copy", "copies an ID, a path or the docker command to the clipboard";
    Inspect = "inspect", "shows everything the engine knows about it";
    Sort = "sort", "changes what the list is sorted by";
    Waste = "waste", "shows bytes stored twice or hidden, and what mends it";
    Compare = "compare", "compares two images or containers: files side by side, shared layers joined";
    Tag = "tag", "gives the image another name";
    New = "new", "makes what the screen is about: runs a container, creates a volume";
    Start = "start", "starts the container; one that runs is started anew, if you say so";
    Stop = "stop", "stops the container, and kills it after ten seconds";
    Kill = "kill", "kills the container at once, after asking";
    Pause = "pause", "freezes the container, or lets it go on";
    Shell = "shell", "opens a shell in the container: bash, or else sh";
    Attach = "attach", "attaches to the container's own program; starts it if it does not run";
    Logs = "logs", "shows the container's log and follows it";
    Live = "live", "shows what the container writes, as it happens, and what is copied up for it";
    Hold = "pause", "holds the feed or the log, or lets it follow again; nothing is lost meanwhile";
    Rename = "rename", "gives the container another name";
    Commit = "commit", "makes an image of the container: its writable layer becomes the top layer";
    Export = "export", "writes the container's whole file system to a tar";
    CopyFiles = "copy files", "copies files out of the container, or into it";
    OnlyRunning = "all/running", "shows all containers, or only those that run";
    RunBuild = "build", "builds the selected Dockerfile";
    Browse = "choose", "chooses a folder or a Dockerfile of this machine";
    BuildOptions = "options", "says the image's name, the stage to stop at and the arguments of the build";
    NoCache = "no cache", "runs every step of the build, or takes again what was built before";
    Clone = "clone", "copies the volume's content into a new volume";
    Remove = "remove", "removes what is selected or marked, after saying what goes and what it frees";
    Prune = "prune", "removes what nothing uses, after listing it";
    Load = "load", "loads an image archive; restores a volume from a tar; opens a recording";
    Pull = "pull", "fetches an image from a registry";
    Push = "push", "brings the image to the registry that its name says";
    Save = "save", "saves the image to an archive, the volume, the file or the recording to this machine";
    OnlyChanged = "only changes", "shows only what the layer added, changed or removed";
    ExpandAll = "open all", "opens every folder";
    CollapseAll = "close all", "closes every folder";
    Diff = "diff", "shows what changed between two versions of the file";
    Follow = "who wrote", "goes to the layer that wrote the file";
    Narrower = "narrower", "makes the left column narrower";
    Wider = "wider", "makes the left column wider";
    Shorter = "shorter", "makes the strata shorter";
    Taller = "taller", "makes the strata taller";
    Zoom = "zoom", "gives the focused pane the whole screen";
    Mouse = "mouse", "gives the mouse back to the terminal, for selecting text";
    Units = "units", "switches between decimal and binary sizes";
    Refresh = "refresh", "asks the engine again";
    Redraw = "redraw", "draws the screen anew";
    Embedded = "embedded", "opens the embedded engine";
    Confirm = "yes", "does what the dialog says";
    Quit = "quit", "leaves; containers and jobs of the engine go on";
}

impl Action {
    /// Its name in a key file.
    pub fn name(self) -> String {
        let name = format!("{self:?}");
        let mut out = String::with_capacity(name.len() + 2);
        for c in name.chars() {
            if c.is_ascii_uppercase() && !out.is_empty() {
                out.push('-');
            }
            out.push(c.to_ascii_lowercase());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_key_file() {
        for action in Action::ALL {
            let json = serde_json::to_string(action).expect("is a name");
            assert_eq!(json, format!("\"{}\"", action.name()));
        }
    }
}
