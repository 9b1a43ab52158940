//! Having an engine fetch an image from its registry.

use std::time::Duration;

use bollard::query_parameters::CreateImageOptions;
use futures_util::StreamExt;
use hotfn_images::Remote;

use super::auth;
use super::engine::{self, Engine};
use crate::container::PullFailure;

/// How often a pull is tried that was broken off,
const PULLS_MAX: u32 = 3;
/// and the pause after the first; each further one is four times as long.
const PULL_PAUSE: Duration = Duration::from_millis(500);

/// Fetches `image`, with the credentials in `auth` or else the user's own.
///
/// # Errors
/// Who refused, and why.
pub(super) async fn pull(engine: &Engine, auth: Option<&str>, image: &Remote) -> Result<(), (String, PullFailure)> {
    let (mut pause, mut tries) = (PULL_PAUSE, 1);
    loop {
        match pull_once(engine, auth, image).await {
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

async fn pull_once(engine: &Engine, auth: Option<&str>, image: &Remote) -> Result<(), (String, PullFailure)> {
    let registry = image.registry();
    let (given, server) = (auth.map(str::to_owned), registry.to_owned());
    let credentials = tokio::task::spawn_blocking(move || auth::credentials(given.as_deref(), &server)).await;
    // Without either, an engine would fetch all that the repository has.
    let pick = image.digest().map(|digest| digest.to_string()).or_else(|| image.tag().map(str::to_owned));
    let options = CreateImageOptions {
        from_image: Some(format!("{registry}/{}", image.repository())),
        tag: Some(pick.unwrap_or_else(|| "latest".to_owned())),
        ..CreateImageOptions::default()
    };
    tracing::info!(%image, registry, "image is not here, it is fetched");
    let mut events = engine.api.create_image(Some(options), None, credentials.ok().flatten());
    while let Some(event) = events.next().await {
        // A pull that fails has often begun well: then the failure is an item of the answer.
        let event = event.map_err(|e| {
            let why = engine::why(&e);
            let failure = failure(engine::status(&e), &why);
            (format!("registry {registry:?}: {why}"), failure)
        })?;
        if let (Some(layer), Some(status)) = (event.id, event.status) {
            tracing::debug!(%image, layer, status, "image is fetched");
        }
    }
    tracing::info!(%image, registry, "image is here");
    Ok(())
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
    use super::*;

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
