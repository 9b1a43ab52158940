//! A function and where it is served: a `[[function]]` table.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use hotfn::Function;

use super::calls::retries;
use super::function as limit;
use super::place::Place;
use super::secret::{self, Unshown};
use super::{Driver, Refused};
use crate::calls::Retries;
use crate::front::Trigger;

/// A function and the places under `/t/` that call it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Deployment {
    /// The function.
    pub function: Function,
    /// Its triggers.
    pub triggers: Vec<Trigger>,
    /// How its detached calls are tried again.
    pub retries: Retries,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FunctionTable {
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
    config: BTreeMap<String, Spanned<Unshown>>,
    #[serde(default)]
    secrets: secret::Table,
    #[serde(default)]
    triggers: Vec<Spanned<String>>,
}

/// What the tables say, each of which is read as one.
pub(super) fn deployments(
    tables: Vec<Spanned<FunctionTable>>,
    driver: Driver,
    place: &Place<'_>,
) -> Result<Vec<Deployment>, Refused> {
    let mut owners = Owners::default();
    tables.into_iter().map(|table| deployment(table, driver, place, &mut owners)).collect()
}

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
        place.check(&value, |Unshown(value)| limit::variable(&name, value))?;
        f.config.insert(name, value.into_inner().0);
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
    use std::path::Path;

    use super::super::parse;

    fn check(text: &str, line: usize, key: &str, what: &str) {
        let refused = parse(text, Path::new("hotfn.toml"), None).unwrap_err();
        assert_eq!((refused.line, &*refused.key, &*refused.what), (line, key, what), "{text}");
    }

    /// Checks one line of a function that is otherwise fine.
    fn check_function(given: &str, key: &str, what: &str) {
        check(&format!("[[function]]\nname = \"f\"\nimage = \"process:f\"\n{given}\n"), 4, key, what);
    }

    #[test]
    fn values_out_of_range_are_refused_with_the_range() {
        check_function("memory = 0", "memory", "0 is out of range; it may be 1 to 8192 MB");
        check_function("memory = 8193", "memory", "8193 is out of range; it may be 1 to 8192 MB");
        check_function("timeout = 301", "timeout", "301 is out of range; it may be 1 to 300 s");
        check_function("idle_timeout = 3601", "idle_timeout", "3601 is out of range; it may be 1 to 3600 s");
        check_function("concurrency = 0", "concurrency", "0 is out of range; it may be 1 to 65536");
        check_function("memory = \"much\"", "memory", "invalid type: string \"much\", expected i64");
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
