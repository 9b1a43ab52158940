//! `func.yaml`, as the Fn CLI writes it.
//!
//! ```yaml
//! schema_version: 20180708
//! name: hello
//! version: 0.0.1
//! runtime: python
//! entrypoint: /python/bin/fdk /function/func.py handler
//! memory: 256
//! triggers:
//! - name: hello
//!   type: http
//!   source: /hello
//! ```
//!
//! Keys that concern images (`build_image`, `run_image`, `cmd` and others) mean nothing here and
//! are passed over. `format`, which the CLI once wrote and no longer does, is still read. The
//! limits are those of a config file.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use hotfn_protocols::Format;

use super::{ProjectError, Runtime};
use crate::config::function as limit;

/// Where it stands in a folder: the first of these that is there.
pub(super) const FILES: [&str; 2] = ["func.yaml", "func.yml"];

/// What a `func.yaml` says; what it leaves open is `None`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Manifest {
    /// The function's name.
    pub name: Option<String>,
    /// What it is written for.
    pub runtime: Option<Runtime>,
    /// How it wants to be talked to.
    pub format: Option<Format>,
    /// The command that starts it in an image.
    pub entrypoint: Option<String>,
    /// In MB.
    pub memory: Option<u64>,
    /// In s.
    pub timeout: Option<u64>,
    /// In s.
    pub idle_timeout: Option<u64>,
    /// The function's environment.
    pub config: BTreeMap<String, String>,
    /// What others note down with it.
    pub annotations: BTreeMap<String, Value>,
    /// The places that call it.
    pub triggers: Vec<Trigger>,
}

/// A place that calls the function.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trigger {
    /// What it is called, if anything.
    pub name: Option<String>,
    /// The path behind its app's name.
    pub source: String,
}

#[derive(Deserialize)]
struct File {
    name: Option<String>,
    runtime: Option<String>,
    format: Option<String>,
    entrypoint: Option<String>,
    memory: Option<i64>,
    timeout: Option<i64>,
    idle_timeout: Option<i64>,
    #[serde(default)]
    config: BTreeMap<String, Scalar>,
    #[serde(default)]
    annotations: BTreeMap<String, Value>,
    #[serde(default)]
    triggers: Vec<TriggerEntry>,
    #[serde(flatten)]
    others: BTreeMap<String, IgnoredAny>,
}

/// YAML has numbers and truth values where an environment has only text.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Scalar {
    Truth(bool),
    Whole(i64),
    Number(f64),
    Text(String),
}

#[derive(Deserialize)]
struct TriggerEntry {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    source: String,
}

impl Manifest {
    /// The manifest in `dir`, if there is one.
    pub(super) fn of(dir: &Path) -> Result<Option<Self>, ProjectError> {
        super::manifest(dir, &FILES, Self::parse)
    }

    /// Reads the text of a manifest.
    ///
    /// # Errors
    /// With one sentence about the first thing that cannot be followed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = saphyr::from_str(text).map_err(|e| e.without_snippet().to_string())?;
        let unknown: Vec<&str> = file.others.keys().map(String::as_str).filter(|k| !OF_IMAGES.contains(k)).collect();
        if !unknown.is_empty() {
            tracing::warn!("func.yaml: passing over what is unknown here: {}", unknown.join(", "));
        }
        let entrypoint = file.entrypoint.filter(|e| !e.is_empty());
        let mut manifest = Self { entrypoint, annotations: file.annotations, ..Self::default() };
        if let Some(name) = file.name.filter(|n| !n.is_empty()) {
            limit::name(&name).map_err(keyed("name"))?;
            manifest.name = Some(name);
        }
        if let Some(runtime) = file.runtime.filter(|r| !r.is_empty()) {
            manifest.runtime = Some(Runtime::named(&runtime).ok_or_else(|| {
                format!("runtime: {runtime:?} cannot be built here; use docker, executable, go, node, python or rust")
            })?);
        }
        if let Some(format) = file.format {
            manifest.format = Some(limit::format(&format).map_err(keyed("format"))?);
        }
        // The CLI writes 0 for what it was not told.
        let number = |key, value: Option<i64>, range, unit| {
            value.filter(|&v| v != 0).map(|v| limit::within(v, range, unit).map_err(keyed(key))).transpose()
        };
        manifest.memory = number("memory", file.memory, limit::MEMORY_MB, "MB")?;
        manifest.timeout = number("timeout", file.timeout, limit::TIMEOUT_S, "s")?;
        manifest.idle_timeout = number("idle_timeout", file.idle_timeout, limit::IDLE_TIMEOUT_S, "s")?;
        manifest.config = variables(file.config)?;
        for trigger in file.triggers {
            if let Some(kind) = trigger.kind.filter(|kind| kind != "http") {
                return Err(format!("triggers: type {kind:?} is unknown; the only one is http"));
            }
            let name = trigger.name.filter(|name| !name.is_empty());
            name.as_deref().map(limit::app).transpose().map_err(keyed("triggers"))?;
            limit::source(&trigger.source).map_err(keyed("triggers"))?;
            manifest.triggers.push(Trigger { name, source: trigger.source });
        }
        Ok(manifest)
    }
}

/// What the Fn CLI knows and only matters to whoever builds or stores an image.
const OF_IMAGES: [&str; 13] = [
    "build",
    "build_image",
    "cmd",
    "content_type",
    "deploy",
    "expects",
    "headers",
    "memory_limit",
    "run_image",
    "schema_version",
    "shape",
    "type",
    "version",
];

/// An environment, as a table of a manifest says it.
pub(super) fn variables(table: BTreeMap<String, Scalar>) -> Result<BTreeMap<String, String>, String> {
    let variable = |(name, value): (String, Scalar)| {
        let value = value.into_text();
        limit::variable(&name, &value).map_err(keyed("config"))?;
        Ok((name, value))
    };
    table.into_iter().map(variable).collect()
}

pub(super) fn keyed(key: &'static str) -> impl Fn(String) -> String {
    move |what| format!("{key}: {what}")
}

impl Scalar {
    fn into_text(self) -> String {
        match self {
            Self::Truth(value) => value.to_string(),
            Self::Whole(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Text(value) => value,
        }
    }
}

#[cfg(test)]
pub(super) mod testing {
    /// Ten levels of lists of nine, which would be more words than a host has room for.
    pub(crate) fn bomb() -> String {
        let mut text = format!("annotations:\n  a: &a [{}]\n", ["boom"; 9].join(", "));
        for (level, below) in ('b'..='j').zip('a'..) {
            let nine = [format!("*{below}").as_str(); 9].join(", ");
            text.push_str(&format!("  {level}: &{level} [{nine}]\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::testing::bomb;
    use super::*;

    #[test]
    fn what_the_cli_writes_is_understood() {
        let text = "schema_version: 20180708\nname: hello\nversion: 0.0.1\nruntime: python3.11\n\
                    build_image: fnproject/python:3.11-dev\nrun_image: fnproject/python:3.11\n\
                    entrypoint: /python/bin/fdk /function/func.py handler\nmemory: 256\ntimeout: 0\n\
                    config:\n  GREETING: hi\n  PORT: 80\n  LOUD: true\n\
                    annotations:\n  a: {b: 1}\n\
                    triggers:\n- name: hello\n  type: http\n  source: /hello\n";
        let manifest = Manifest::parse(text).unwrap();
        let config = [("GREETING", "hi"), ("PORT", "80"), ("LOUD", "true")];
        let expected = Manifest {
            name: Some("hello".into()),
            runtime: Some(Runtime::Python),
            entrypoint: Some("/python/bin/fdk /function/func.py handler".into()),
            memory: Some(256),
            config: config.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            annotations: [("a".to_owned(), serde_json::json!({"b": 1}))].into(),
            triggers: vec![Trigger { name: Some("hello".into()), source: "/hello".into() }],
            ..Manifest::default()
        };
        assert_eq!(manifest, expected);
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        let check = |text, expected: &str| assert_eq!(Manifest::parse(text).unwrap_err(), expected);
        check("memory: 9000\n", "memory: 9000 is out of range; it may be 1 to 8192 MB");
        check("timeout: -1\n", "timeout: -1 is out of range; it may be 1 to 300 s");
        check(
            "runtime: java11\n",
            "runtime: \"java11\" cannot be built here; use docker, executable, go, node, python or rust",
        );
        check("triggers:\n- {type: grpc, source: /x}\n", "triggers: type \"grpc\" is unknown; the only one is http");
        check("triggers:\n- {type: http, source: x}\n", "triggers: \"x\" must begin with /");
        check("name: a b\n", "name: \"a b\" cannot stand in a URL as it is; use letters, digits and -_.~$&+=:@");
        let e = Manifest::parse(&bomb()).unwrap_err();
        assert!(e.contains("budget"), "{e}");
        let e = Manifest::parse("memory: much\n").unwrap_err();
        assert!(e.contains("line 1"), "{e}");
    }
}
