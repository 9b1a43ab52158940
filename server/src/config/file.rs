//! The config file: a `[node]` table, a `[containers]` table, `[exec]` tables, a `[db]` table, a `[calls]` table, a
//! `[[function]]` table for each function, and a `[connector.NAME]` table for each connector.
//!
//! ```toml
//! [node]
//! listen = "127.0.0.1:8080"
//!
//! [[function]]
//! app = "shop"
//! name = "hello"
//! image = "process:target/release/hello"
//! memory = 64             # MB
//! timeout = 10            # s
//! triggers = ["/hello"]   # http://127.0.0.1:8080/t/shop/hello
//! ```
//!
//! `app` may be left out and is then `default`; a function without an `id` gets `app.name`, which
//! is stable and, since no app's name holds a dot, nobody else's. Unknown keys are refused: a
//! misspelt bound would otherwise be no bound.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

use hotfn_exec::rules::Rules;

use super::calls::CallsTable;
use super::connector;
use super::containers::ContainersTable;
use super::deployment::{FunctionTable, deployments};
use super::exec::{self, ExecTable};
use super::function as limit;
use super::node::NodeTable;
use super::place::Place;
use super::{Deployment, Driver, Refused, Settings};
use crate::connector::Definition;

/// A config file's contents, checked.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The `[node]` table.
    pub settings: Settings,
    /// The `[[function]]` tables, in their order.
    pub functions: Vec<Deployment>,
    /// Of the `[exec]` tables, what is for `hotfn exec-server`.
    pub exec: Rules,
    /// The `[connector.NAME]` tables, by name.
    pub connectors: Vec<Definition>,
}

/// Reads the file at `path`. Images in it are to be for `driver`, or for the one that it names itself.
///
/// # Errors
/// When it cannot be read, or something in it cannot be followed.
pub fn load(path: &Path, driver: Option<Driver>) -> Result<Config, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    Ok(parse(&text, path, driver)?)
}

/// Reads the node's settings of the file at `path`, and none of its functions, whose images only the
/// node's own driver can judge.
///
/// # Errors
/// When it cannot be read, or something else in it cannot be followed.
pub fn load_settings(path: &Path) -> Result<Settings, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    let (config, _) = read(&Place { text: &text, path })?;
    Ok(config.settings)
}

/// Why a config file could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It could not be read.
    #[error("cannot read the config file {}", .path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It cannot be followed.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Reads `text`, which came from `path`; relative folders in it are relative to its folder.
///
/// # Errors
/// At the first thing that cannot be followed.
pub fn parse(text: &str, path: &Path, driver: Option<Driver>) -> Result<Config, Refused> {
    let place = Place { text, path };
    let (config, functions) = read(&place)?;
    let driver = driver.unwrap_or_else(|| config.settings.containers.driver());
    Ok(Config { functions: deployments(functions, driver, &place)?, ..config })
}

/// All but the functions, which depend on the driver.
fn read(place: &Place<'_>) -> Result<(Config, Vec<Spanned<FunctionTable>>), Refused> {
    let file: File = place.read()?;
    let settings =
        Settings { calls: file.calls.read(place)?, containers: file.containers.read(place)?, ..file.node.read(place)? };
    let exec = exec::exec(file.exec, place)?;
    let connectors = connector::connectors(file.connector, place)?;
    let mut config = Config { settings, functions: Vec::new(), exec: exec.server, connectors };
    config.settings.exec = (!exec.functions.rules.is_empty()).then_some(exec.functions);
    config.settings.db = file.db.url.map(|url| place.check(&url, |url| limit::db(url))).transpose()?;
    Ok((config, file.function))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// It has [a reader of its own](super::command).
    #[serde(rename = "command")]
    _command: Option<IgnoredAny>,
    #[serde(default)]
    node: NodeTable,
    #[serde(default)]
    containers: ContainersTable,
    #[serde(default)]
    calls: CallsTable,
    #[serde(default)]
    db: DbTable,
    #[serde(default)]
    exec: ExecTable,
    #[serde(default)]
    function: Vec<Spanned<FunctionTable>>,
    #[serde(default)]
    connector: connector::Tables,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DbTable {
    url: Option<Spanned<String>>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hotfn::Function;
    use hotfn_protocols::Format;

    use super::super::{Calls, Containers};
    use super::*;
    use crate::access::Tokens;
    use crate::calls::{Records, Retries};
    use crate::front::Trigger;
    use crate::store::Url;
    use crate::tls;

    #[test]
    fn a_whole_file_is_followed() {
        let text = r#"
            [node]
            listen = "0.0.0.0:9000"
            tokens = "except-triggers"
            tls_certificate = "cert.pem"
            tls_key = "/run/key.pem"
            public_url = "https://fn.example/"
            memory = 512
            freeze_idle_ms = -1
            state = "state"

            [containers]
            driver = "process"
            pids = 10
            networks = ["a", "b"]

            [db]
            url = "memory"

            [calls]
            record = "all"
            open_max = 10
            retry_delay_ms = 0

            [[function]]
            app = "shop"
            name = "hello"
            image = "process:bin/hello --loud"
            dir = "functions"
            format = "json"
            memory = 8192
            timeout = 300
            idle_timeout = 3600
            min_warm = 1
            stock = 2
            max_containers = 1
            queue_max = 0
            queue_wait_max_ms = 250
            rate = 20
            burst = 5
            retry_attempts = 5
            triggers = ["/", "/deep/er"]
            [function.config]
            GREETING = "hi"
            [function.secrets]
            KEY = "opensesame"

            [[function]]
            id = "only-an-id"
            image = "process:x"
            concurrency = 100
        "#;
        let config = parse(text, Path::new("/etc/hotfn.toml"), None).unwrap();
        let settings = Settings {
            listen: Some("0.0.0.0:9000".parse().unwrap()),
            tokens: Some(Tokens::ExceptTriggers),
            tls: Some(tls::Files { certificate: "/etc/cert.pem".into(), key: "/run/key.pem".into() }),
            public_url: Some("https://fn.example".to_owned()),
            db: Some(Url::Memory),
            memory_mb: Some(512),
            freeze_idle_ms: Some(-1),
            state: Some("/etc/state".into()),
            calls: Calls {
                records: Some(Records::All),
                open_max: Some(10),
                retries: Retries { delay_ms: Some(0), ..Retries::default() },
                ..Calls::default()
            },
            containers: Containers {
                driver: Some(Driver::Process),
                pids: Some(10),
                networks: Some(vec!["a".to_owned(), "b".to_owned()]),
                ..Containers::default()
            },
            ..Settings::default()
        };
        assert_eq!(config.settings, settings);
        let hello = Function {
            name: "hello".to_owned(),
            app_id: "shop".to_owned(),
            app_name: "shop".to_owned(),
            dir: Some("/etc/functions".into()),
            format: Format::Json,
            memory_mb: 8192,
            timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(3600),
            min_warm: 1,
            stock: 2,
            max_containers: Some(1),
            queue_max: Some(0),
            queue_wait_max: Some(Duration::from_millis(250)),
            rate: limit::rate(Some(20), Some(5)).unwrap(),
            config: [("GREETING".to_owned(), "hi".to_owned())].into(),
            secrets: [("KEY".to_owned(), hotfn::Secret::new("opensesame"))].into(),
            ..Function::new("shop.hello", "process:bin/hello --loud")
        };
        let triggers = ["/", "/deep/er"].map(|source| Trigger { app: "shop".into(), source: source.into() });
        let retries = Retries { attempts: Some(5), ..Retries::default() };
        assert_eq!(config.functions[0], Deployment { function: hello, triggers: triggers.into(), retries });
        let other = &config.functions[1].function;
        assert_eq!((other.id.as_str(), &*other.name, &*other.app_name), ("only-an-id", "only-an-id", "default"));
        assert_eq!(other.concurrency, 100);
    }

    #[test]
    fn unknown_keys_are_refused() {
        let e = parse("[node]\nlisten = \"127.0.0.1:1\"\nmemroy = 1\n", Path::new("hotfn.toml"), None).unwrap_err();
        assert!(e.to_string().starts_with("hotfn.toml:3: memroy: unknown field `memroy`, expected one of"), "{e}");
        let e = parse("[functions]\n", Path::new("hotfn.toml"), None).unwrap_err();
        assert!(e.to_string().starts_with("hotfn.toml:1: [functions]: unknown field `functions`"), "{e}");
        let e = parse("[node]\nmemory = \n", Path::new("hotfn.toml"), None).unwrap_err();
        assert_eq!((e.line, &*e.key), (2, "memory"));
    }
}
