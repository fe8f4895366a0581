//! Layers on their way into the register: unpacked in a transaction, then published all together.
//!
//! Order on disk, each step durable before the next: intent, content (`overlay2/<id>`), register (`layerdb`), configuration
//! (`imagedb`), names (`repositories.json`). Killed anywhere, what the intent names and nothing refers to is removed at the next open.

mod publish;
mod stoppable;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use outcrop_layers::compress::decoder;
use outcrop_layers::digest::{ChainId, DiffId, Digest, Hashing, ImageId};

use self::publish::{Content, Step};
use self::stoppable::{Stoppable, stream_error};
use super::write_back::WriteBack;
use super::{ImageError, Images, Reference, repair};
use crate::driver::{CacheId, Staged};
use crate::layer::apply::{self, ApplyOptions, apply};
use crate::layer::export::export;
use crate::layer::store::{self, Layer, TAR_SPLIT};
use crate::progress::{Ctx, Progress};
use crate::root::files;
use crate::root::transaction::{Record, Transaction};

/// An unpacked layer that is not registered yet.
struct Unregistered {
    staged: Staged,
    split: PathBuf,
    size: u64,
}

/// What the bytes of a layer turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Digest of the uncompressed tar.
    pub(crate) diff: DiffId,
    /// Digest of the bytes as they came.
    pub(crate) blob: Digest,
}

/// An image to register.
pub(crate) struct NewImage {
    /// The configuration, byte for byte.
    pub(crate) config: Vec<u8>,
    /// Its layers, base first; each has passed through the same [`Staging`].
    pub(crate) layers: Vec<DiffId>,
    /// Names that it gets.
    pub(crate) names: Vec<Reference>,
    /// What to note of where it comes from.
    pub(crate) origin: Origin,
}

/// Where an image comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Somebody else made it.
    Loaded,
    /// It was made here; the time is noted.
    Made,
    /// A step of a build made it of another image, or of nothing. Such images alone are taken for the cache.
    Built(Option<ImageId>),
}

impl NewImage {
    pub(crate) fn id(&self) -> ImageId {
        ImageId(Digest::of(&self.config))
    }
}

/// Names that other images lost, by image registered.
pub(crate) type Replaced = Vec<Vec<(String, ImageId)>>;

/// Unpacks layers and registers images made of them.
pub(crate) struct Staging<'a> {
    images: &'a Images,
    ctx: Ctx<'a>,
    transaction: Transaction,
    unregistered: HashMap<DiffId, Vec<Unregistered>>,
    /// Registered layers that are whole and that nobody may remove meanwhile.
    leased: HashMap<DiffId, ChainId>,
    /// What the register has, by diff ID; read when it is first needed.
    registered: Option<HashMap<DiffId, Vec<ChainId>>>,
    /// Layers whose content was compared with what they should be, and whether it is that.
    verified: HashMap<ChainId, bool>,
    /// Content that has appeared, by chain.
    published: RefCell<HashMap<ChainId, CacheId>>,
    warnings: Vec<String>,
    words: [&'static str; 2],
    write_back: WriteBack,
}

impl<'a> Staging<'a> {
    pub(crate) fn begin(images: &'a Images, ctx: Ctx<'a>) -> Result<Self, ImageError> {
        Ok(Self {
            images,
            ctx,
            transaction: images.shared.root.begin()?,
            unregistered: HashMap::new(),
            leased: HashMap::new(),
            registered: None,
            verified: HashMap::new(),
            published: RefCell::default(),
            warnings: Vec::new(),
            words: ["Loading layer", "Loaded layer"],
            write_back: WriteBack::default(),
        })
    }

    /// What progress calls a layer that is unpacked, and one that is.
    pub(crate) fn with_words(self, words: [&'static str; 2]) -> Self {
        Self { words, ..self }
    }

    /// Whether a whole layer with that content is registered; then it stays, and may be among the layers of an image.
    pub(crate) fn has(&mut self, diff: DiffId) -> Result<bool, ImageError> {
        Ok(self.unregistered.contains_key(&diff) || self.lease_whole(diff)?)
    }

    /// What could not be kept of the layers, each kind once.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Takes a layer in: compressed or not, to its end. `name` is for messages and progress; `total` its bytes as they come.
    ///
    /// `claimed` is the digest that its name promises; if a whole layer of that diff ID is registered, nothing is unpacked.
    pub(crate) fn layer(
        &mut self,
        name: &str,
        content: impl Read + Send,
        total: Option<u64>,
        claimed: Option<Digest>,
    ) -> Result<Passed, ImageError> {
        let mut content = Hashing::new(content);
        if let Some(diff) = claimed.map(DiffId)
            && (self.unregistered.contains_key(&diff) || self.lease_whole(diff)?)
        {
            io::copy(&mut Stoppable { inner: &mut content, ctx: self.ctx }, &mut io::sink())
                .map_err(|error| stream_error(name, &error))?;
            let (found, _, _) = content.finish();
            if found != diff.0 {
                return Err(ImageError::Digest { name: name.into(), expected: diff.0, found });
            }
            self.tell(name, "Already exists", 0, None);
            return Ok(Passed { diff, blob: found });
        }
        self.unpack(name, content, total)
    }

    fn unpack(
        &mut self,
        name: &str,
        content: Hashing<impl Read + Send>,
        total: Option<u64>,
    ) -> Result<Passed, ImageError> {
        let at = self.transaction.fresh("layer");
        let staged = self.images.shared.driver.stage(&at)?;
        let split = self.transaction.fresh("split");
        let file = File::create(&split).map_err(ImageError::io("write", &split))?;
        let mut tar = decoder(content).map_err(|error| stream_error(name, &error))?;
        let total = total.filter(|_| tar.compression() == outcrop_layers::compress::Compression::None);
        let seen = std::cell::Cell::new(0);
        let options = ApplyOptions {
            rootless: self.images.shared.root.rootless(),
            floor: apply::floor(staged.diff()),
            cancel: self.ctx.cancel,
            on_bytes: &|bytes| {
                self.write_back.add(bytes - seen.replace(bytes), || File::open(&at).ok());
                self.tell(name, self.words[0], bytes, total);
            },
        };
        let applied = apply(&mut tar, staged.diff(), &options, BufWriter::new(file))
            .map_err(|error| ImageError::apply(name, self.images.layout().root(), error))?;
        // What follows the end of a compressed stream belongs to the blob too.
        let mut content = tar.into_inner();
        io::copy(&mut content, &mut io::sink()).map_err(|error| stream_error(name, &error))?;
        for warning in applied.warnings {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        let unregistered = Unregistered { staged, split, size: applied.size };
        self.unregistered.entry(applied.diff_id).or_default().push(unregistered);
        self.tell(name, self.words[1], applied.tar_bytes, total);
        Ok(Passed { diff: applied.diff_id, blob: content.finish().0 })
    }

    fn tell(&self, name: &str, status: &str, current: u64, total: Option<u64>) {
        let name = name.trim_end_matches("/layer.tar").rsplit('/').next().unwrap_or(name);
        let id = name.chars().take(12).collect();
        (self.ctx.progress)(Progress { id, status: status.into(), current, total });
    }

    /// Builds on registered layers, without reading them: they may then be among the layers of an image. Gives one that is not
    /// there.
    pub(crate) fn stand_on(&mut self, layers: &[DiffId]) -> Result<Option<ChainId>, ImageError> {
        let held = self.images.shared.root.change()?;
        let mut leases = Vec::new();
        for (diff, chain) in layers.iter().zip(ChainId::all(layers)) {
            if !self.images.layout().layer(chain).exists() {
                return Ok(Some(chain));
            }
            let record = Record::Lease(chain);
            if !self.transaction.records().contains(&record) {
                leases.push(record);
            }
            self.leased.insert(*diff, chain);
            self.verified.insert(chain, true);
        }
        self.transaction.note(leases).map_err(ImageError::io("write in", self.transaction.directory()))?;
        drop(held);
        Ok(None)
    }

    /// A new directory for what is being made; it goes with this.
    pub(crate) fn directory(&mut self, what: &str, mode: u32) -> Result<PathBuf, ImageError> {
        let path = self.transaction.fresh(what);
        files::make_directory(&path, mode).map_err(ImageError::io("create", &path))?;
        Ok(path)
    }

    /// Finds a registered layer with that content, makes sure that it stays, and that it is whole.
    fn lease_whole(&mut self, diff: DiffId) -> Result<bool, ImageError> {
        if self.leased.contains_key(&diff) {
            return Ok(true);
        }
        let layout = self.images.layout();
        if self.registered.is_none() {
            let mut found: HashMap<DiffId, Vec<ChainId>> = HashMap::new();
            for chain in store::all(layout).map_err(self.images.unreadable())? {
                if let Some(diff) = self.images.shared.layers.diff(layout, chain) {
                    found.entry(diff).or_default().push(chain);
                }
            }
            self.registered = Some(found);
        }
        let chains = self.registered.as_ref().and_then(|registered| registered.get(&diff)).cloned();
        for chain in chains.unwrap_or_default() {
            if self.lease(chain)? && self.is_whole(chain)? {
                self.leased.insert(diff, chain);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes sure that a layer stays while this lives; tells whether it is there.
    fn lease(&mut self, chain: ChainId) -> Result<bool, ImageError> {
        let _held = self.images.shared.root.change()?;
        if !self.images.layout().layer(chain).exists() {
            return Ok(false);
        }
        let record = Record::Lease(chain);
        if !self.transaction.records().contains(&record) {
            self.transaction.note(vec![record]).map_err(ImageError::io("write in", self.transaction.directory()))?;
        }
        Ok(true)
    }

    /// Whether a registered layer gives its tar back byte for byte. Reads all of it.
    fn is_whole(&mut self, chain: ChainId) -> Result<bool, ImageError> {
        if let Some(known) = self.verified.get(&chain) {
            return Ok(*known);
        }
        let whole = match self.images.layer(chain) {
            Ok(layer) => self.gives_back(&layer, &self.images.layout().layer(chain).join(TAR_SPLIT))?,
            Err(_) => false,
        };
        self.verified.insert(chain, whole);
        Ok(whole)
    }

    /// Whether a layer's content makes, with a tar-split, the tar of its diff ID.
    fn gives_back(&self, layer: &Layer, split: &Path) -> Result<bool, ImageError> {
        let diff = self.images.shared.driver.diff_dir(&layer.cache);
        let (Ok(content), Ok(split)) = (File::open(diff), File::open(split)) else { return Ok(false) };
        let mut hashing = Hashing::new(io::sink());
        let outcome = export(content.as_fd(), split, &mut Stoppable { inner: &mut hashing, ctx: self.ctx });
        if self.ctx.cancel.is_cancelled() {
            return Err(ImageError::Cancelled);
        }
        Ok(outcome.is_ok() && hashing.finish().0 == layer.diff.0)
    }

    /// Decides what to do for each layer, and prepares all that takes long.
    fn plan(&mut self, new: &[NewImage]) -> Result<Vec<Step>, ImageError> {
        let mut wanted: Vec<(ChainId, Option<ChainId>, DiffId, bool)> = Vec::new();
        for image in new {
            let mut parent = None;
            for diff in &image.layers {
                let chain = ChainId::on(parent, *diff);
                if !wanted.iter().any(|(known, ..)| *known == chain) {
                    let there = self.lease(chain)?;
                    if !(there && self.is_whole(chain)?) {
                        wanted.push((chain, parent, *diff, there));
                    }
                }
                parent = Some(chain);
            }
        }
        let mut needed: HashMap<DiffId, usize> = HashMap::new();
        for (_, _, diff, _) in &wanted {
            *needed.entry(*diff).or_default() += 1;
        }
        for (diff, copies) in needed {
            // One layer may lie on several others: each chain has content of its own.
            while self.unregistered.get(&diff).map_or(0, Vec::len) < copies {
                self.copy(diff)?;
            }
        }
        let layout = self.images.layout();
        let lost = if wanted.is_empty() {
            HashSet::new()
        } else {
            repair::lost_parents(layout).map_err(self.images.unreadable())?
        };
        let steps = wanted.into_iter().map(|(chain, parent, diff, there)| {
            // Layers above know it by its content's name, even if its entry is gone.
            let there = there || lost.contains(&chain);
            let unregistered = self.unregistered.get_mut(&diff).and_then(Vec::pop);
            let unregistered = unregistered.ok_or_else(|| ImageError::NoLayer(diff.to_string()))?;
            self.step(chain, parent, diff, there, unregistered)
        });
        steps.collect()
    }

    /// Unpacks once more a layer that is staged or registered already.
    fn copy(&mut self, diff: DiffId) -> Result<(), ImageError> {
        let (content, split) = match (self.unregistered.get(&diff).and_then(|all| all.first()), self.leased.get(&diff))
        {
            (Some(staged), _) => (staged.staged.path().join("diff"), staged.split.clone()),
            (None, Some(chain)) => {
                let layer = self.images.layer(*chain)?;
                let split = self.images.layout().layer(*chain).join(TAR_SPLIT);
                (self.images.shared.driver.diff_dir(&layer.cache), split)
            }
            (None, None) => return Err(ImageError::NoLayer(diff.to_string())),
        };
        let content = File::open(&content).map_err(ImageError::io("open", content))?;
        let split = File::open(&split).map_err(ImageError::io("open", split))?;
        let (reader, mut writer) = io::pipe().map_err(|source| ImageError::Stream { what: "make a pipe", source })?;
        let passed = std::thread::scope(|scope| {
            let exporting = scope.spawn(move || export(content.as_fd(), split, &mut writer).map(drop));
            let passed = self.unpack(&diff.to_string(), Hashing::new(reader), None);
            let exported = exporting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let passed = passed?;
            exported.map_err(|error| ImageError::Layer { name: diff.to_string(), detail: error.to_string() })?;
            Ok::<_, ImageError>(passed)
        })?;
        if passed.diff == diff {
            return Ok(());
        }
        Err(ImageError::Digest { name: diff.to_string(), expected: diff.0, found: passed.diff.0 })
    }

    fn step(
        &mut self,
        chain: ChainId,
        parent: Option<ChainId>,
        diff: DiffId,
        there: bool,
        unregistered: Unregistered,
    ) -> Result<Step, ImageError> {
        let Unregistered { staged, split, size } = unregistered;
        let (cache, content) =
            if there { self.how_to_repair(chain, diff, staged, &split)? } else { (random_id()?, Content::New(staged)) };
        let entry = self.transaction.fresh("entry");
        files::make_directory(&entry, 0o755).map_err(ImageError::io("write", &entry))?;
        let layer = Layer { chain, diff, parent, cache, size };
        let write = || {
            layer.write(&entry)?;
            std::fs::rename(&split, entry.join(TAR_SPLIT))
        };
        write().map_err(ImageError::io("write", &entry))?;
        Ok(Step { layer, entry, content })
    }

    /// Finds out what of a damaged layer can stay. Layers above know it by its short link, so its directory keeps its names.
    fn how_to_repair(
        &self,
        chain: ChainId,
        diff: DiffId,
        staged: Staged,
        split: &Path,
    ) -> Result<(CacheId, Content), ImageError> {
        let layout = self.images.layout();
        let Some(cache) = repair::cache_of(layout, chain) else { return Ok((random_id()?, Content::New(staged))) };
        let target = self.images.shared.driver.diff_dir(&cache);
        if !target.is_dir() {
            return Ok((cache, Content::Again(staged)));
        }
        let layer = Layer { chain, diff, parent: None, cache: cache.clone(), size: 0 };
        let content =
            if self.gives_back(&layer, split)? { Content::Stays } else { Content::Exchanged { staged, target } };
        Ok((cache, content))
    }
}

fn random_id() -> Result<CacheId, ImageError> {
    CacheId::random().map_err(|source| ImageError::Stream { what: "get random numbers", source })
}
