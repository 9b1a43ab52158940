//! What the client's errors mean: what the registry said, and whether it may pass.

use oci_client::errors::{OciDistributionError, OciErrorCode};

use crate::error::Trouble;

/// How much of a registry's words is repeated.
const WORDS_CHARS_MAX: usize = 300;

pub(super) fn trouble(error: OciDistributionError) -> Trouble {
    use OciDistributionError as E;
    match error {
        // Which of the two it is, many registries do not tell those who may not know.
        E::UnauthorizedError { .. } => {
            Trouble::Refused(401, "not authorized: no such image, or credentials are missing or wrong".to_owned())
        }
        E::AuthenticationFailure(words) => Trouble::Refused(401, cut(&words)),
        E::ImageManifestNotFoundError(words) => Trouble::Refused(404, cut(&words)),
        E::RegistryError { envelope, .. } => {
            let status = envelope.errors.first().map_or(400, |error| status(&error.code));
            let words: Vec<&str> = envelope.errors.iter().map(|error| error.message.as_str()).collect();
            Trouble::Refused(status, cut(&words.join(", ")))
        }
        E::ServerError { code, message, .. } => Trouble::Refused(code, cut(&message)),
        E::DigestError(_) | E::IoError(_) | E::RequestError(_) => Trouble::Transient(cut(&chain(&error))),
        other => Trouble::Invalid(format!("the registry's answer is not understood: {}", cut(&other.to_string()))),
    }
}

/// An error with what it comes from.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some repeat what they come from.
        if !words.contains(&next) {
            words.push_str(": ");
            words.push_str(&next);
        }
        cause = error.source();
    }
    words
}

/// The status that goes with a code: the client keeps only the code.
fn status(code: &OciErrorCode) -> u16 {
    match code {
        OciErrorCode::BlobUnknown
        | OciErrorCode::ManifestBlobUnknown
        | OciErrorCode::ManifestUnknown
        | OciErrorCode::NameUnknown
        | OciErrorCode::NotFound => 404,
        OciErrorCode::Denied => 403,
        OciErrorCode::Toomanyrequests => 429,
        OciErrorCode::Unauthorized => 401,
        OciErrorCode::Unsupported => 405,
        _ => 400,
    }
}

/// A stranger's words: their beginning, and nothing that would disturb a terminal.
fn cut(words: &str) -> String {
    words.chars().take(WORDS_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
