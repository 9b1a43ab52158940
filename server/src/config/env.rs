//! What the environment sets, by the names of its variables (`names`).
//!
//! A variable that is not set may be given as the name of a file that holds it, in a variable of the same
//! name with `_FILE` behind it. An empty value counts as absent; a malformed one is fatal at start.

mod names;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use super::{Containers, Settings, function as limit, redact};

pub use names::*;

/// A variable that cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {} is not {expected}", shown(name, value))]
pub struct Malformed {
    name: String,
    value: String,
    expected: &'static str,
}

/// A value, without what may be a password in it.
fn shown(name: &str, value: &str) -> String {
    if name == DB_URL { "what is set".to_owned() } else { format!("{:?}", redact::urls(value)) }
}

impl Malformed {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What the environment sets, seen through `lookup`.
///
/// # Errors
/// At the first variable that cannot be followed.
pub fn settings(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Malformed> {
    let env = Env { lookup };
    Ok(Settings {
        listen: env
            .read::<u16>(PORT, "a port, 0 to 65535")?
            .map(|p| SocketAddr::from((Ipv4Addr::UNSPECIFIED, p)).into()),
        db: env.map(DB_URL, "memory, sqlite3:///PATH or postgres://USER:PASSWORD@HOST/NAME", |url| url.parse().ok())?,
        tokens: env.map(TOKENS, "required, except-triggers or off", |word| word.parse().ok())?,
        public_url: env
            .map(PUBLIC_URL, "a URL that begins with http:// or https://", |url| limit::public_url(url).ok())?,
        iofs: env.read::<PathBuf>(IOFS, "a path")?,
        memory_mb: env.read::<u64>(MEMORY_BYTES, BYTES)?.map(|bytes| bytes.div_ceil(1 << 20)),
        cpu_milli: env.read(CPU_MILLI, "a whole number of thousandths of a CPU")?,
        refuse_when_full: env.truth(REFUSE_WHEN_FULL)?,
        freeze_idle_ms: env.read(FREEZE_IDLE, MILLISECONDS)?,
        start_timeout_ms: env.read(START_TIMEOUT, MILLISECONDS)?,
        cors_origins: env.list(CORS_ORIGINS, "a list of origins, such as https://shop.example", limit::cors_origin)?,
        cors_headers: env.list(CORS_HEADERS, "a list of headers' names", limit::header)?,
        request_bytes_max: env.read(REQUEST_BYTES_MAX, BYTES)?,
        request_head_bytes_max: env.read(REQUEST_HEAD_BYTES_MAX, BYTES)?,
        request_head_timeout: env.seconds(REQUEST_HEAD_TIMEOUT)?.filter(|&s| s > 0),
        response_bytes_max: env.read(RESPONSE_BYTES_MAX, BYTES)?,
        response_head_bytes_max: env.read(RESPONSE_HEAD_BYTES_MAX, BYTES)?,
        log_bytes_max: env.read(LOG_BYTES_MAX, BYTES)?,
        containers: containers(&env)?,
        ..Settings::default()
    })
}

fn containers(env: &Env<'_>) -> Result<Containers, Malformed> {
    Ok(Containers {
        pull_timeout_ms: env.read(PULL_TIMEOUT, MILLISECONDS)?,
        images_bytes_max: env.read(IMAGES_BYTES_MAX, BYTES)?,
        images_exempt: env.words(IMAGES_EXEMPT)?,
        load: env.read(LOAD, "a path")?,
        unprivileged: env.truth(PRIVILEGED)?.map(|is_on| !is_on),
        read_only: env.truth(WRITABLE)?.map(|is_on| !is_on),
        tmp_inodes: env.read(TMP_INODES, COUNT)?,
        pids: env.read(PIDS, COUNT)?,
        open_files: env.read(OPEN_FILES, COUNT)?,
        locked_bytes: env.read(LOCKED_BYTES, BYTES)?,
        pending_signals: env.read(PENDING_SIGNALS, COUNT)?,
        message_queue_bytes: env.read(MESSAGE_QUEUE_BYTES, BYTES)?,
        volumes: env.truth(VOLUMES)?,
        networks: env.words(NETWORKS)?,
        docker_iofs: env.read(IOFS_DOCKER, "a path")?,
        docker_label: env.read(LABEL, "a label")?,
        docker_auth: env.read(DOCKER_AUTH, "credentials")?,
        ..Containers::default()
    })
}

/// The process's environment, for [`settings`]. What is not UTF-8 counts as absent.
#[must_use]
pub fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

const BYTES: &str = "a whole number of bytes";
const COUNT: &str = "a whole number";
const MILLISECONDS: &str = "a whole number of milliseconds";

struct Env<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl Env<'_> {
    /// The value and the name it was found under.
    fn find(&self, name: &str) -> Result<Option<String>, Malformed> {
        if let Some(value) = (self.lookup)(name).filter(|v| !v.is_empty()) {
            return Ok(Some(value));
        }
        let by_file = format!("{name}_FILE");
        let Some(path) = (self.lookup)(&by_file).filter(|v| !v.is_empty()) else { return Ok(None) };
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|v| !v.is_empty())),
            Err(_) => Err(Malformed { name: by_file, value: path, expected: "a file that can be read" }),
        }
    }

    fn read<T: FromStr>(&self, name: &str, expected: &'static str) -> Result<Option<T>, Malformed> {
        self.map(name, expected, |value| value.parse().ok())
    }

    /// Words with white space between, or commas, which Fn's documentation mentions.
    fn words(&self, name: &str) -> Result<Option<Vec<String>>, Malformed> {
        self.map(name, "a list of words", |value| {
            let words = value.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
            Some(words.map(str::to_owned).collect())
        })
    }

    /// The same, each of which passes `check`.
    fn list(
        &self,
        name: &str,
        expected: &'static str,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Result<Option<Vec<String>>, Malformed> {
        let Some(words) = self.words(name)? else { return Ok(None) };
        match words.iter().find(|word| check(word).is_err()) {
            Some(wrong) => Err(Malformed { name: name.to_owned(), value: wrong.clone(), expected }),
            None => Ok(Some(words)),
        }
    }

    /// The usual spellings.
    fn truth(&self, name: &str) -> Result<Option<bool>, Malformed> {
        self.map(name, "a truth value, such as true or false", |value| match value.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" | "yes" | "on" => Some(true),
            "0" | "f" | "false" | "no" | "off" => Some(false),
            _ => None,
        })
    }

    /// Whole seconds, or a number with `ms`, `s`, `m` or `h` behind it; rounded up.
    fn seconds(&self, name: &str) -> Result<Option<u64>, Malformed> {
        self.map(name, "a number of seconds or a duration such as 500ms, 30s, 2m", |value| {
            let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let number: u64 = digits.parse().ok()?;
            match &value[digits.len()..] {
                "" | "s" => Some(number),
                "ms" => Some(number.div_ceil(1000)),
                "m" => number.checked_mul(60),
                "h" => number.checked_mul(3600),
                _ => None,
            }
        })
    }

    fn map<T>(
        &self,
        name: &str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Malformed> {
        let Some(value) = self.find(name)? else { return Ok(None) };
        match parse(value.trim()) {
            Some(parsed) => Ok(Some(parsed)),
            None => Err(Malformed { name: name.to_owned(), value, expected }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Tokens;
    use crate::store::Url;

    fn with(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let lookup = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        settings(&lookup).map_err(|e| e.to_string())
    }

    #[test]
    fn each_variable_sets_its_knob() {
        let settings = with(&[
            (PORT, "9000"),
            (FREEZE_IDLE, "-1"),
            (MEMORY_BYTES, "1048577"),
            (REFUSE_WHEN_FULL, "True"),
            (REQUEST_HEAD_TIMEOUT, "1500ms"),
            (REQUEST_BYTES_MAX, ""),
            (PIDS, "9"),
            (WRITABLE, "1"),
            (NETWORKS, "one two, three"),
            (DB_URL, "sqlite3:///data/fn.db"),
            (PUBLIC_URL, "https://fn.example/"),
            (CORS_ORIGINS, "https://a.example,http://localhost:3000"),
            (TOKENS, "off"),
        ])
        .unwrap();
        let expected = Settings {
            listen: Some("0.0.0.0:9000".parse().unwrap()),
            freeze_idle_ms: Some(-1),
            memory_mb: Some(2),
            refuse_when_full: Some(true),
            request_head_timeout: Some(2),
            containers: Containers {
                pids: Some(9),
                read_only: Some(false),
                networks: Some(["one", "two", "three"].map(str::to_owned).into()),
                ..Containers::default()
            },
            db: Some(Url::Sqlite("/data/fn.db".into())),
            public_url: Some("https://fn.example".to_owned()),
            cors_origins: Some(["https://a.example", "http://localhost:3000"].map(str::to_owned).into()),
            tokens: Some(Tokens::Off),
            ..Settings::default()
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn a_malformed_value_is_refused_by_name() {
        let check = |name, value, expected: &str| assert_eq!(with(&[(name, value)]).unwrap_err(), expected);
        check(PORT, "http", "FN_PORT: \"http\" is not a port, 0 to 65535");
        check(START_TIMEOUT, "-5", "FN_HOT_START_TIMEOUT_MSECS: \"-5\" is not a whole number of milliseconds");
        check(
            REFUSE_WHEN_FULL,
            "maybe",
            "FN_ENABLE_NB_RESOURCE_TRACKER: \"maybe\" is not a truth value, such as true or false",
        );
        check(
            DB_URL,
            "mysql://u:password@h/db",
            "FN_DB_URL: what is set is not memory, sqlite3:///PATH or postgres://USER:PASSWORD@HOST/NAME",
        );
        check(
            PUBLIC_URL,
            "fn.example",
            "FN_PUBLIC_LB_URL: \"fn.example\" is not a URL that begins with http:// or https://",
        );
        check(
            PUBLIC_URL,
            "ftp://u:password@h",
            "FN_PUBLIC_LB_URL: \"ftp://…@h\" is not a URL that begins with http:// or https://",
        );
        let origins = "FN_API_CORS_ORIGINS: \"a.example\" is not a list of origins, such as https://shop.example";
        check(CORS_ORIGINS, "https://b.example a.example", origins);
        check("FN_PORT_FILE", "/nowhere", "FN_PORT_FILE: \"/nowhere\" is not a file that can be read");
    }

    #[test]
    fn a_value_may_be_in_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "9001\n").unwrap();
        let settings = with(&[("FN_PORT_FILE", file.path().to_str().unwrap())]).unwrap();
        assert_eq!(settings.listen, Some("0.0.0.0:9001".parse().unwrap()));
    }
}
