//! Who we are to a registry.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::secrets::RegistryAuth;

use crate::error::Trouble;
use crate::store::{Credentials, blocking};

/// Longest wait for a credential helper, which is a program that may ask somebody.
const HELPER_TIMEOUT: Duration = Duration::from_secs(10);
/// What Docker calls its own registry in its config.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Who we are to `registry`; nobody, if nothing says otherwise.
pub(super) async fn of(credentials: &Credentials, registry: &str) -> Result<RegistryAuth, Trouble> {
    let server = if registry == "docker.io" { DOCKER_HUB } else { registry }.to_owned();
    let credentials = credentials.clone();
    let asked = blocking(move || {
        Ok(match &credentials {
            Credentials::Docker => docker_credential::get_credential(&server),
            Credentials::File(path) => in_file(path, &server)?,
            Credentials::None => Err(CredentialRetrievalError::NoCredentialConfigured),
        })
    });
    let Ok(found) = tokio::time::timeout(HELPER_TIMEOUT, asked).await else {
        let why = format!("the credential helper for {registry} did not answer within {HELPER_TIMEOUT:?}");
        return Err(Trouble::os(why, std::io::ErrorKind::TimedOut));
    };
    match found? {
        Ok(DockerCredential::UsernamePassword(name, password)) => Ok(RegistryAuth::Basic(name, password)),
        Ok(DockerCredential::IdentityToken(_)) => {
            let why =
                format!("the credentials for {registry} are an identity token; log in with a name and a password");
            Err(Trouble::os(why, std::io::ErrorKind::Unsupported))
        }
        // Most people have never logged in anywhere, and have no such file to be read.
        Err(
            CredentialRetrievalError::ConfigNotFound
            | CredentialRetrievalError::ConfigReadError
            | CredentialRetrievalError::NoCredentialConfigured,
        ) => Ok(RegistryAuth::Anonymous),
        // Not with its words: they may hold what a helper printed.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => Err(Trouble::os(
            format!("{helper} has no credentials for {registry}"),
            std::io::ErrorKind::PermissionDenied,
        )),
        Err(e) => {
            Err(Trouble::os(format!("credentials for {registry} cannot be read: {e}"), std::io::ErrorKind::InvalidData))
        }
    }
}

fn in_file(path: &Path, server: &str) -> Result<Result<DockerCredential, CredentialRetrievalError>, Trouble> {
    let file = File::open(path).map_err(|e| Trouble::os(format!("cannot open {}", path.display()), e))?;
    Ok(docker_credential::get_credential_from_reader(file, server))
}
