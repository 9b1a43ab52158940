//! Who we are to a registry: as `docker login` has noted it.
//!
//! ```json
//! {"auths": {"registry.example:5000": {"auth": "bmFtZTpzZWNyZXQ="}}}
//! ```
//!
//! `FN_DOCKER_AUTH` may hold the same text, or the inner table alone. Secrets that a helper program keeps
//! are not asked for.

use std::collections::HashMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;

/// What an image's name without a registry means, as `docker login` writes it.
const HUB: &str = "https://index.docker.io/v1/";

#[derive(Debug, Deserialize)]
struct File {
    auths: HashMap<String, Entry>,
}

#[derive(Debug, Default, Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

/// What to tell `registry`, of the text that was given, else of the user's own file. Read anew for each
/// pull: secrets change.
pub(super) fn credentials(given: Option<&str>, registry: &str) -> Option<DockerCredentials> {
    match given {
        Some(text) => of(text, registry),
        None => of(&std::fs::read_to_string(file()?).ok()?, registry),
    }
}

fn file() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker")));
    Some(folder?.join("config.json"))
}

fn of(text: &str, registry: &str) -> Option<DockerCredentials> {
    let auths = serde_json::from_str::<File>(text).map(|file| file.auths).or_else(|_| serde_json::from_str(text));
    let auths: HashMap<String, Entry> =
        auths.inspect_err(|_| tracing::warn!("credentials for registries are not JSON")).ok()?;
    let (place, entry) = auths.into_iter().find(|(place, _)| host(place) == registry)?;
    let decoded = entry.auth.and_then(|auth| String::from_utf8(STANDARD.decode(auth).ok()?).ok());
    let (username, password) = match decoded.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((name, secret)) => (Some(name.to_owned()), Some(secret.trim_end_matches('\0').to_owned())),
        None => (entry.username, entry.password),
    };
    Some(DockerCredentials {
        username,
        password,
        identitytoken: entry.identitytoken.filter(|token| !token.is_empty()),
        serveraddress: Some(place),
        ..DockerCredentials::default()
    })
}

/// The registry that an entry is for: some are noted with a scheme and a path.
fn host(place: &str) -> &str {
    if place == HUB {
        return super::name::HUB;
    }
    let place = place.split_once("://").map_or(place, |(_, rest)| rest);
    place.split('/').next().unwrap_or(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_registry_has_its_own() {
        let auths = r#"{
            "localhost:5000": {"auth": "bmFtZTpzZTpjcmV0"},
            "https://index.docker.io/v1/": {"username": "hub", "password": "p"},
            "https://other.example/v2/": {"identitytoken": "t"}}"#;
        for text in [auths.to_owned(), format!(r#"{{"auths": {auths}, "psFormat": "x"}}"#)] {
            let local = of(&text, "localhost:5000").unwrap();
            assert_eq!((local.username.as_deref(), local.password.as_deref()), (Some("name"), Some("se:cret")));
            assert_eq!(of(&text, "docker.io").unwrap().username.as_deref(), Some("hub"));
            assert_eq!(of(&text, "other.example").unwrap().identitytoken.as_deref(), Some("t"));
            assert_eq!(of(&text, "localhost"), None);
        }
        assert_eq!(of("no json", "docker.io"), None);
    }
}
