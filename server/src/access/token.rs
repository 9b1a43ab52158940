//! How a token is made, written, and kept.
//!
//! ```text
//! hotfn_01KB4Q2M9V8J3T6Y5RWXD7ZC0E_u0m1f5C…   the id, which is no secret, and 256 random bits
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Grant, Role};

/// What every token begins with, so that one that leaked is found for what it is.
const PREFIX: &str = "hotfn_";
/// Letters and digits of an id.
const ID_CHARS: usize = 26;
/// What is random of it.
const SECRET_BYTES: usize = 32;
/// Longer than any token; what is longer is none.
const TEXT_BYTES_MAX: usize = 128;

/// Most apps that one token can be for.
pub const APPS_MAX: usize = 100;
/// Most bytes of a token's name.
pub const NAME_BYTES_MAX: usize = 255;

/// What is kept of a token.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Token {
    /// By which it is found, and revoked.
    pub id: String,
    /// What people call it. Several may have the same.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The names of the apps it is for; none for the whole node.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub apps: BTreeSet<String>,
    /// What the one who has it proves to have.
    pub hash: Hash,
    /// RFC 3339 with milliseconds.
    pub created_at: String,
}

/// The SHA-256 of a token's text. Equal in constant time.
#[derive(Clone, Eq)]
pub struct Hash([u8; 32]);

/// A token's text: what its holder sends. Shown on purpose only.
#[derive(Clone)]
pub struct Text(String);

/// What a token may not be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// An admin of some apps only.
    #[error("the role admin is of the whole node; a token for some apps has the role deploy or invoke")]
    AdminOfApps,
    /// An app that cannot be.
    #[error("{0}")]
    App(String),
    /// Too many apps.
    #[error("{0} apps are too many; a token is for {APPS_MAX} at most, or for the whole node")]
    Apps(usize),
    /// A name that is empty or too long.
    #[error("a token's name has 1 to {NAME_BYTES_MAX} bytes, and no control characters")]
    Name,
}

impl Token {
    /// A new one, made at `created_at`, and its text, which nobody can tell later.
    ///
    /// # Errors
    /// When the system gives no random bits.
    pub fn make(name: String, role: Role, apps: BTreeSet<String>, created_at: String) -> io::Result<(Self, Text)> {
        let mut secret = [0; SECRET_BYTES];
        fill(&mut secret)?;
        let id = ulid::Ulid::generate().to_string();
        let text = Text(format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(secret)));
        let hash = Hash::of(text.0.as_bytes());
        Ok((Self { id, name, role, apps, hash, created_at }, text))
    }

    /// May there be a token like this?
    ///
    /// # Errors
    /// When not.
    pub fn check(name: &str, role: Role, apps: &BTreeSet<String>) -> Result<(), Unfit> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(Unfit::Name);
        }
        if role == Role::Admin && !apps.is_empty() {
            return Err(Unfit::AdminOfApps);
        }
        if apps.len() > APPS_MAX {
            return Err(Unfit::Apps(apps.len()));
        }
        apps.iter().try_for_each(|app| crate::config::function::app(app)).map_err(Unfit::App)
    }

    /// What its holder may do.
    #[must_use]
    pub fn grant(&self) -> Grant {
        let apps = (!self.apps.is_empty()).then(|| self.apps.clone());
        Grant { name: self.name.clone(), role: self.role, apps }
    }
}

/// The id that a token's text carries; `None` if it is no token's.
#[must_use]
pub fn id(text: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= TEXT_BYTES_MAX)?;
    let (id, secret) = text.strip_prefix(PREFIX)?.split_at_checked(ID_CHARS)?;
    secret.starts_with('_').then_some(id)
}

/// The token of an `Authorization` header.
#[must_use]
pub fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

impl Hash {
    /// Of a token's text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }
}

impl PartialEq for Hash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash")
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(serde::de::Error::custom)?;
        let bytes = bytes.try_into().map_err(|_| serde::de::Error::custom("a hash has 32 bytes"))?;
        Ok(Self(bytes))
    }
}

impl Text {
    /// What its holder is to send.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text")
    }
}

fn fill(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(more) => filled += more,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
