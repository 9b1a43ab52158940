//! Having an engine fetch an image from its registry.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptions;
use futures_util::{Stream, StreamExt};
use hotfn_images::{Phase, Reference, Remote, Snapshot};

use super::auth;
use super::engine::{self, Engine};
use super::images::Rules;
use crate::container::PullFailure;

/// How often a pull is tried that was broken off,
const PULLS_MAX: u32 = 3;
/// and the pause after the first; each further one is four times as long.
const PULL_PAUSE: Duration = Duration::from_millis(500);

/// How long an engine may say nothing of a pull. While it fetches it speaks several times a second; it is
/// silent while it unpacks a large layer, and for ever where a registry has stopped in the middle of one.
const SILENCE_MAX: Duration = Duration::from_secs(600);
/// How long a credential helper may take, which is a program that may ask somebody.
const HELPER_PATIENCE: Duration = Duration::from_secs(10);

/// How often somebody is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Fetches `image`, which is `name` in a registry, with the credentials in the rules or else the user's
/// own.
///
/// # Errors
/// Who refused, and why.
pub(super) async fn pull(
    engine: &Engine,
    rules: &Rules,
    name: &Reference,
    image: &Remote,
) -> Result<(), (String, PullFailure)> {
    let (mut pause, mut tries) = (PULL_PAUSE, 1);
    loop {
        match pull_once(engine, rules, name, image).await {
            Err((why, PullFailure::Broken)) if tries < PULLS_MAX => {
                tracing::warn!(%image, tries, "image could not be fetched, trying again in {pause:?}: {why}");
                tokio::time::sleep(pause).await;
            }
            pulled => return pulled,
        }
        pause *= 4;
        tries += 1;
    }
}

async fn pull_once(
    engine: &Engine,
    rules: &Rules,
    name: &Reference,
    image: &Remote,
) -> Result<(), (String, PullFailure)> {
    let registry = image.registry();
    let (given, server) = (rules.auth.clone(), registry.to_owned());
    let asked = tokio::task::spawn_blocking(move || auth::credentials(given.as_deref(), &server));
    let credentials = tokio::time::timeout(HELPER_PATIENCE, asked).await.map_err(|_| {
        let why = format!("registry {registry:?}: its credential helper says nothing for {HELPER_PATIENCE:?}");
        (why, PullFailure::TimedOut)
    })?;
    // Without either, an engine would fetch all that the repository has.
    let pick = image.digest().map(|digest| digest.to_string()).or_else(|| image.tag().map(str::to_owned));
    let options = CreateImageOptions {
        from_image: Some(format!("{registry}/{}", image.repository())),
        tag: Some(pick.unwrap_or_else(|| "latest".to_owned())),
        ..CreateImageOptions::default()
    };
    tracing::info!(%image, registry, "image is not here, it is fetched");
    let (mut layers, mut told) = (Layers::default(), Instant::now());
    rules.progress.at(name, layers.snapshot());
    let mut events = engine.api.create_image(Some(options), None, credentials.ok().flatten());
    while let Some(event) = heard(&mut events).await? {
        // A pull that fails has often begun well: then the failure is an item of the answer.
        let event = event.map_err(|e| {
            let why = engine::why(&e);
            let failure = failure(engine::status(&e), &why);
            (format!("registry {registry:?}: {why}"), failure)
        })?;
        layers.note(event);
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            rules.progress.at(name, layers.snapshot());
        }
    }
    rules.progress.at(name, Snapshot { phase: Phase::Done, ..layers.snapshot() });
    tracing::info!(%image, registry, "image is here");
    Ok(())
}

/// What an engine says next, if it does in time.
async fn heard<S: Stream + Unpin>(events: &mut S) -> Result<Option<S::Item>, (String, PullFailure)> {
    let silent = |_| (format!("the engine says nothing of it for {SILENCE_MAX:?}"), PullFailure::TimedOut);
    tokio::time::timeout(SILENCE_MAX, events.next()).await.map_err(silent)
}

/// What the engine has told of each layer.
#[derive(Debug, Default)]
struct Layers(HashMap<String, Layer>);

#[derive(Clone, Copy, Debug, Default)]
struct Layer {
    bytes: u64,
    total: u64,
    fetched: bool,
    done: bool,
}

impl Layers {
    fn note(&mut self, event: CreateImageInfo) {
        let (Some(id), Some(status)) = (event.id, event.status) else { return };
        // The first event of all carries the tag in the place of a layer.
        if status.starts_with("Pulling from") {
            return;
        }
        let layer = self.0.entry(id).or_default();
        match &*status {
            "Downloading" => {
                let detail = event.progress_detail.unwrap_or_default();
                let known = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
                layer.bytes = known(detail.current).unwrap_or(layer.bytes);
                layer.total = known(detail.total).unwrap_or(layer.total).max(layer.bytes);
            }
            "Download complete" | "Extracting" | "Verifying Checksum" => layer.fetched = true,
            "Already exists" | "Pull complete" => (layer.fetched, layer.done) = (true, true),
            _ => {}
        }
        if layer.fetched {
            layer.bytes = layer.total;
        }
    }

    fn snapshot(&self) -> Snapshot {
        let layers = || self.0.values();
        let phase = match self.0.len() {
            0 => Phase::Resolving,
            _ if layers().all(|layer| layer.fetched) => Phase::Unpacking,
            _ => Phase::Fetching,
        };
        Snapshot {
            phase,
            layers: self.0.len(),
            layers_done: layers().filter(|layer| layer.done).count(),
            bytes_total: layers().map(|layer| layer.total).sum(),
            bytes: layers().map(|layer| layer.bytes).sum(),
        }
    }
}

/// What a registry meant. The engine hands on its words, with a status of its own, or in the middle
/// of an answer that began well.
fn failure(status: Option<u16>, why: &str) -> PullFailure {
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if says(&["toomanyrequests", "too many requests"]) {
        return PullFailure::Refused(429);
    }
    if says(&["unauthorized", "no basic auth credentials", "authentication required"]) {
        return PullFailure::Refused(401);
    }
    if says(&["not found", "manifest unknown", "does not exist", "name unknown"]) {
        return PullFailure::Refused(404);
    }
    if says(&["access denied", "denied:", "forbidden"]) {
        return PullFailure::Refused(403);
    }
    match status {
        Some(status @ 400..500) => PullFailure::Refused(status),
        _ => PullFailure::Broken,
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_says_nothing_is_not_waited_for_for_ever() {
        let mut silence = futures_util::stream::pending::<()>();
        assert!(matches!(heard(&mut silence).await, Err((_, PullFailure::TimedOut))));
        let mut end = futures_util::stream::iter([1]);
        assert_eq!((heard(&mut end).await, heard(&mut end).await), (Ok(Some(1)), Ok(None)));
    }

    #[test]
    fn what_an_engine_tells_of_layers_adds_up() {
        let mut layers = Layers::default();
        let mut told = |id: &str, status: &str, bytes: Option<(i64, i64)>| {
            let detail = bytes.map(|(current, total)| ProgressDetail { current: Some(current), total: Some(total) });
            layers.note(CreateImageInfo {
                id: Some(id.to_owned()),
                status: Some(status.to_owned()),
                progress_detail: detail,
                ..CreateImageInfo::default()
            });
            let at = layers.snapshot();
            (at.phase, at.layers, at.layers_done, at.bytes, at.bytes_total)
        };
        assert_eq!(told("latest", "Pulling from ada/hello", None), (Phase::Resolving, 0, 0, 0, 0));
        assert_eq!(told("a", "Already exists", None), (Phase::Unpacking, 1, 1, 0, 0));
        assert_eq!(told("b", "Pulling fs layer", None), (Phase::Fetching, 2, 1, 0, 0));
        assert_eq!(told("b", "Downloading", Some((10, 40))), (Phase::Fetching, 2, 1, 10, 40));
        assert_eq!(told("b", "Download complete", None), (Phase::Unpacking, 2, 1, 40, 40));
        assert_eq!(told("b", "Extracting", Some((5, 40))), (Phase::Unpacking, 2, 1, 40, 40));
        assert_eq!(told("b", "Pull complete", None), (Phase::Unpacking, 2, 2, 40, 40));
    }

    #[test]
    fn a_registrys_no_is_told_from_its_silence() {
        let check = |status, why, expected| assert_eq!(failure(status, why), expected, "{why}");
        check(Some(500), "Get http://r/v2/x: unauthorized: authentication required", PullFailure::Refused(401));
        check(Some(500), "Head http://r/v2/x: no basic auth credentials", PullFailure::Refused(401));
        check(Some(404), "manifest for r/x:1 not found: manifest unknown", PullFailure::Refused(404));
        check(
            Some(404),
            "pull access denied for x, repository does not exist or may require 'docker login'",
            PullFailure::Refused(404),
        );
        check(Some(403), "denied: requested access to the resource is denied", PullFailure::Refused(403));
        check(None, "toomanyrequests: You have reached your pull rate limit", PullFailure::Refused(429));
        check(Some(500), "dial tcp 127.0.0.1:1: connect: connection refused", PullFailure::Broken);
        check(None, "unexpected EOF", PullFailure::Broken);
    }
}
