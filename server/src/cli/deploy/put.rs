//! What a folder says, put to a node: the app, the function, the triggers.
//!
//! Each is made, or the one there is changed, by what is said of it and no more: what is left open stays as it
//! is on the node.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::config::Deployment;
use crate::project::Project;
use crate::project::app::AppFile;
use crate::project::manifest::Manifest;
use crate::remote::objects::{id, text};
use crate::remote::{Error, Node};
use crate::store::free_name;
use crate::store::record::{HTTP, now};

/// What became of something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Done {
    Changed,
    Made,
    /// It is there, and nothing was said of it.
    Nothing,
}

impl Done {
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Changed => "was changed",
            Self::Made => "was made",
            Self::Nothing => "stays as it is",
        }
    }
}

/// The app called `name`, as `file` says it. One that is not there is made if a file says what it is, or if
/// `create` allows it.
pub(super) async fn app(
    node: &Node,
    name: &str,
    file: Option<&AppFile>,
    create: bool,
) -> anyhow::Result<(Value, Done)> {
    let mut body = file.map(app_body).unwrap_or_default();
    match node.app(name).await {
        Ok(app) if body.is_empty() => Ok((app, Done::Nothing)),
        Ok(app) => Ok((node.update(APPS, id(&app), &body.into()).await?, Done::Changed)),
        Err(Error::Unknown { .. }) if create || file.is_some() => {
            body.insert("name".to_owned(), name.into());
            Ok((node.create(APPS, &body.into()).await?, Done::Made))
        }
        Err(e @ Error::Unknown { .. }) => anyhow::bail!("{e}, and --create-app makes it"),
        Err(e) => Err(e.into()),
    }
}

const APPS: &str = "/v2/apps";

fn app_body(AppFile { name: _, config, annotations, syslog_url }: &AppFile) -> Map<String, Value> {
    let mut body = Map::new();
    if !config.is_empty() {
        body.insert("config".to_owned(), json!(config));
    }
    if !annotations.is_empty() {
        body.insert("annotations".to_owned(), json!(annotations));
    }
    if let Some(url) = syslog_url {
        body.insert("syslog_url".to_owned(), url.as_str().into());
    }
    body
}

/// The variable that tells a function when it was deployed.
const DEPLOYED: &str = "HOTFN_DEPLOYED";

/// The function of `app` that `project` is, which runs what was built.
pub(super) async fn function(
    node: &Node,
    app: &Value,
    project: &Project,
    built: &Deployment,
) -> anyhow::Result<(Value, Done)> {
    let mut body = function_body(project, built);
    let before = node.function_of(id(app), &project.name).await?;
    let done = match before {
        Some(before) => {
            node.update("/v2/fns", id(&before), &body.into()).await?;
            Done::Changed
        }
        None => {
            body.insert("app_id".to_owned(), id(app).into());
            node.create("/v2/fns", &body.into()).await?;
            Done::Made
        }
    };
    // A change is not answered with where the function is called.
    let function = node.function_of(id(app), &project.name).await?;
    Ok((function.context("somebody else deleted the function in the meantime")?, done))
}

/// What a folder says of its function, and no more: what it leaves open stays as it is on the node.
fn function_body(project: &Project, Deployment { function, .. }: &Deployment) -> Map<String, Value> {
    let mut body = Map::new();
    let mut put = |member: &str, value: Value| body.insert(member.to_owned(), value);
    put("name", project.name.as_str().into());
    put("image", function.image.as_str().into());
    put("format", function.format.to_string().into());
    put("dir", function.dir.as_ref().map_or_else(String::new, |dir| dir.display().to_string()).into());
    let Manifest { memory, timeout, idle_timeout, annotations, .. } = &project.manifest;
    for (member, value) in [("memory", memory), ("timeout", timeout), ("idle_timeout", idle_timeout)] {
        if let Some(value) = value {
            put(member, (*value).into());
        }
    }
    if !annotations.is_empty() {
        put("annotations", json!(annotations));
    }
    let mut config = json!(function.config);
    config[DEPLOYED] = now().into();
    put("config", config);
    body
}

/// Makes the triggers, or changes those there are.
pub(super) async fn triggers(node: &Node, function: &Value, manifest: &Manifest) -> anyhow::Result<Vec<Value>> {
    let (app_id, fn_id) = (text(function, "app_id"), id(function));
    if manifest.triggers.is_empty() {
        return Ok(Vec::new());
    }
    let there = node.triggers(app_id, Some(fn_id)).await?;
    let mut names: BTreeSet<String> = there.iter().map(|trigger| text(trigger, "name").to_owned()).collect();
    names.extend(manifest.triggers.iter().filter_map(|trigger| trigger.name.clone()));
    for trigger in &manifest.triggers {
        let source = trigger.source.as_str();
        let same = |t: &&Value| match &trigger.name {
            Some(name) => text(t, "name") == name,
            None => text(t, "source") == source,
        };
        match there.iter().find(same) {
            Some(before) if text(before, "source") == source => {}
            Some(before) => drop(node.update("/v2/triggers", id(before), &json!({ "source": source })).await?),
            None => {
                let name = trigger.name.clone().unwrap_or_else(|| free_name(source, |name| names.contains(name)));
                names.insert(name.clone());
                let new = json!({"name": name, "app_id": app_id, "fn_id": fn_id, "type": HTTP, "source": source});
                node.create("/v2/triggers", &new).await?;
            }
        }
    }
    Ok(node.triggers(app_id, Some(fn_id)).await?)
}
