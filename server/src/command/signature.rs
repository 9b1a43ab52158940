//! Signatures: who holds the key, and said exactly this.
//!
//! What is signed is five parts with a line feed between them: method, path, nonce, timestamp and
//! the body's bytes as they were sent. The signature is their HMAC under the secret key, in hex.
//! Nothing is parsed before it is checked and nothing is written anew to check it: the platform's
//! client writes `/` as `\/` in JSON, and another spelling of the same document has another
//! signature.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::Sha256;

use super::hex;

/// Which hash a signature is made with.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Algorithm {
    /// HMAC-SHA1, which every client of the platform speaks.
    #[default]
    Sha1,
    /// HMAC-SHA256, asked for with `X-Auth-Algorithm: HMAC-SHA256`.
    Sha256,
}

/// What a signature covers.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// In capitals.
    pub method: &'a str,
    /// What the client put after host and port.
    pub path: &'a str,
    /// Never used before.
    pub nonce: &'a str,
    /// Decimal Unix seconds.
    pub timestamp: &'a str,
    /// The very bytes; none for a request without a body.
    pub body: &'a [u8],
}

/// A secret key, made ready to sign with. The key itself is not kept, and is never shown.
#[derive(Clone)]
pub struct Secret {
    sha1: Hmac<Sha1>,
    sha256: Hmac<Sha256>,
    bytes: usize,
}

impl Algorithm {
    /// As it stands in a header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "HMAC-SHA1",
            Self::Sha256 => "HMAC-SHA256",
        }
    }

    /// The one of this name, in any case.
    #[must_use]
    pub fn of(name: &[u8]) -> Option<Self> {
        [Self::Sha1, Self::Sha256].into_iter().find(|a| name.eq_ignore_ascii_case(a.name().as_bytes()))
    }

    /// How many hex digits its signatures have.
    #[must_use]
    pub fn digits(self) -> usize {
        match self {
            Self::Sha1 => 40,
            Self::Sha256 => 64,
        }
    }
}

impl Secret {
    /// A key shorter than this is worth a warning.
    pub const BYTES_WISE: usize = 16;

    /// The key whose UTF-8 bytes these are; `None` if there are none.
    #[must_use]
    pub fn new(key: &str) -> Option<Self> {
        let key = key.as_bytes();
        if key.is_empty() {
            return None;
        }
        let sha1 = Hmac::new_from_slice(key).expect("a key of any length will do");
        let sha256 = Hmac::new_from_slice(key).expect("a key of any length will do");
        Some(Self { sha1, sha256, bytes: key.len() })
    }

    /// Is it so short that it might be guessed?
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.bytes < Self::BYTES_WISE
    }

    /// The signature, in capitals as the platform writes it.
    #[must_use]
    pub fn sign(&self, algorithm: Algorithm, statement: &Statement<'_>) -> String {
        match algorithm {
            Algorithm::Sha1 => hex::upper(&statement.feed(self.sha1.clone()).finalize().into_bytes()),
            Algorithm::Sha256 => hex::upper(&statement.feed(self.sha256.clone()).finalize().into_bytes()),
        }
    }

    /// Is `signature`, as bytes, this key's for the statement? Takes as long for a wrong first byte
    /// as for a wrong last one.
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm, statement: &Statement<'_>, signature: &[u8]) -> bool {
        match algorithm {
            Algorithm::Sha1 => statement.feed(self.sha1.clone()).verify_slice(signature).is_ok(),
            Algorithm::Sha256 => statement.feed(self.sha256.clone()).verify_slice(signature).is_ok(),
        }
    }
}

impl Statement<'_> {
    fn feed<M: hmac::Mac>(&self, mut mac: M) -> M {
        for part in [self.method, self.path, self.nonce, self.timestamp] {
            mac.update(part.as_bytes());
            mac.update(b"\n");
        }
        mac.update(self.body);
        mac
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "0123456789abcdef0123456789abcdef";

    fn statement<'a>(method: &'a str, path: &'a str, body: &'a str) -> Statement<'a> {
        Statement { method, path, nonce: NONCE, timestamp: "1700000000", body: body.as_bytes() }
    }

    fn check(method: &str, path: &str, body: &str, signature: &str) {
        let key = Secret::new("s3cr3t").unwrap();
        let statement = statement(method, path, body);
        assert_eq!(key.sign(Algorithm::Sha1, &statement), signature);
        assert!(key.verifies(Algorithm::Sha1, &statement, &hex::decode(signature.as_bytes()).unwrap()));
    }

    /// Section 1.2 of the contract.
    #[test]
    fn the_four_vectors() {
        check("POST", "/shell", r#"{"command":"hostname","wait":true}"#, "4D948F7BAC868ACBA65C335EE6593D2F2D173B7A");
        let escaped = r#"{"command":"ls -l \/home","wait":true}"#;
        check("POST", "/shell", escaped, "46C3381927CB1FF50FE42CF779728434F1CEFD71");
        let unicode = r#"{"command":"echo 你好","wait":false}"#;
        check("POST", "/shell", unicode, "5ABC114A6E449B09F6DD5951F5F0E203F1271ED8");
        check("GET", "/shell/42", "", "82DBE0E08FEF78B77EA611547BC4AB570A38B757");
    }

    #[test]
    fn one_flipped_bit_anywhere_is_another_statement() {
        let key = Secret::new("s3cr3t").unwrap();
        let said = statement("POST", "/shell", "{}");
        for algorithm in [Algorithm::Sha1, Algorithm::Sha256] {
            let signature = hex::decode(key.sign(algorithm, &said).as_bytes()).unwrap();
            assert_eq!(signature.len() * 2, algorithm.digits());
            assert!(key.verifies(algorithm, &said, &signature));
            let others = [
                Statement { method: "QOST", ..said },
                Statement { path: "/shelm", ..said },
                Statement { nonce: "1123456789abcdef0123456789abcdef", ..said },
                Statement { timestamp: "1700000001", ..said },
                Statement { body: b"{|", ..said },
            ];
            assert!(others.iter().all(|other| !key.verifies(algorithm, other, &signature)));
            assert!(!Secret::new("s3cr3u").unwrap().verifies(algorithm, &said, &signature));
            for byte in 0..signature.len() {
                let mut flipped = signature.clone();
                flipped[byte] ^= 1;
                assert!(!key.verifies(algorithm, &said, &flipped));
            }
            assert!(!key.verifies(algorithm, &said, &signature[..signature.len() - 1]));
        }
    }

    #[test]
    fn a_secret_shows_nothing_and_knows_when_it_is_short() {
        let key = Secret::new("s3cr3t").unwrap();
        assert_eq!(format!("{key:?}"), "Secret(…)");
        assert!(key.is_short() && !Secret::new("0123456789abcdef").unwrap().is_short());
        assert!(Secret::new("").is_none());
    }
}
