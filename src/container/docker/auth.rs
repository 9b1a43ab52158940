//! Who we are to a registry: as `docker login` has noted it, or the program that keeps its secrets
//! says.
//!
//! ```json
//! {"auths": {"registry.example:5000": {"auth": "bmFtZTpzZWNyZXQ="}}}
//! ```
//!
//! `FN_DOCKER_AUTH` may hold the same text, or the inner table alone.

use bollard::auth::DockerCredentials;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use serde_json::{Value, json};

/// The registry of names that have none.
const HUB_HOST: &str = "docker.io";
/// What `docker login` calls the registry of names that have none.
const HUB: &str = "https://index.docker.io/v1/";

/// What to tell `registry`, of the text that was given, else of the user's own file. Read anew for each
/// pull: secrets change. Blocks while a program is asked.
pub(super) fn credentials(given: Option<&str>, registry: &str) -> Option<DockerCredentials> {
    let server = if registry == HUB_HOST { HUB } else { registry };
    let found = match given {
        Some(text) => of(text, server),
        None => docker_credential::get_credential(server),
    };
    let ours = DockerCredentials { serveraddress: Some(server.to_owned()), ..DockerCredentials::default() };
    match found {
        Ok(DockerCredential::IdentityToken(token)) => Some(DockerCredentials { identitytoken: Some(token), ..ours }),
        Ok(DockerCredential::UsernamePassword(username, password)) => {
            Some(DockerCredentials { username: Some(username), password: Some(password), ..ours })
        }
        Err(
            CredentialRetrievalError::ConfigNotFound
            | CredentialRetrievalError::ConfigReadError
            | CredentialRetrievalError::NoCredentialConfigured,
        ) => None,
        // Not with its words: they may hold what a helper printed.
        Err(_) => {
            tracing::warn!(registry, "credentials cannot be had, it is asked without");
            None
        }
    }
}

fn of(text: &str, server: &str) -> Result<DockerCredential, CredentialRetrievalError> {
    let said: Value = serde_json::from_str(text).map_err(|_| CredentialRetrievalError::CredentialDecodingError)?;
    let config = if said.get("auths").is_some() { said } else { json!({ "auths": said }) };
    docker_credential::get_credential_from_reader(config.to_string().as_bytes(), server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_registry_has_its_own() {
        let auths = r#"{
            "localhost:5000": {"auth": "bmFtZTpzZTpjcmV0"},
            "https://index.docker.io/v1/": {"username": "hub", "password": "p"},
            "other.example": {"identitytoken": "t"}}"#;
        for text in [auths.to_owned(), format!(r#"{{"auths": {auths}, "psFormat": "x"}}"#)] {
            let find = |registry| credentials(Some(&text), registry);
            let local = find("localhost:5000").unwrap();
            assert_eq!((local.username.as_deref(), local.password.as_deref()), (Some("name"), Some("se:cret")));
            assert_eq!(find("docker.io").unwrap().username.as_deref(), Some("hub"));
            assert_eq!(find("other.example").unwrap().identitytoken.as_deref(), Some("t"));
            assert_eq!(find("localhost"), None);
        }
        assert_eq!(credentials(Some("no json"), "docker.io"), None);
    }
}
