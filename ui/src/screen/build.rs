//! Screen 5: a Dockerfile's steps, what would be done with each before anything runs, and what is done when it does.

mod act;
mod draw;
mod output;
mod panes;
mod run;
mod screen;
mod shown;
mod steps;

use outcrop_layers::digest::ChainId;

use crate::job::{Cancel, JobId};
use crate::model::{Plan, Recipe};
use crate::pen::Look;
use crate::theme::Stratum;
use crate::widget::cursor::Cursor;

use panes::{Panes, Splits};
use run::Run;

/// Which pane has the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pane {
    #[default]
    List,
    Steps,
    Output,
}

/// What is known of what a build would do.
#[derive(Debug, Default)]
enum Planning {
    #[default]
    Not,
    Running,
    Ready(Vec<Planned>),
    /// Why there is none.
    Failed(String),
}

/// A plan, and how the layers of its steps look.
#[derive(Debug)]
struct Planned {
    plan: Plan,
    looks: Vec<Option<Band>>,
}

/// How a layer is drawn: its colour and texture, its number from the base, its bytes, and which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Band {
    look: Stratum,
    number: usize,
    bytes: u64,
    chain: ChainId,
}

impl Band {
    fn of(laid: &crate::model::Laid, look: &Look) -> Option<Self> {
        let mut looks: Option<Stratum> = None;
        for chain in &laid.chains {
            looks = Some(look.theme.stratum(chain.0.as_bytes(), looks));
        }
        let chain = *laid.chains.last()?;
        looks.map(|look| Self { look, number: laid.chains.len(), bytes: laid.bytes, chain })
    }
}

/// The screen.
#[derive(Default)]
pub(crate) struct Build {
    opened: bool,
    folder: String,
    /// The Dockerfiles in the folder; none before it was looked into.
    found: Option<Vec<String>>,
    trouble: Option<String>,
    /// The Dockerfile to select once the folder is known.
    wanted: Option<String>,
    cursor: Cursor,
    /// A second Dockerfile to compare with.
    other: Option<String>,
    /// The image's name, as far as it was typed.
    name: Option<String>,
    target: String,
    arguments: Vec<(String, String)>,
    no_cache: bool,
    pull: bool,
    platform: String,
    planning: Planning,
    plan_job: Option<(JobId, Cancel)>,
    /// The newest wish for a plan.
    generation: u64,
    /// What the plan was last asked for.
    followed: Option<(Recipe, Option<String>)>,
    wait: u64,
    run: Option<Run>,
    focus: Pane,
    zoom: bool,
    splits: Splits,
    step: Cursor,
    /// First line of the output that is seen; none follows its end.
    scroll: Option<usize>,
}

impl Build {
    /// The selected Dockerfile.
    fn dockerfile(&self) -> Option<&str> {
        self.found.as_ref()?.get(self.cursor.at).map(String::as_str)
    }

    /// The second Dockerfile, as long as it is not the selected one: beside itself nothing is to be seen.
    fn beside(&self) -> Option<&str> {
        self.other.as_deref().filter(|other| Some(*other) != self.dockerfile())
    }

    /// What would be built now.
    fn recipe(&self) -> Option<Recipe> {
        let dockerfile = self.dockerfile()?.to_owned();
        Some(Recipe {
            folder: self.folder.clone(),
            name: self.name.clone().unwrap_or_else(|| self.usual_name(&dockerfile)),
            dockerfile,
            target: self.target.clone(),
            arguments: self.arguments.clone(),
            no_cache: self.no_cache,
            pull: self.pull,
            platform: self.platform.clone(),
        })
    }

    /// The folder's name, and what the Dockerfile's adds to it, as far as images may be called so.
    fn usual_name(&self, dockerfile: &str) -> String {
        let folder = self.folder.rsplit('/').find(|part| !part.is_empty()).unwrap_or("image");
        let more = dockerfile.to_lowercase().replace("dockerfile", "");
        let more = more.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let whole = if more.is_empty() { folder.to_lowercase() } else { format!("{}-{more}", folder.to_lowercase()) };
        let name: String = whole.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
        let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        // Two separators in a row are no name.
        let mut out = String::new();
        for c in name.chars() {
            if c.is_ascii_alphanumeric() || out.ends_with(|last: char| last.is_ascii_alphanumeric()) {
                out.push(c);
            }
        }
        if out.is_empty() { "image".into() } else { out }
    }

    fn plans(&self) -> &[Planned] {
        match &self.planning {
            Planning::Ready(plans) => plans,
            _ => &[],
        }
    }

    /// The newest build, if it is of what is selected.
    fn own_run(&self) -> Option<&Run> {
        let run = self.run.as_ref()?;
        // Built another way, its steps are others; the name changes none.
        let recipe = Recipe { name: run.recipe.name.clone(), ..self.recipe()? };
        (run.recipe == recipe).then_some(run)
    }
}

/// Whether a file's name is that of a Dockerfile.
fn is_dockerfile(name: &str) -> bool {
    let lower = name.to_lowercase();
    !lower.ends_with(".dockerignore") && (lower.contains("dockerfile") || lower.contains("containerfile"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_dockerfiles_by_their_names() {
        let table = [
            ("Dockerfile", true),
            ("Dockerfile2", true),
            ("app.Dockerfile", true),
            ("Containerfile", true),
            ("Dockerfile.dockerignore", false),
            ("README.md", false),
        ];
        for (name, expected) in table {
            assert_eq!(is_dockerfile(name), expected, "{name}");
        }
    }

    #[test]
    fn names_an_image_after_folder_and_dockerfile() {
        let table = [
            ("/src/App One", "Dockerfile", "appone"),
            ("/src/app", "Dockerfile2", "app-2"),
            ("/src/app/", "test.Dockerfile", "app-test"),
            ("/a--b__", "Dockerfile", "a-b"),
            ("/", "Dockerfile", "image"),
            ("/\u{1b}", "Dockerfile", "image"),
        ];
        for (folder, dockerfile, expected) in table {
            let build = Build { folder: folder.into(), ..Build::default() };
            assert_eq!(build.usual_name(dockerfile), expected);
        }
    }
}
