//! What is kept of an app, a function and a trigger.
//!
//! These are the objects of the v2 API, member for member: what is stored of one is what its JSON
//! says, but for what only an answer can know, such as the URL that calls it. A member that has
//! nothing to say is left out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use time::OffsetDateTime;

use hotfn_protocols::Format;

use crate::calls::Retries;
use crate::config::function as limit;

/// Variables of an environment.
pub type Variables = BTreeMap<String, String>;
/// Variables of an environment that nobody but the function is shown.
pub type Secrets = BTreeMap<String, Secret>;
/// What others note down with an object.
pub type Annotations = BTreeMap<String, Value>;

/// Some functions under one name.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct App {
    /// Chosen by the store.
    pub id: String,
    /// Unique, and never changed: it is in the URLs of triggers.
    pub name: String,
    /// In the environment of each function, unless the function has a variable of that name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: Variables,
    /// The same, of what nobody is shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: Secrets,
    /// Of no meaning to us.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Annotations,
    /// Where logs are wanted; kept, and not followed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub syslog_url: String,
    /// The processors it wants; kept, and not followed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shape: String,
    /// RFC 3339 with milliseconds.
    pub created_at: String,
    /// When something of it last changed.
    pub updated_at: String,
}

/// Something that can be called.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Function {
    /// What calls use. Chosen by the store, or by a config file.
    pub id: String,
    /// Unique within its app.
    pub name: String,
    /// Its app, which never changes.
    pub app_id: String,
    /// What a driver starts.
    pub image: String,
    /// MB.
    pub memory: u64,
    /// Seconds.
    pub timeout: u64,
    /// Seconds.
    pub idle_timeout: u64,
    /// Its environment.
    #[serde(default)]
    pub config: Variables,
    /// More of it, before its config, which nobody is shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: Secrets,
    /// Of no meaning to us, but for [`EXEC`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Annotations,
    /// Its app's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shape: String,
    /// What Fn has no knob for.
    #[serde(flatten)]
    pub knobs: Knobs,
    /// RFC 3339 with milliseconds.
    pub created_at: String,
    /// When something of it last changed.
    pub updated_at: String,
}

/// What Fn has no knob for; each is documented in [`hotfn::Function`], and at its default while it
/// is `None`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Knobs {
    #[serde(skip_serializing_if = "Option::is_none", with = "format")]
    pub format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_milli: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_warm: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stock: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_containers: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_calls_per_container: Option<u64>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_max: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_wait_max_ms: Option<u64>,
    /// Calls a second, on each node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// Calls at once, after a pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// How its detached calls are tried again.
    #[serde(flatten)]
    pub retries: Retries,
}

/// A secret as a record has it: what is told of one that is there is that it is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Secret {
    /// A value on its way into the store, or to the function.
    Given(hotfn::Secret),
    /// The store has a value.
    Kept,
}

/// As nothing, whatever it is: values have a place of their own in the store, and answers have none.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_none()
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(from).map(|_| Self::Kept)
    }
}

/// A place under `/t/{app}` that calls a function.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Trigger {
    /// Chosen by the store.
    pub id: String,
    /// Unique among the triggers of its function.
    pub name: String,
    /// Its app, which never changes.
    pub app_id: String,
    /// The app's name: known of what was read, and kept with the app only.
    #[serde(skip)]
    pub app_name: String,
    /// Whom it calls, of the same app.
    pub fn_id: String,
    /// `http`; there are no others.
    #[serde(rename = "type")]
    pub kind: String,
    /// The path behind the app's name. Unique within the app.
    pub source: String,
    /// Of no meaning to us.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Annotations,
    /// RFC 3339 with milliseconds.
    pub created_at: String,
    /// When something of it last changed.
    pub updated_at: String,
}

impl Function {
    /// What an agent needs to know of it, as a function of `app`. Of secrets, those whose values the
    /// records hold.
    #[must_use]
    pub fn served(self, app: &App) -> hotfn::Function {
        let Knobs { format, dir, cpu_milli, concurrency, min_warm, stock, .. } = self.knobs;
        let usual = hotfn::Function::new(self.id, self.image);
        let mut config = app.config.clone();
        config.extend(self.config);
        let secrets = app.secrets.clone().into_iter().chain(self.secrets);
        let secrets = secrets.filter_map(|(name, secret)| match secret {
            Secret::Given(value) => Some((name, value)),
            Secret::Kept => None,
        });
        let exec = self.annotations.get(EXEC).and_then(Value::as_array);
        let exec = exec.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        hotfn::Function {
            exec,
            name: self.name,
            app_id: app.id.clone(),
            app_name: app.name.clone(),
            dir,
            format: format.unwrap_or(usual.format),
            memory_mb: self.memory,
            cpu_milli: cpu_milli.unwrap_or(usual.cpu_milli),
            timeout: Duration::from_secs(self.timeout),
            idle_timeout: Duration::from_secs(self.idle_timeout),
            concurrency: concurrency.unwrap_or(usual.concurrency),
            min_warm: min_warm.unwrap_or(usual.min_warm),
            stock: stock.unwrap_or(usual.stock),
            max_containers: self.knobs.max_containers,
            max_calls_per_container: self.knobs.max_calls_per_container,
            max_age: self.knobs.max_age.map(Duration::from_secs),
            queue_max: self.knobs.queue_max,
            queue_wait_max: self.knobs.queue_wait_max_ms.map(Duration::from_millis),
            rate: limit::rate(self.knobs.rate, self.knobs.burst).unwrap_or_default(),
            config,
            secrets: secrets.collect(),
            id: usual.id,
            image: usual.image,
        }
    }

    /// Takes over what `served` says, all but whose it is, and how its calls are tried again.
    pub fn follow(&mut self, served: &hotfn::Function, retries: Retries) {
        let usual = hotfn::Function::new("", "");
        self.image.clone_from(&served.image);
        self.memory = served.memory_mb;
        self.timeout = served.timeout.as_secs();
        self.idle_timeout = served.idle_timeout.as_secs();
        self.config.clone_from(&served.config);
        let given = |(name, value): (&String, &hotfn::Secret)| (name.clone(), Secret::Given(value.clone()));
        self.secrets = served.secrets.iter().map(given).collect();
        self.annotations.remove(EXEC);
        if !served.exec.is_empty() {
            self.annotations.insert(EXEC.to_owned(), served.exec.clone().into());
        }
        self.knobs = Knobs {
            format: unusual(served.format, &usual.format),
            dir: served.dir.clone(),
            cpu_milli: unusual(served.cpu_milli, &usual.cpu_milli),
            concurrency: unusual(served.concurrency, &usual.concurrency),
            min_warm: unusual(served.min_warm, &usual.min_warm),
            stock: unusual(served.stock, &usual.stock),
            max_containers: served.max_containers,
            max_calls_per_container: served.max_calls_per_container,
            max_age: served.max_age.map(|age| age.as_secs()),
            queue_max: served.queue_max,
            queue_wait_max_ms: served.queue_wait_max.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            rate: served.rate.map(|rate| rate.per_second.get()),
            burst: served.rate.filter(|rate| rate.burst != rate.per_second).map(|rate| rate.burst.get()),
            retries,
        };
    }
}

/// The annotation of a function that lists the commands of the host it wants to run, by name.
pub const EXEC: &str = "hotfn/exec";

/// The only kind of trigger there is.
pub const HTTP: &str = "http";

/// A new record's name: 26 characters that sort by the millisecond they were made in.
pub(super) fn new_id() -> String {
    ulid::Ulid::generate().to_string()
}

/// The time as records tell it.
pub(crate) fn now() -> String {
    let t = OffsetDateTime::now_utc();
    let (year, month, day) = t.to_calendar_date();
    let (hour, minute, second, milli) = t.to_hms_milli();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z", u8::from(month))
}

fn unusual<T: PartialEq>(value: T, usual: &T) -> Option<T> {
    (value != *usual).then_some(value)
}

/// A format by its name.
mod format {
    use hotfn_protocols::Format;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<S: Serializer>(format: &Option<Format>, to: S) -> Result<S::Ok, S::Error> {
        format.map(|f| f.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Format>, D::Error> {
        let name = Option::<String>::deserialize(from)?;
        name.map(|name| name.parse().map_err(de::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_comes_back_from_what_is_kept() {
        let served = hotfn::Function {
            name: "hello".to_owned(),
            app_id: "A".to_owned(),
            app_name: "shop".to_owned(),
            dir: Some("/srv".into()),
            format: Format::Json,
            memory_mb: 64,
            min_warm: 2,
            stock: 1,
            max_age: Some(Duration::from_secs(60)),
            queue_max: Some(0),
            queue_wait_max: Some(Duration::from_millis(250)),
            rate: limit::rate(Some(10), Some(3)).unwrap(),
            config: [("GREETING".to_owned(), "hi".to_owned())].into(),
            exec: vec!["git".to_owned()],
            ..hotfn::Function::new("F", "process:x")
        };
        let mut kept = Function { id: "F".to_owned(), name: "hello".to_owned(), ..Function::default() };
        let retries = Retries { attempts: Some(5), ..Retries::default() };
        kept.follow(&served, retries);
        let text = serde_json::to_string(&kept).unwrap();
        assert!(text.contains(r#""format":"json""#) && !text.contains("concurrency"), "{text}");
        assert!(text.contains(r#""retry_attempts":5"#) && !text.contains("retry_growth"), "{text}");
        let kept: Function = serde_json::from_str(&text).unwrap();
        let app = App { id: "A".to_owned(), name: "shop".to_owned(), ..App::default() };
        assert_eq!(kept.knobs.retries, retries);
        assert_eq!(kept.served(&app), served);
    }

    #[test]
    fn a_functions_variable_hides_its_apps() {
        let variables = |pairs: &[(&str, &str)]| pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        let app = App { config: variables(&[("A", "app"), ("B", "app")]), ..App::default() };
        let function = Function { config: variables(&[("B", "fn")]), ..Function::default() };
        assert_eq!(function.served(&app).config, variables(&[("A", "app"), ("B", "fn")]));
    }

    #[test]
    fn a_functions_secret_hides_its_apps_and_its_config() {
        let secrets = |pairs: &[(&str, &str)]| -> Secrets {
            pairs.iter().map(|&(k, v)| (k.to_owned(), Secret::Given(hotfn::Secret::new(v)))).collect()
        };
        let app = App { secrets: secrets(&[("A", "app"), ("B", "app")]), ..App::default() };
        let function = Function { secrets: secrets(&[("B", "fn")]), ..Function::default() };
        let served = function.clone().served(&app).secrets;
        let revealed: Vec<_> = served.iter().map(|(name, secret)| (name.as_str(), secret.reveal())).collect();
        assert_eq!(revealed, [("A", "app"), ("B", "fn")]);
        // Nowhere in what is kept or answered.
        let told = serde_json::to_string(&(&app, &function)).unwrap();
        assert!(
            told.contains(r#""secrets":{"B":null}"#) && !told.contains("\"app\"") && !told.contains("\"fn\""),
            "{told}"
        );
    }

    #[test]
    fn times_are_told_to_the_millisecond() {
        let now = now();
        assert_eq!(now.len(), "2026-01-02T03:04:05.678Z".len());
        let rfc3339 = &time::format_description::well_known::Rfc3339;
        let age = OffsetDateTime::now_utc() - OffsetDateTime::parse(&now, rfc3339).unwrap();
        assert!(age.abs() < Duration::from_secs(10));
    }
}
