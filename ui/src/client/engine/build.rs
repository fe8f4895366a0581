//! Plans of builds, and builds: `POST /build` as the classic builder speaks it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bollard::body_try_stream;
use bollard::models::BuildInfo;
use bollard::query_parameters::{BuildImageOptions, BuildImageOptionsBuilder};
use futures_util::{Stream, StreamExt};
use outcrop_layers::digest::{ChainId, DiffId};
use tokio::task::spawn_blocking;

use crate::client::EngineClient;
use crate::client::engine::{registry, say};
use crate::job::{Cancel, JobId, JobNews};
use crate::message::Data;
use crate::model::{Laid, News, Plan, Recipe, Words};
use crate::options::Packed;

/// How soon a cancelled build ends.
const CANCEL: Duration = Duration::from_millis(50);
/// How often a build that says nothing is told to go on.
const CLOCK: Duration = Duration::from_millis(500);
/// How often it is told how much of a context was sent, in bytes.
const TOLD: u64 = 4 << 20;

/// Why there is no plan where there cannot be one.
const NO_PLAN: &str = "this engine does not tell beforehand what a build would do: outcrop's own does";

impl EngineClient {
    pub(super) async fn plan(&self, job: JobId, cancel: &Cancel, generation: u64, recipe: &Recipe, others: &[String]) {
        let result = tokio::select! {
            result = self.plans(job, recipe, others) => result,
            () = cancelled(cancel) => return,
        };
        self.out.job(job, JobNews::Done(String::new()));
        self.out.data(Data::Plans { generation, result });
    }

    async fn plans(&self, job: JobId, recipe: &Recipe, others: &[String]) -> Result<Vec<Plan>, String> {
        let version = self.docker.version().await.map_err(|error| say(&error))?;
        // Another engine would not know the word, and build.
        if version.platform.is_none_or(|platform| platform.name != "outcrop") {
            return Err(NO_PLAN.into());
        }
        let packed = self.packed(recipe, others).await?;
        let options = options(recipe, &packed.dockerfile);
        let more =
            packed.others.iter().fold("&plan=1".to_owned(), |all, file| format!("{all}&against={}", encode(file)));
        let docker = self.docker.clone().with_request_modifier(move |mut request| {
            if let Ok(address) = format!("{}{more}", request.uri()).parse() {
                *request.uri_mut() = address;
            }
            request
        });
        let mut answer = Box::pin(docker.build_image(options, None, Some(body_try_stream(self.counted(job, packed)))));
        let mut plans: Vec<Plan> = Vec::new();
        while let Some(info) = answer.next().await {
            if let Some(text) = info.map_err(|error| say(&error))?.stream {
                plans.push(serde_json::from_str(&text).map_err(|error| format!("the plan cannot be read: {error}"))?);
            }
        }
        drop(answer);
        for step in plans.iter_mut().flat_map(|plan| &mut plan.steps) {
            // A base is laid down by no step, but it is what the others stand on.
            let is_base = is_from(&step.instruction);
            let Some(image) = step.image.as_ref().filter(|_| is_base || step.layer.is_some()) else { continue };
            if let Some((chains, bytes)) = self.strata(image).await {
                step.laid = Some(Laid { chains, bytes: if is_base { bytes } else { step.size.unwrap_or(0) } });
            }
        }
        Ok(plans)
    }

    pub(super) async fn build(&self, job: JobId, cancel: &Cancel, generation: u64, recipe: &Recipe) {
        let began = Instant::now();
        let tell = |news| {
            let millis = began.elapsed().as_millis() as u64;
            self.out.data(Data::Build { generation, millis, news });
        };
        let mut steps = std::pin::pin!(self.steps(job, recipe, &tell));
        let mut clock = tokio::time::interval(CLOCK);
        let done = loop {
            tokio::select! {
                done = steps.as_mut() => break done,
                () = cancelled(cancel) => return,
                _ = clock.tick() => tell(News::Clock),
            }
        };
        match done {
            Ok(image) => {
                let what = if recipe.name.is_empty() { crate::model::short(&image) } else { &recipe.name };
                self.out.job(job, JobNews::Done(format!("{what} is built")));
                tell(News::Built(image));
            }
            Err(why) => {
                self.out.job(job, JobNews::Failed(format!("{} was not built: {why}", recipe.dockerfile)));
                tell(News::Failed(why));
            }
        }
        self.out.data(Data::Changed);
    }

    /// Builds; the image's ID.
    async fn steps(&self, job: JobId, recipe: &Recipe, tell: &impl Fn(News)) -> Result<String, String> {
        let packed = self.packed(recipe, &[]).await?;
        let options = options(recipe, &packed.dockerfile);
        let body = Some(body_try_stream(self.counted(job, packed)));
        let docker = self.as_user(None, None)?;
        let mut answer = Box::pin(docker.build_image(options, None, body));
        let (mut words, mut last) = (Words::default(), None);
        let mut below = (Vec::new(), 0);
        while let Some(info) = answer.next().await {
            let info = info.map_err(|error| say(&error))?;
            if let Some(part) = registry::part(&info) {
                self.out.job(job, JobNews::Part(part));
            }
            let Some(text) = text(&info) else {
                last = info.aux.and_then(|aux| aux.id).or(last);
                continue;
            };
            match words.read(&text) {
                Some(News::Image(id)) => {
                    let Some((chains, bytes)) = self.strata(&id).await else { continue };
                    if chains.len() > below.0.len() {
                        tell(News::Laid(Laid { chains: chains.clone(), bytes: bytes.saturating_sub(below.1) }));
                    }
                    below = (chains, bytes);
                    last = Some(id);
                }
                Some(news) => {
                    if let News::Step { number, of, instruction } = &news {
                        let (done, total) = (*number as u64 - 1, *of as u64);
                        self.out.job(job, JobNews::Progress { done, total, what: None });
                        if is_from(instruction) {
                            below = (Vec::new(), 0);
                        }
                    }
                    tell(news);
                }
                None => {}
            }
        }
        let id = last.ok_or("the engine does not say which image came out")?;
        let inspect = self.docker.inspect_image(&id).await.map_err(|error| say(&error))?;
        Ok(inspect.id.unwrap_or(id))
    }

    /// An image's chain IDs, base first, and its bytes.
    async fn strata(&self, image: &str) -> Option<(Vec<ChainId>, u64)> {
        let inspect = self.docker.inspect_image(image).await.ok()?;
        let layers: Vec<DiffId> =
            inspect.root_fs?.layers.unwrap_or_default().iter().filter_map(|diff| diff.parse().ok()).collect();
        Some((ChainId::all(&layers), u64::try_from(inspect.size.unwrap_or(0)).unwrap_or(0)))
    }

    async fn packed(&self, recipe: &Recipe, others: &[String]) -> Result<Packed, String> {
        let Some(pack) = self.lent.pack.clone() else { return Err("nothing can be built here".into()) };
        let folder = Path::new(&recipe.folder).to_owned();
        let file = folder.join(&recipe.dockerfile);
        let others: Vec<_> = others.iter().map(|other| folder.join(other)).collect();
        let packed = spawn_blocking(move || pack(&folder, &file, &others)).await;
        packed.map_err(|error| error.to_string())?
    }

    /// The tar, telling how much of it was sent.
    fn counted(
        &self,
        job: JobId,
        packed: Packed,
    ) -> impl Stream<Item = std::io::Result<bytes::Bytes>> + Send + 'static {
        let (out, sent) = (self.out.clone(), Arc::new(AtomicU64::new(0)));
        packed.tar.inspect(move |chunk| {
            let more = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            let done = sent.fetch_add(more, Ordering::Relaxed) + more;
            if done / TOLD > (done - more) / TOLD {
                out.job(job, JobNews::Progress { done, total: 0, what: None });
            }
        })
    }
}

fn is_from(instruction: &str) -> bool {
    instruction.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("from "))
}

/// What a piece of the answer has to say; a pull's lines have an image and a status.
fn text(info: &BuildInfo) -> Option<String> {
    info.stream.clone().or_else(|| {
        let counts = info.progress_detail.as_ref().is_some_and(|detail| detail.current.is_some());
        let status = info.status.as_deref().filter(|_| !counts)?;
        Some(format!("{}{status}\n", info.id.as_ref().map(|id| format!("{id}: ")).unwrap_or_default()))
    })
}

fn options(recipe: &Recipe, dockerfile: &str) -> BuildImageOptions {
    let mut options = BuildImageOptionsBuilder::default().dockerfile(dockerfile).rm(true).nocache(recipe.no_cache);
    if !recipe.name.is_empty() {
        options = options.t(&recipe.name);
    }
    if !recipe.target.is_empty() {
        options = options.target(&recipe.target);
    }
    if recipe.pull {
        options = options.pull("1");
    }
    if !recipe.platform.is_empty() {
        options = options.platform(&recipe.platform);
    }
    if !recipe.arguments.is_empty() {
        let arguments: HashMap<String, String> = recipe.arguments.iter().cloned().collect();
        options = options.buildargs(&arguments);
    }
    options.build()
}

/// Makes a text safe to stand in a query.
pub(super) fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |all, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/' => {
            all + char::from(byte).encode_utf8(&mut [0; 4])
        }
        _ => format!("{all}%{byte:02X}"),
    })
}

/// Comes back when the job was cancelled: what it waits for is dropped then, which ends it in the engine too.
pub(super) async fn cancelled(cancel: &Cancel) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(CANCEL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_query() {
        assert_eq!(encode("sub/Dockerfile.two"), "sub/Dockerfile.two");
        assert_eq!(encode("a&b=ü #"), "a%26b%3D%C3%BC%20%23");
    }

    #[test]
    fn knows_a_base() {
        let table =
            [("FROM base", true), ("from base AS x", true), ("RUN from base", false), ("ENV", false), ("", false)];
        for (text, expected) in table {
            assert_eq!(is_from(text), expected, "{text}");
        }
    }
}
