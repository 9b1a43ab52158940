//! What a connector is to be, as a person wrote it: from the config file, the API or the command
//! line.
//!
//! ```toml
//! [connector.server]
//! type = "unix_socket_server"
//! codec = "json"
//! preprocessors = ["separate"]
//! postprocessors = ["separate"]
//! config = { path = "/run/app/in.sock", permissions = "=600" }
//! call = "app/fn"
//! to = ["reply"]
//! ```
//!
//! Names, nesting and defaults are tremor's where tremor has the option, so that a definition moves
//! over by changing brackets. Everything is checked here, once, into types that cannot be wrong.

mod bounds;
mod people;
mod route;
mod socket;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value as Tree};

use super::inbound::Inbound;
use super::options::{Invalid, Options};
use super::outbound::Outbound;
use super::reconnect::Rules;
use super::stage::Limits;

pub use bounds::{Bounds, Policies, Policy};
pub use route::{Batch, BatchForm, Callee, PeerScope, Target};
pub(crate) use socket::SYSTEMD;
pub use socket::{Allowed, Kind, Socket};

/// A connector, checked.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Does it listen, or connect?
    pub side: Side,
    /// What frames mean.
    pub codec: Named,
    /// Stages of what comes in, in order.
    pub preprocessors: Vec<Named>,
    /// Stages of what goes out, in order.
    pub postprocessors: Vec<Named>,
    /// What the stages may cost.
    pub limits: Limits,
    /// Where the socket is, and whose.
    pub socket: Socket,
    /// How much, and how long.
    pub bounds: Bounds,
    /// What happens to events that go wrong.
    pub policies: Policies,
    /// Whom an event calls.
    pub call: Callee,
    /// Where what comes of it goes.
    pub to: Vec<Target>,
    /// Where troubles go, if anywhere but to the log.
    pub err_to: Option<Target>,
    /// A file whose events a client sends first.
    pub from: Option<PathBuf>,
    /// Whom replies may name.
    pub peer_scope: PeerScope,
    /// Many events, one call.
    pub batch: Option<Batch>,
    /// How a client comes back; `None`: not.
    pub reconnect: Option<Rules>,
    /// Does a process that gives up on its connection end?
    pub exits_when_exhausted: bool,
    /// Is each event written to disk before it is called, and called again after a crash?
    pub has_journal: bool,
    /// Is each event acknowledged by a frame of its own?
    pub acknowledges: bool,
    /// Do calls of a connection that is gone finish? Where there is a journal, always.
    pub finishes: bool,
    /// The definition as it was written, for those who ask.
    pub source: Map<String, Tree>,
}

/// Which end of a socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// It connects.
    Client,
    /// It listens.
    Server,
}

impl Side {
    /// The word for it in definitions and in what functions are told.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "unix_socket_client",
            Self::Server => "unix_socket_server",
        }
    }
}

/// A codec or a stage, and its options.
#[derive(Clone, Debug)]
pub struct Named {
    /// Its name, or an alias.
    pub name: String,
    /// What is set about it.
    pub options: Options,
}

impl Named {
    /// `"name"`, or `{"name": …, "config": {…}}`.
    fn read(value: Tree) -> Result<Self, Invalid> {
        match value {
            Tree::String(name) => Ok(Self { name, options: Options::default() }),
            Tree::Object(map) => {
                let mut table = Options::from(map);
                let name = table.text("name")?.ok_or_else(|| Invalid::new("name", "it is needed"))?;
                let options = table.table("config")?.unwrap_or_default();
                table.finish()?;
                Ok(Self { name, options })
            }
            other => Err(Invalid::new("", format!("{other} is neither a name nor a table with a name"))),
        }
    }
}

/// The longest name: it stands in headers, files and URLs.
const NAME_BYTES_MAX: usize = 255;

/// Options that may stand in `config`, where tremor has those it knows, as well as beside it.
const OF_CONFIG: [&str; 6] = ["path", "permissions", "buf_size", "owner", "group", "socket"];

impl Definition {
    /// Reads and checks a definition.
    ///
    /// # Errors
    /// At the first key that cannot be followed, which the error names.
    pub fn read(name: &str, source: Map<String, Tree>) -> Result<Self, Invalid> {
        check_name(name)?;
        let mut options = Options::from(source.clone());
        lift(&mut options)?;
        let side = match options.text("type")?.as_deref() {
            Some("unix_socket_server") => Side::Server,
            Some("unix_socket_client") => Side::Client,
            Some(other) => {
                let what = format!("unknown type {other:?}; it is \"unix_socket_server\" or \"unix_socket_client\"");
                return Err(Invalid::new("type", what));
            }
            None => return Err(Invalid::new("type", "it is needed")),
        };
        let codec = options.take("codec").ok_or_else(|| Invalid::new("codec", "it is needed"))?;
        let usual = Limits::default();
        let read = Self {
            name: name.to_owned(),
            side,
            codec: Named::read(codec).map_err(|e| e.within("codec"))?,
            preprocessors: stages(&mut options, "preprocessors")?,
            postprocessors: stages(&mut options, "postprocessors")?,
            limits: Limits {
                frame_bytes_max: options.size("max_frame", 1..=1 << 30)?.unwrap_or(usual.frame_bytes_max),
                inflated_bytes_max: options.size("max_decompressed", 1..=1 << 40)?.unwrap_or(usual.inflated_bytes_max),
            },
            socket: Socket::read(&mut options)?,
            bounds: Bounds::read(&mut options)?,
            policies: Policies::read(&mut options)?,
            call: Callee::read(&mut options)?,
            to: Target::list(&mut options, "to")?,
            err_to: Target::list(&mut options, "err_to")?.into_iter().next(),
            from: file(&mut options, "from")?,
            peer_scope: PeerScope::read(&mut options)?,
            batch: Batch::read(&mut options)?,
            reconnect: reconnect(&mut options)?,
            exits_when_exhausted: exits(&mut options)?,
            has_journal: options.flag("journal")?.unwrap_or(false),
            acknowledges: options.flag("ack")?.unwrap_or(false),
            finishes: options.flag("finish")?.unwrap_or(false),
            source,
        };
        // An event that is on disk is owed its call, whoever is still there to hear of it.
        let read = Self { finishes: read.finishes || read.has_journal, ..read };
        options.finish()?;
        read.check()?;
        Ok(read)
    }

    /// What only shows when everything is there.
    fn check(&self) -> Result<(), Invalid> {
        Inbound::new(self)?;
        Outbound::new(self)?;
        if self.from.is_some() && self.side == Side::Server {
            return Err(Invalid::new("from", "only a client sends a file"));
        }
        if let Some(Target::Reply) = self.err_to {
            return Err(Invalid::new("err_to", "to tell the peer, set on_frame_error and its like to \"reply\""));
        }
        if self.batch.is_some() && matches!(self.call, Callee::Field { .. }) {
            return Err(Invalid::new("batch", "one call is for one function, and here each event names its own"));
        }
        if self.socket.kind == Kind::Datagram && !self.socket.allow.is_empty() {
            return Err(Invalid::new("allow", "nobody vouches for who sends a datagram; the socket's permissions do"));
        }
        if self.side == Side::Client && self.socket.handed_over_as().is_some() {
            return Err(Invalid::new("path", "only a server takes a socket from systemd"));
        }
        Ok(())
    }
}

/// A name that may stand in headers, files and URLs.
fn check_name(name: &str) -> Result<(), Invalid> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let is_name = !name.is_empty() && !name.starts_with('.') && name.len() <= NAME_BYTES_MAX && name.bytes().all(fits);
    if is_name {
        return Ok(());
    }
    Err(Invalid::new("name", format!("{name:?} is not a connector's name; use letters, digits, -, _ and .")))
}

/// Puts what stands in `config` beside it.
fn lift(options: &mut Options) -> Result<(), Invalid> {
    let Some(mut config) = options.table("config")? else { return Ok(()) };
    for key in OF_CONFIG {
        if let Some(value) = config.take(key)
            && options.put(key.to_owned(), value).is_some()
        {
            return Err(Invalid::new(format!("config.{key}"), "it is given twice"));
        }
    }
    config.finish().map_err(|e| e.within("config"))
}

fn stages(options: &mut Options, key: &str) -> Result<Vec<Named>, Invalid> {
    let stages = options.list(key).unwrap_or_default().into_iter().map(Named::read);
    stages.collect::<Result<_, _>>().map_err(|e: Invalid| e.within(key))
}

/// `file:PATH`.
fn file(options: &mut Options, key: &str) -> Result<Option<PathBuf>, Invalid> {
    let Some(text) = options.text(key)? else { return Ok(None) };
    match text.strip_prefix("file:").filter(|path| !path.is_empty()) {
        Some(path) => Ok(Some(path.into())),
        None => Err(Invalid::new(key, format!("{text:?} is no file; write \"file:PATH\""))),
    }
}

/// `"none"`, or `{"retry": {…}}`.
fn reconnect(options: &mut Options) -> Result<Option<Rules>, Invalid> {
    let mut table = match options.take("reconnect") {
        None => return Ok(None),
        Some(Tree::String(none)) if none == "none" => return Ok(None),
        Some(Tree::Object(map)) => Options::from(map),
        Some(other) => {
            return Err(Invalid::new("reconnect", format!("{other} is neither \"none\" nor a table with retry")));
        }
    };
    let within = |e: Invalid| e.within("reconnect");
    let retry = table.table("retry").map_err(within)?.ok_or_else(|| Invalid::new("reconnect.retry", "it is needed"))?;
    table.finish().map_err(within)?;
    rules(retry).map(Some).map_err(|e| e.within("reconnect.retry"))
}

fn rules(mut options: Options) -> Result<Rules, Invalid> {
    /// Longest wait that can be asked for: a day.
    const MS_MAX: u64 = 86_400_000;
    let interval = options.number("interval_ms", 1..=MS_MAX)?;
    let interval = interval.ok_or_else(|| Invalid::new("interval_ms", "it is needed"))?;
    let mut rules = Rules::every(Duration::from_millis(interval));
    if let Some(rate) = options.take("growth_rate") {
        let read = rate.as_f64().filter(|rate| (1.0..=100.0).contains(rate));
        rules.growth_rate =
            read.ok_or_else(|| Invalid::new("growth_rate", format!("{rate} is out of range; it may be 1 to 100")))?;
    }
    if let Some(longest) = options.number("max_interval_ms", 1..=MS_MAX)? {
        rules.interval_max = Duration::from_millis(longest);
    }
    rules.retries_max = options.number("max_retries", 1..=u64::MAX)?;
    rules.is_randomized = options.flag("randomized")?.unwrap_or(true);
    options.finish()?;
    Ok(rules)
}

fn exits(options: &mut Options) -> Result<bool, Invalid> {
    match options.text("on_exhausted")?.as_deref() {
        None | Some("stay") => Ok(false),
        Some("exit") => Ok(true),
        Some(other) => Err(Invalid::new("on_exhausted", format!("{other:?} is neither \"stay\" nor \"exit\""))),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A server of these options, with a path that nobody listens on.
    pub(crate) fn definition(options: Tree) -> Definition {
        read(options).unwrap()
    }

    pub(crate) fn read(options: Tree) -> Result<Definition, Invalid> {
        let Tree::Object(mut map) = options else { panic!("a definition is a table") };
        map.entry("type").or_insert("unix_socket_server".into());
        map.entry("codec").or_insert("json".into());
        if !map.contains_key("config") {
            map.entry("path").or_insert("/nowhere".into());
        }
        Definition::read("test", map)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::testing::{definition, read};
    use super::*;

    #[test]
    fn what_tremor_calls_an_option_is_one() {
        let whole = definition(json!({
            "type": "unix_socket_client",
            "codec": {"name": "json", "config": {"mode": "sorted"}},
            "preprocessors": ["separate", {"name": "decompress", "config": {"algorithm": "gzip"}}],
            "config": {"path": "/run/s", "buf_size": 1024},
            "reconnect": {"retry": {"interval_ms": 100, "growth_rate": 2.0, "max_retries": 3, "randomized": false}},
        }));
        assert_eq!((whole.side, whole.preprocessors.len(), whole.socket.buf_bytes), (Side::Client, 2, 1024));
        let rules = whole.reconnect.unwrap();
        assert_eq!((rules.retries_max, rules.is_randomized), (Some(3), false));
    }

    /// Case 17.
    #[test]
    fn what_cannot_be_followed_is_named() {
        for (given, refused) in [
            (json!({"type": "tcp_server"}), "type: unknown type \"tcp_server\"; "),
            (json!({"codec": "jsn"}), "codec: unknown codec \"jsn\"; "),
            (json!({"codec": {"name": "json", "config": {"mod": 1}}}), "codec.json.mod: unknown key"),
            (json!({"preprocessors": ["lines", "gelf"]}), "preprocessors: unknown preprocessor \"gelf\"; "),
            (
                json!({"preprocessors": [{"name": "separate", "config": {"separator": ""}}]}),
                "preprocessors.separate.separator: it is empty",
            ),
            (
                json!({"postprocessors": [{"name": "compress", "config": {"algorithm": "gzip", "level": 1}}]}),
                "postprocessors.compress.level: ",
            ),
            (json!({"buf_size": 0}), "buf_size: 0 is no size"),
            (json!({"config": {"path": "/x", "pth": 1}}), "config.pth: unknown key"),
            (json!({"path": "/x", "config": {"path": "/y"}}), "config.path: it is given twice"),
            (json!({"in_flihgt": 2}), "in_flihgt: unknown key"),
            (json!({"permissions": "=1777"}), "permissions: 1777 is more than a socket has"),
            (json!({"reconnect": {"retry": {}}}), "reconnect.retry.interval_ms: it is needed"),
            (json!({"on_fault": "explode"}), "on_fault: unknown policy \"explode\"; "),
            (json!({"to": ["nowhere:x"]}), "to: unknown target \"nowhere:x\"; "),
            (json!({"from": "file:x"}), "from: only a client sends a file"),
            (json!({"batch": {}, "call": {"from": "$.fn"}}), "batch: one call is for one function"),
            (json!({"socket": "dgram", "allow": [0]}), "allow: nobody vouches for who sends a datagram"),
            (
                json!({"type": "unix_socket_client", "path": "systemd:in"}),
                "path: only a server takes a socket from systemd",
            ),
        ] {
            let e = read(given.clone()).unwrap_err().to_string();
            assert!(e.starts_with(refused), "{given}: {e}");
        }
        assert_eq!(Definition::read("a/b", Map::new()).unwrap_err().key, "name");
    }
}
