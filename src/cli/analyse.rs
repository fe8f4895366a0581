//! `outcrop analyse`.

mod report;
mod rules;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use futures_util::StreamExt;
use outcrop_layers::digest::ImageId;
use outcrop_layers::index::LayerIndex;
use outcrop_layers::index::cache::IndexCache;
use outcrop_layers::source::archive::ArchiveSource;
use outcrop_layers::source::data_root::DataRoot;
use outcrop_layers::source::{LayerSource, SourceError};
use outcrop_layers::tree::Tree;
use outcrop_layers::verify;
use outcrop_layers::waste::Waste;

use super::upload::or_interrupted;
use super::{Failure, Session};
use crate::connect::{Connection, in_path, stream};
use crate::report::progress::Meter;
use crate::report::{filter, safe};
use report::Report;
use rules::Rules;

/// Tell what an image wastes, and fail when it is too much
///
/// Ends with 0 when all is well, 1 when a rule is broken, 2 when the image cannot be analysed.
#[derive(Args, Default)]
#[command(after_help = "Examples:
  outcrop analyse app1
  outcrop analyse --json report.json app.tar
  outcrop analyse --ci app1                      with the rules of ./.dive-ci, if it is there
  outcrop analyse --ci --lowest-efficiency 0.95 --highest-wasted-bytes 20MB app1")]
pub(crate) struct Analyse {
    /// An image of the engine, or an archive
    #[arg(value_name = "IMAGE|ARCHIVE")]
    what: String,
    /// Write everything as JSON to this file (- for standard output)
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// Fail when a rule is broken
    #[arg(long)]
    ci: bool,
    /// File of rules [default: .dive-ci]
    #[arg(long, value_name = "FILE")]
    ci_config: Option<PathBuf>,
    #[command(flatten)]
    given: rules::Given,
    /// How many wasted files to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
}

/// What cannot be analysed ends with this.
const UNABLE: u8 = 2;

impl Analyse {
    /// Analyses `what` without rules.
    pub(crate) fn of(what: String) -> Self {
        Self { what, top: 20, ..Self::default() }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        self.analyse(session).await.map_err(|failure| match failure.message() {
            "" => failure,
            message => Failure::with_code(message, UNABLE),
        })
    }

    async fn analyse(self, session: &Session) -> Result<ExitCode, Failure> {
        let rules = Rules::find(self.ci, self.ci_config.as_deref(), &self.given).map_err(Failure::new)?;
        let cache = IndexCache::new(session.env.cache().join("layers"));
        let meter = Meter::new("reading", None, false);
        let work = async {
            let source = self.source(session, &cache, &meter).await?;
            let meter = meter.clone();
            let read = move || read(source.as_ref(), &meter).map(|(tree, waste)| (source, tree, waste));
            tokio::task::spawn_blocking(read).await.map_err(|error| Failure::new(error.to_string()))?
        };
        let (source, tree, waste) = or_interrupted("analyse", &meter, work).await?;
        let verdicts = rules.as_ref().map(|rules| rules.judge(&waste)).unwrap_or_default();
        let report = Report {
            name: &self.what,
            source: source.as_ref(),
            tree: &tree,
            waste: &waste,
            verdicts: &verdicts,
            top: self.top,
        };
        match self.json.as_deref() {
            Some(path) if path == Path::new("-") => safe::print_raw(&report.json())?,
            Some(path) => {
                std::fs::write(path, report.json()).map_err(|error| Failure::io("write", path, &error))?;
                safe::print(&report.text())?;
            }
            None => safe::print(&report.text())?,
        }
        let broken = verdicts.iter().any(|verdict| !verdict.kept);
        if broken { Err(Failure::silent(1)) } else { Ok(ExitCode::SUCCESS) }
    }

    /// Finds the layers: in the archive, in the engine's data root, or by an export.
    async fn source(
        &self,
        session: &Session,
        cache: &IndexCache,
        meter: &Meter,
    ) -> Result<Arc<dyn LayerSource>, Failure> {
        if Path::new(&self.what).exists() {
            return first(Path::new(&self.what), session, cache);
        }
        let connection = session.connect().await?;
        let image = connection.get(&format!("/images/{}/json", in_path(&self.what))).await?;
        let id: ImageId =
            image.text("Id").parse().map_err(|error| Failure::new(format!("the engine sent a wrong ID: {error}")))?;
        if let Some(image) = in_place(&connection, &id, cache).await {
            return Ok(image);
        }
        let spool = session.env.spool();
        let file = Spool::new(&spool)?;
        let mut chunks =
            std::pin::pin!(stream(&connection.docker, &filter::query("/images/get", &[("names", Some(&self.what))])));
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            file.write(&chunk)?;
            meter.add(chunk.len() as u64);
        }
        first(&file.path(), session, cache)
    }
}

/// The first image of an archive.
fn first(path: &Path, session: &Session, cache: &IndexCache) -> Result<Arc<dyn LayerSource>, Failure> {
    let images = ArchiveSource::open(path, None, &session.env.spool(), Some(cache))
        .map_err(|error| Failure::new(error.to_string()))?;
    let image = images
        .into_iter()
        .next()
        .ok_or_else(|| Failure::new(format!("{} has no image for this machine", path.display())))?;
    Ok(Arc::new(image))
}

/// The image in the engine's data root, when that is on this machine and can be read.
async fn in_place(connection: &Connection, id: &ImageId, cache: &IndexCache) -> Option<Arc<dyn LayerSource>> {
    let root = match &connection.api {
        Some(api) => api.engine().root().to_owned(),
        None => PathBuf::from(connection.get("/info").await.ok()?.text("DockerRootDir")),
    };
    let root = DataRoot::open(&root).ok()?.with_cache(Some(cache.clone()));
    let image = root.image(id).ok()?;
    image
        .layers()
        .iter()
        .all(|layer| layer.directory.as_ref().is_some_and(|path| path.is_dir()))
        .then(|| Arc::new(image) as _)
}

/// A file without a name.
struct Spool(std::fs::File);

impl Spool {
    fn new(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(format!("outcrop-{}", std::process::id()));
        let failed = |error: std::io::Error| Failure::io("make a temporary file in", folder, &error);
        let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path).map_err(failed)?;
        std::fs::remove_file(&path).map_err(failed)?;
        Ok(Self(file))
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        use std::io::Write;
        tokio::task::block_in_place(|| (&self.0).write_all(bytes))
            .map_err(|error| Failure::new(format!("cannot keep the export in a temporary file: {error}")))
    }

    /// A name by which this process can open it.
    fn path(&self) -> PathBuf {
        use std::os::fd::AsRawFd;
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}

/// Reads all layers and puts them together.
fn read(source: &dyn LayerSource, meter: &Meter) -> Result<(Tree, Waste), Failure> {
    let failed = |error: SourceError| Failure::new(error.to_string());
    let layers = source.layers().len();
    let mut indexes: Vec<Arc<LayerIndex>> = Vec::with_capacity(layers);
    for layer in 0..layers {
        meter.note(&format!("layer {} of {layers}", layer + 1));
        indexes.push(source.index(layer, &|_| {}, &|| false).map_err(failed)?);
    }
    let mut tree = Tree::build(&indexes);
    let doubts = verify::doubts(&tree, source, &|_, _| meter.note("comparing"), &|| false).map_err(failed)?;
    for found in doubts {
        tree.settle(found.node, found.layer, found.same);
    }
    let waste = Waste::of(&tree);
    Ok((tree, waste))
}
