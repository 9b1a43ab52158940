//! What a request asks for: the two bodies, read into one thing.
//!
//! Fields are read one by one and not by a derived parser: a client may repeat a key or send ones we
//! do not know, and what is refused should be told by the field's own name.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::config::Bounds;
use super::environment;
use super::refusal::Refusal;

/// What is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Ask {
    pub(super) what: What,
    pub(super) workdir: Option<PathBuf>,
    pub(super) envs: Vec<(String, String)>,
    pub(super) stdin: Option<Vec<u8>>,
    /// Bounded further by the service.
    pub(super) timeout: Option<Duration>,
    pub(super) reply: Reply,
    pub(super) callback: Option<String>,
    /// For the log: what the caller calls it.
    pub(super) label: Vec<(String, String)>,
    /// Names of fields that we do not know.
    pub(super) unknown: Vec<String>,
}

/// What is to run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum What {
    /// A program and its arguments, no shell between.
    Argv(Vec<String>),
    /// A command line.
    Line(String),
}

/// When and how the answer comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Reply {
    pub(super) when: When,
    pub(super) encoding: Encoding,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum When {
    /// At once.
    Accepted,
    /// When the command ended.
    Ended,
    /// While it runs.
    Streamed,
}

/// How output is written into JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    Base64,
    /// What is not UTF-8 becomes U+FFFD.
    Text,
}

impl Ask {
    /// Reads the body of `POST /shell`.
    pub(super) fn shell(body: &[u8], bounds: &Bounds) -> Result<Self, Refusal> {
        let mut fields = Fields::of(body)?;
        let command = fields.text("command")?.unwrap_or_default();
        if command.trim().is_empty() {
            return Err(Refusal::bad("command is missing or empty"));
        }
        within_command(command.len(), bounds)?;
        let workdir = fields.path("workdir")?;
        let envs = envs("envs", fields.take("envs"), bounds)?;
        fields.rest(What::Line(command), workdir, envs)
    }

    /// Reads the body of `POST /run`.
    pub(super) fn run(body: &[u8], bounds: &Bounds) -> Result<Self, Refusal> {
        let mut fields = Fields::of(body)?;
        let argv = match fields.take("argv") {
            Some(Value::Array(words)) => {
                words.into_iter().map(|word| text("argv", word)).collect::<Result<Vec<_>, _>>()?
            }
            _ => return Err(Refusal::bad("argv must be a list of strings, the program first")),
        };
        if argv.first().is_none_or(String::is_empty) {
            return Err(Refusal::bad("argv is empty; its first string is the program"));
        }
        within_command(argv.iter().map(|word| word.len() + 1).sum(), bounds)?;
        let workdir = fields.path("cwd")?;
        let envs = envs("env", fields.take("env"), bounds)?;
        fields.rest(What::Argv(argv), workdir, envs)
    }
}

/// A JSON object whose fields are taken out one by one.
struct Fields(Map<String, Value>);

impl Fields {
    fn of(body: &[u8]) -> Result<Self, Refusal> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(Refusal::bad("body is not a JSON object")),
            Err(e) => Err(Refusal::bad(format!("body is not JSON: {e}"))),
        }
    }

    /// What both bodies have.
    fn rest(mut self, what: What, workdir: Option<PathBuf>, envs: Vec<(String, String)>) -> Result<Ask, Refusal> {
        let waits = self.truth("wait")?.unwrap_or(true);
        let is_streamed = self.truth("stream")?.unwrap_or(false);
        let when = match (is_streamed, waits) {
            (true, _) => When::Streamed,
            (false, true) => When::Ended,
            (false, false) => When::Accepted,
        };
        let encoding = match self.text("encoding")?.as_deref() {
            None | Some("" | "utf-8" | "text") => Encoding::Text,
            Some("base64") => Encoding::Base64,
            Some(other) => return Err(Refusal::bad(format!("encoding {other:?} is not known; use text or base64"))),
        };
        let timeout = match self.take("timeoutMs") {
            None => None,
            Some(value) => match value.as_u64().filter(|ms| *ms > 0) {
                Some(ms) => Some(Duration::from_millis(ms)),
                None => return Err(Refusal::bad("timeoutMs must be a whole number above 0")),
            },
        };
        Ok(Ask {
            what,
            workdir,
            envs,
            stdin: self.text("stdin")?.map(String::into_bytes),
            timeout,
            reply: Reply { when, encoding },
            callback: self.text("callbackURL")?.filter(|url| !url.is_empty()),
            label: label(self.take("label"))?,
            unknown: self.0.into_iter().map(|(name, _)| name).collect(),
        })
    }

    /// The field's value. `null` is as good as nothing.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        self.take(name).map(|value| text(name, value)).transpose()
    }

    fn truth(&mut self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(_) => Err(Refusal::bad(format!("{name} must be true or false"))),
        }
    }

    fn path(&mut self, name: &str) -> Result<Option<PathBuf>, Refusal> {
        let Some(path) = self.text(name)?.filter(|path| !path.is_empty()) else { return Ok(None) };
        if !path.starts_with('/') {
            return Err(Refusal::bad(format!("{name} {path:?} is not absolute")));
        }
        Ok(Some(path.into()))
    }
}

fn text(name: &str, value: Value) -> Result<String, Refusal> {
    match value {
        Value::String(text) if !text.contains('\0') => Ok(text),
        Value::String(_) => Err(Refusal::bad(format!("{name} holds a NUL, which no program can be given"))),
        _ => Err(Refusal::bad(format!("{name} must be text"))),
    }
}

fn within_command(bytes: usize, bounds: &Bounds) -> Result<(), Refusal> {
    if bytes <= bounds.command_bytes_max {
        return Ok(());
    }
    Err(Refusal::bad(format!("command has {bytes} bytes, at most {} are allowed", bounds.command_bytes_max)))
}

/// Variables, as a list of `NAME=VALUE` or as an object.
fn envs(field: &str, value: Option<Value>, bounds: &Bounds) -> Result<Vec<(String, String)>, Refusal> {
    let envs: Vec<(String, String)> = match value {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list.into_iter().map(|pair| assignment(field, pair)).collect::<Result<_, _>>()?,
        Some(Value::Object(map)) => {
            map.into_iter().map(|(name, value)| Ok((name, text(field, value)?))).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(Refusal::bad(format!("{field} must be a list of \"NAME=VALUE\" or an object"))),
    };
    if envs.len() > bounds.envs_max {
        let (has, max) = (envs.len(), bounds.envs_max);
        return Err(Refusal::bad(format!("{field} has {has} variables, at most {max} are allowed")));
    }
    for (name, _) in &envs {
        environment::check(name).map_err(|why| Refusal::bad(format!("{field}: {name:?} {why}")))?;
    }
    Ok(envs)
}

fn assignment(field: &str, pair: Value) -> Result<(String, String), Refusal> {
    let pair = text(field, pair)?;
    match pair.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Refusal::bad(format!("{field}: {pair:?} is not NAME=VALUE"))),
    }
}

/// Most words that a caller may put into the log, and bytes of each.
const LABELS_MAX: usize = 16;
const LABEL_BYTES_MAX: usize = 128;

fn label(value: Option<Value>) -> Result<Vec<(String, String)>, Refusal> {
    let refuse = || Refusal::bad(format!("label must be an object of at most {LABELS_MAX} short texts"));
    match value {
        None => Ok(Vec::new()),
        Some(Value::Object(map)) if map.len() <= LABELS_MAX => map
            .into_iter()
            .map(|(name, value)| match value {
                Value::String(value) if name.len().max(value.len()) <= LABEL_BYTES_MAX => Ok((name, value)),
                _ => Err(refuse()),
            })
            .collect(),
        Some(_) => Err(refuse()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(body: &str) -> Result<Ask, String> {
        Ask::shell(body.as_bytes(), &Bounds::default()).map_err(|refusal| refusal.message)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_command_line_with_all_that_goes_with_it() {
        let ask = shell(
            r#"{"command":"ls -l \/home","command":"pwd","wait":false,"workdir":"/tmp","envs":["A=1","B=x=y"],
                "callbackURL":"http://h/x","encoding":"base64","other":1}"#,
        );
        let ask = ask.unwrap();
        assert_eq!(ask.what, What::Line("pwd".to_owned()));
        assert_eq!(ask.reply, Reply { when: When::Accepted, encoding: Encoding::Base64 });
        assert_eq!(ask.workdir.unwrap(), PathBuf::from("/tmp"));
        assert_eq!(ask.envs, pairs(&[("A", "1"), ("B", "x=y")]));
        assert_eq!((ask.callback.as_deref(), ask.unknown), (Some("http://h/x"), vec!["other".to_owned()]));
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let ask = shell(r#"{"command":"pwd","workdir":"","callbackURL":null,"envs":{"A":"1"}}"#).unwrap();
        assert_eq!(ask.reply, Reply { when: When::Ended, encoding: Encoding::Text });
        assert_eq!((ask.workdir, ask.callback, ask.timeout), (None, None, None));
        assert_eq!(ask.envs, pairs(&[("A", "1")]));
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        let check = |body: &str, expected: &str| {
            let said = shell(body).unwrap_err();
            assert!(said.contains(expected), "{body}: {said}");
        };
        check("", "not JSON");
        check("[]", "not a JSON object");
        check("{}", "command is missing");
        check(r#"{"command":" "}"#, "command is missing");
        check(r#"{"command":7}"#, "command must be text");
        check(r#"{"command":"a\u0000b"}"#, "NUL");
        check(&format!(r#"{{"command":"{}"}}"#, "a".repeat((128 << 10) + 1)), "131073 bytes");
        check(r#"{"command":"a","wait":"yes"}"#, "wait must be true or false");
        check(r#"{"command":"a","workdir":"tmp"}"#, "not absolute");
        check(r#"{"command":"a","envs":"A=1"}"#, "envs must be a list");
        check(r#"{"command":"a","envs":["A"]}"#, "is not NAME=VALUE");
        check(r#"{"command":"a","envs":["LD_PRELOAD=x"]}"#, "LD_PRELOAD");
        check(r#"{"command":"a","envs":{"A=B":"x"}}"#, "A=B");
        check(r#"{"command":"a","encoding":"rot13"}"#, "rot13");
        let many: Vec<String> = (0..257).map(|n| format!("\"A{n}=1\"")).collect();
        check(&format!(r#"{{"command":"a","envs":[{}]}}"#, many.join(",")), "257 variables");
        check(&"[".repeat(100_000), "not JSON");
    }

    #[test]
    fn a_program_and_its_arguments() {
        let run = |body: &str| Ask::run(body.as_bytes(), &Bounds::default()).map_err(|refusal| refusal.message);
        let ask =
            run(r#"{"argv":["ls","-l"],"cwd":"/","env":{"A":"1"},"stdin":"hi","timeoutMs":5,"label":{"for":"x"}}"#);
        let ask = ask.unwrap();
        assert_eq!(ask.what, What::Argv(vec!["ls".to_owned(), "-l".to_owned()]));
        assert_eq!((ask.stdin, ask.timeout), (Some(b"hi".to_vec()), Some(Duration::from_millis(5))));
        assert_eq!(ask.label, pairs(&[("for", "x")]));
        for wrong in [r#"{"argv":[]}"#, r#"{"argv":"ls"}"#, r#"{"argv":[1]}"#, r#"{"argv":["a"],"timeoutMs":0}"#] {
            assert!(run(wrong).is_err(), "{wrong}");
        }
    }
}
