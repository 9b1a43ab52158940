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

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

use hotfn::Function;
use hotfn_exec::rules::Rules;

use super::calls::{CallsTable, retries};
use super::exec::{self, ExecTable};
use super::function as limit;
use super::place::Place;
use super::{Calls, Containers, Deployment, Driver, Refused, Settings, connector, secret};
use crate::connector::Definition;
use crate::front::Trigger;

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
    let (mut config, functions) = read(&place)?;
    let driver = driver.unwrap_or_else(|| config.settings.containers.driver());
    let mut owners = Owners::default();
    for table in functions {
        config.functions.push(deployment(table, driver, &place, &mut owners)?);
    }
    Ok(config)
}

/// All but the functions, which depend on the driver.
fn read(place: &Place<'_>) -> Result<(Config, Vec<Spanned<FunctionTable>>), Refused> {
    let file: File = toml::from_str(place.text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start);
        Refused { file: place.path.to_owned(), line: place.line(at), key: place.key(at), what: e.message().to_owned() }
    })?;
    let settings = Settings {
        calls: file.calls.read(place)?,
        containers: containers(file.containers, place)?,
        ..settings(file.node, place)?
    };
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
struct NodeTable {
    listen: Option<SocketAddr>,
    tokens: Option<Spanned<String>>,
    tls_certificate: Option<Spanned<PathBuf>>,
    tls_key: Option<Spanned<PathBuf>>,
    public_url: Option<Spanned<String>>,
    iofs: Option<PathBuf>,
    memory: Option<Spanned<i64>>,
    cpu_milli: Option<Spanned<i64>>,
    refuse_when_full: Option<bool>,
    freeze_idle_ms: Option<i64>,
    start_timeout_ms: Option<Spanned<i64>>,
    end_grace_ms: Option<Spanned<i64>>,
    request_bytes_max: Option<Spanned<i64>>,
    request_head_bytes_max: Option<Spanned<i64>>,
    request_head_timeout: Option<Spanned<i64>>,
    response_bytes_max: Option<Spanned<i64>>,
    response_head_bytes_max: Option<Spanned<i64>>,
    log_bytes_max: Option<Spanned<i64>>,
    #[serde(default)]
    cors_origins: Vec<Spanned<String>>,
    #[serde(default)]
    cors_headers: Vec<Spanned<String>>,
    connections_max: Option<Spanned<i64>>,
    detached_max: Option<Spanned<i64>>,
    drain_patience: Option<Spanned<i64>>,
    threads: Option<Spanned<i64>>,
    state: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContainersTable {
    driver: Option<Driver>,
    pull_timeout_ms: Option<Spanned<i64>>,
    images_bytes_max: Option<Spanned<i64>>,
    images_exempt: Option<Vec<String>>,
    load: Option<PathBuf>,
    unprivileged: Option<bool>,
    read_only: Option<bool>,
    tmp: Option<Spanned<i64>>,
    tmp_inodes: Option<Spanned<i64>>,
    pids: Option<Spanned<i64>>,
    open_files: Option<Spanned<i64>>,
    locked_bytes: Option<Spanned<i64>>,
    pending_signals: Option<Spanned<i64>>,
    message_queue_bytes: Option<Spanned<i64>>,
    volumes: Option<bool>,
    networks: Option<Vec<String>>,
    docker_host: Option<String>,
    docker_iofs: Option<PathBuf>,
    docker_label: Option<String>,
    unlimited: Option<bool>,
    runtime: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DbTable {
    url: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionTable {
    app: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
    id: Option<Spanned<String>>,
    image: Spanned<String>,
    dir: Option<PathBuf>,
    format: Option<Spanned<String>>,
    memory: Option<Spanned<i64>>,
    cpu_milli: Option<Spanned<i64>>,
    timeout: Option<Spanned<i64>>,
    idle_timeout: Option<Spanned<i64>>,
    concurrency: Option<Spanned<i64>>,
    min_warm: Option<Spanned<i64>>,
    stock: Option<Spanned<i64>>,
    #[serde(default)]
    exec: Vec<String>,
    max_containers: Option<Spanned<i64>>,
    max_calls_per_container: Option<Spanned<i64>>,
    max_age: Option<Spanned<i64>>,
    queue_max: Option<Spanned<i64>>,
    queue_wait_max_ms: Option<Spanned<i64>>,
    rate: Option<Spanned<i64>>,
    burst: Option<Spanned<i64>>,
    retry_attempts: Option<Spanned<i64>>,
    retry_delay_ms: Option<Spanned<i64>>,
    retry_growth: Option<Spanned<i64>>,
    retry_delay_max_ms: Option<Spanned<i64>>,
    #[serde(default)]
    config: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    secrets: secret::Table,
    #[serde(default)]
    triggers: Vec<Spanned<String>>,
}

fn settings(node: NodeTable, place: &Place<'_>) -> Result<Settings, Refused> {
    let number = |value, range: RangeInclusive<u64>, unit| place.number(value, range, unit);
    let size = |value, range| place.size(value, range, "bytes");
    let count = |value| place.size(value, 1..=1 << 20, "");
    Ok(Settings {
        listen: node.listen,
        tokens: node.tokens.map(|tokens| place.check(&tokens, |word| word.parse())).transpose()?,
        tls: place.tls(node.tls_certificate.as_ref(), node.tls_key.as_ref())?,
        db: None,
        exec: None,
        public_url: node.public_url.map(|url| place.check(&url, |url| limit::public_url(url))).transpose()?,
        iofs: node.iofs,
        memory_mb: number(node.memory, limit::ANY, "MB")?,
        cpu_milli: number(node.cpu_milli, limit::ANY, "thousandths of a CPU")?,
        refuse_when_full: node.refuse_when_full,
        freeze_idle_ms: node.freeze_idle_ms,
        start_timeout_ms: number(node.start_timeout_ms, MS, "ms")?,
        end_grace_ms: number(node.end_grace_ms, MS, "ms")?,
        request_bytes_max: number(node.request_bytes_max, BYTES, "bytes")?,
        request_head_bytes_max: size(node.request_head_bytes_max, 1024..=64 << 20)?,
        request_head_timeout: number(node.request_head_timeout, 1..=3600, "s")?,
        response_bytes_max: number(node.response_bytes_max, BYTES, "bytes")?,
        response_head_bytes_max: size(node.response_head_bytes_max, 0..=64 << 20)?,
        log_bytes_max: number(node.log_bytes_max, BYTES, "bytes")?,
        cors_origins: list(node.cors_origins, place, limit::cors_origin)?,
        cors_headers: list(node.cors_headers, place, limit::header)?,
        connections_max: count(node.connections_max)?,
        detached_max: count(node.detached_max)?,
        drain_patience: number(node.drain_patience, 0..=3600, "s")?,
        threads: place.size(node.threads, 1..=1024, "threads")?.and_then(NonZeroUsize::new),
        state: node.state.map(|state| place.beside(&state)),
        calls: Calls::default(),
        containers: Containers::default(),
    })
}

/// Texts that each pass `check`; none is as if nothing was said.
fn list(
    given: Vec<Spanned<String>>,
    place: &Place<'_>,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<Option<Vec<String>>, Refused> {
    for text in &given {
        place.check(text, |text| check(text))?;
    }
    let given: Vec<String> = given.into_iter().map(Spanned::into_inner).collect();
    Ok(Some(given).filter(|given| !given.is_empty()))
}

fn containers(table: ContainersTable, place: &Place<'_>) -> Result<Containers, Refused> {
    let number = |value, range: RangeInclusive<u64>, unit| place.number(value, range, unit);
    Ok(Containers {
        driver: table.driver,
        pull_timeout_ms: number(table.pull_timeout_ms, MS, "ms")?,
        images_bytes_max: number(table.images_bytes_max, BYTES, "bytes")?,
        images_exempt: table.images_exempt,
        load: table.load.map(|archive| place.beside(&archive)),
        unprivileged: table.unprivileged,
        read_only: table.read_only,
        tmp_mb: number(table.tmp, limit::ANY, "MB")?,
        tmp_inodes: number(table.tmp_inodes, limit::ANY, "")?,
        pids: number(table.pids, limit::SOME, "")?,
        open_files: number(table.open_files, limit::SOME, "")?,
        locked_bytes: number(table.locked_bytes, BYTES, "bytes")?,
        pending_signals: number(table.pending_signals, limit::ANY, "")?,
        message_queue_bytes: number(table.message_queue_bytes, BYTES, "bytes")?,
        volumes: table.volumes,
        networks: table.networks,
        docker_host: table.docker_host,
        docker_iofs: table.docker_iofs,
        docker_label: table.docker_label,
        // A secret, which has no place in a file that others may read: the environment has it.
        docker_auth: None,
        unlimited: table.unlimited,
        runtime: table.runtime,
    })
}

const BYTES: RangeInclusive<u64> = 0..=1 << 50;
const MS: RangeInclusive<u64> = 1..=3_600_000;

fn deployment(
    table: Spanned<FunctionTable>,
    driver: Driver,
    place: &Place<'_>,
    owners: &mut Owners,
) -> Result<Deployment, Refused> {
    let header = table.span().start;
    let t = table.into_inner();
    for name in [&t.name, &t.id].into_iter().flatten() {
        place.check(name, |n| limit::name(n))?;
    }
    if let Some(app) = &t.app {
        place.check(app, |a| limit::app(a))?;
    }
    place.check(&t.image, |image| driver.takes(image))?;

    let app = t.app.as_ref().map_or("default", |a| a.get_ref()).to_owned();
    let (name, id) = match (&t.name, &t.id) {
        (Some(name), Some(id)) => (name.get_ref().clone(), id.get_ref().clone()),
        (Some(name), None) => (name.get_ref().clone(), format!("{app}.{}", name.get_ref())),
        (None, Some(id)) => (id.get_ref().clone(), id.get_ref().clone()),
        (None, None) => return Err(place.refuse(header, "a function needs a name or an id")),
    };
    let identity = t.id.as_ref().or(t.name.as_ref()).map_or(header, |given| given.span().start);
    if let Some(line) = owners.ids.insert(id.clone(), place.line(identity)) {
        return Err(place.refuse(identity, format!("the id {id:?} was given on line {line} already")));
    }

    let mut f = Function::new(id, t.image.into_inner());
    f.name = name;
    f.app_id.clone_from(&app);
    f.app_name.clone_from(&app);
    f.dir = t.dir.map(|dir| place.beside(&dir));
    if let Some(format) = &t.format {
        f.format = place.check(format, |name| limit::format(name))?;
    }
    let concurrency = t.concurrency.as_ref().map(Spanned::span);
    let burst = t.burst.as_ref().map(Spanned::span);
    let min_warm = t.min_warm.as_ref().map(Spanned::span);
    set(&mut f.memory_mb, place.number(t.memory, limit::MEMORY_MB, "MB")?);
    set(&mut f.cpu_milli, place.number(t.cpu_milli, limit::ANY, "thousandths of a CPU")?);
    set(&mut f.timeout, place.seconds(t.timeout, limit::TIMEOUT_S)?);
    set(&mut f.idle_timeout, place.seconds(t.idle_timeout, limit::IDLE_TIMEOUT_S)?);
    set(&mut f.concurrency, place.small(t.concurrency, limit::CONCURRENCY, "")?);
    set(&mut f.min_warm, place.small(t.min_warm, 0..=*limit::CONTAINERS.end(), "")?);
    f.exec = t.exec;
    set(&mut f.stock, place.small(t.stock, limit::STOCK, "")?);
    f.max_containers = place.small(t.max_containers, limit::CONTAINERS, "")?;
    f.max_calls_per_container = place.number(t.max_calls_per_container, limit::SOME, "")?;
    f.max_age = place.seconds(t.max_age, limit::SOME)?;
    f.queue_max = place.size(t.queue_max, limit::ANY, "")?;
    f.queue_wait_max = place.number(t.queue_wait_max_ms, limit::ANY, "ms")?.map(Duration::from_millis);
    let [rate, most] = [t.rate, t.burst].map(|value| place.small(value, limit::RATE, ""));
    let at = burst.map_or(header, |span| span.start);
    f.rate = limit::rate(rate?, most?).map_err(|what| place.refuse(at, what))?;
    if let Some(at) = concurrency {
        limit::concurrency(f.concurrency, f.format).map_err(|what| place.refuse(at.start, what))?;
    }
    if let Some(at) = min_warm {
        limit::min_warm(f.min_warm, f.max_containers).map_err(|what| place.refuse(at.start, what))?;
    }
    for (name, value) in t.config {
        place.check(&value, |value| limit::variable(&name, value))?;
        f.config.insert(name, value.into_inner());
    }
    f.secrets = secret::secrets(t.secrets, place)?;

    let mut triggers = Vec::new();
    for source in t.triggers {
        place.check(&source, |s| limit::source(s))?;
        let at = source.span().start;
        let trigger = Trigger { app: app.clone(), source: source.into_inner() };
        if let Some(line) = owners.triggers.insert(trigger.clone(), place.line(at)) {
            let what = format!("app {:?} has a trigger {:?} on line {line} already", trigger.app, trigger.source);
            return Err(place.refuse(at, what));
        }
        triggers.push(trigger);
    }
    let retries = retries(t.retry_attempts, t.retry_delay_ms, t.retry_growth, t.retry_delay_max_ms, place)?;
    Ok(Deployment { function: f, triggers, retries })
}

/// Which line has what can be given only once.
#[derive(Default)]
struct Owners {
    ids: HashMap<String, usize>,
    triggers: HashMap<Trigger, usize>,
}

fn set<T>(knob: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *knob = value;
    }
}

#[cfg(test)]
mod tests {
    use hotfn_protocols::Format;

    use super::*;
    use crate::access::Tokens;
    use crate::calls::{Records, Retries};
    use crate::store::Url;
    use crate::tls;

    fn check(text: &str, line: usize, key: &str, what: &str) {
        let refused = parse(text, Path::new("hotfn.toml"), None).unwrap_err();
        assert_eq!((refused.line, &*refused.key, &*refused.what), (line, key, what), "{text}");
    }

    /// Checks one line of a function that is otherwise fine.
    fn check_function(given: &str, key: &str, what: &str) {
        check(&format!("[[function]]\nname = \"f\"\nimage = \"process:f\"\n{given}\n"), 4, key, what);
    }

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

    #[test]
    fn values_out_of_range_are_refused_with_the_range() {
        check_function("memory = 0", "memory", "0 is out of range; it may be 1 to 8192 MB");
        check_function("memory = 8193", "memory", "8193 is out of range; it may be 1 to 8192 MB");
        check_function("timeout = 301", "timeout", "301 is out of range; it may be 1 to 300 s");
        check_function("idle_timeout = 3601", "idle_timeout", "3601 is out of range; it may be 1 to 3600 s");
        check_function("concurrency = 0", "concurrency", "0 is out of range; it may be 1 to 65536");
        check_function("memory = \"much\"", "memory", "invalid type: string \"much\", expected i64");
        check("[node]\ntokens = \"no\"", 2, "tokens", "\"no\" is none of required, except-triggers, off");
        let alone = "it needs the other of tls_certificate and tls_key beside it";
        check("[node]\ntls_key = \"k\"", 2, "tls_key", alone);
        check("[node]\ntls_certificate = \"c\"", 2, "tls_certificate", alone);
        check("[node]\ndrain_patience = -1", 2, "drain_patience", "-1 is out of range; it may be 0 to 3600 s");
    }

    #[test]
    fn values_that_do_not_fit_are_refused_with_what_would() {
        check_function("app = \"a.b\"", "app", "\"a.b\" is not an app's name; use letters, digits, _ and -");
        check_function("id = \"\"", "id", "it is empty");
        check_function(
            "format = \"grpc\"",
            "format",
            "unknown format \"grpc\"; it is one of cloudevent, default, http, http-stream, json",
        );
        check_function(
            "concurrency = 2\nformat = \"json\"",
            "concurrency",
            "above 1 it needs the format http-stream, this is json",
        );
        check_function("min_warm = 2\nmax_containers = 1", "min_warm", "2 is more than max_containers, 1");
        check_function("burst = 2", "burst", "2 at once is part of a rate, and there is none");
        check_function("rate = 0", "rate", "0 is out of range; it may be 1 to 1000000");
        check_function("config = { \"A=B\" = \"x\" }", "config", "\"A=B\" cannot be an environment variable");
        check_function("triggers = [\"x\"]", "triggers", "\"x\" must begin with /");
        check(
            "[[function]]\nname = \"f\"\nimage = \"docker/hello\"",
            3,
            "image",
            "\"docker/hello\" is not an image this node can start; write \"process:PATH ARG…\", or choose another driver",
        );
        check("[[function]]\nimage = \"process:f\"", 1, "[[function]]", "a function needs a name or an id");
        check("[[function]]\nname = \"f\"", 1, "[[function]]", "missing field `image`");
    }

    #[test]
    fn what_can_be_given_once_is_refused_twice() {
        let one = "[[function]]\nname = \"f\"\nimage = \"process:f\"\n";
        check(&format!("{one}{one}"), 5, "name", "the id \"default.f\" was given on line 2 already");
        let two = "[[function]]\nname = \"g\"\nimage = \"process:g\"\ntriggers = [\n  \"/a\",\n  \"/b\",\n]\n";
        check(
            &format!("{one}triggers = [\"/b\"]\n{two}"),
            10,
            "triggers",
            "app \"default\" has a trigger \"/b\" on line 4 already",
        );
    }
}
