//! The promises, on an empty store each.

use std::collections::BTreeMap;

use hotfn_server::calls::Retries;
use hotfn_server::config::Deployment;
use hotfn_server::front;
use hotfn_server::store::{App, Change, Changes, Error, Function, Given, Page, Store, Trigger, Url};

use super::calls;

/// All of them, one after another, in one store.
pub(super) async fn check(url: &Url) {
    let store = Store::open(url).await.unwrap();
    apps(&store).await;
    functions(&store).await;
    triggers(&store).await;
    lists(&store).await;
    changes(&store).await;
    given(&store).await;
    updates_at_once(&store).await;
    calls::check(&store).await;
}

/// Two stores at one place: what one writes the other reads, and neither makes what the other has.
pub(super) async fn check_sharing(url: &Url) {
    let (one, other) = tokio::join!(Store::open(url), Store::open(url));
    let (one, other) = (one.unwrap(), other.unwrap());
    let before = other.changes(0).await.unwrap().up_to;
    let function = function_of(&one, "shared", "f").await;
    assert_eq!(other.function(&function.id).await.unwrap(), function);
    assert_eq!(served(&other.changes(before).await.unwrap()), ["f"]);
    let made = futures_util::future::join_all((0..20).map(|n| {
        let store = if n % 2 == 0 { &one } else { &other };
        store.create_app(app("contested"))
    }));
    assert_eq!(made.await.iter().filter(|made| made.is_ok()).count(), 1);
    calls::check_sharing(&one, &other).await;
}

async fn apps(store: &Store) {
    let made = store.create_app(App { config: variables(&[("K", "v")]), ..app("shop") }).await.unwrap();
    assert_eq!((made.id.len(), &made.created_at), (26, &made.updated_at));
    assert_eq!(store.app(&made.id).await.unwrap(), made);
    assert!(matches!(store.create_app(app("shop")).await, Err(Error::AppExists { name }) if name == "shop"));
    for unknown in ["", "nobody", "nu\0l"] {
        assert!(matches!(store.app(unknown).await, Err(Error::AppUnknown { .. })), "{unknown:?}");
        assert!(matches!(store.delete_app(unknown).await, Err(Error::AppUnknown { .. })), "{unknown:?}");
    }

    let refused: Result<App, Refused> = store
        .update_app(&made.id, |app| {
            app.config.clear();
            Err(Refused::ByTheCaller)
        })
        .await;
    assert!(matches!(refused, Err(Refused::ByTheCaller)));
    assert_eq!(store.app(&made.id).await.unwrap(), made, "what was refused changes nothing");
    let same = store.update_app(&made.id, |_| Ok::<_, Error>(())).await.unwrap();
    assert_eq!(same, made, "nor does what is the same");
    let changed = store.update_app(&made.id, |app| {
        app.syslog_url = "udp://log".into();
        Ok::<_, Error>(())
    });
    let changed = changed.await.unwrap();
    assert!(changed.updated_at >= made.updated_at && changed.created_at == made.created_at);
    store.delete_app(&made.id).await.unwrap();
    assert!(matches!(store.app(&made.id).await, Err(Error::AppUnknown { .. })));
}

async fn functions(store: &Store) {
    let (a, b) = (store.create_app(app("a")).await.unwrap(), store.create_app(app("b")).await.unwrap());
    let made = store.create_function(function(&a.id, "f")).await.unwrap();
    assert_eq!(store.function(&made.id).await.unwrap(), made);
    let again = store.create_function(function(&a.id, "f")).await;
    assert!(matches!(again, Err(Error::FunctionExists { .. })));
    let elsewhere = store.create_function(function(&b.id, "f")).await.unwrap();
    assert!(elsewhere.id != made.id, "a name is an app's own");
    let nowhere = store.create_function(function("nobody", "f")).await;
    assert!(matches!(nowhere, Err(Error::AppUnknown { .. })));
    store.delete_app(&a.id).await.unwrap();
    assert!(matches!(store.function(&made.id).await, Err(Error::FunctionUnknown { .. })));
    store.delete_function(&elsewhere.id).await.unwrap();
    assert!(matches!(store.delete_function(&elsewhere.id).await, Err(Error::FunctionUnknown { .. })));
    store.delete_app(&b.id).await.unwrap();
}

async fn triggers(store: &Store) {
    let (f, h) = (function_of(store, "a", "f").await, function_of(store, "b", "h").await);
    let g = store.create_function(function(&f.app_id, "g")).await.unwrap();
    let made = store.create_trigger(trigger(&f, "t", "/s")).await.unwrap();
    assert_eq!(made.app_name, "a");
    assert_eq!(store.trigger(&made.id).await.unwrap(), made);
    assert_eq!(store.trigger_by_source(&f.app_id, "http", "/s").await.unwrap(), Some(made.clone()));
    assert_eq!(store.trigger_by_source(&f.app_id, "http", "/").await.unwrap(), None);

    let refused = async |trigger| store.create_trigger(trigger).await.unwrap_err();
    assert!(matches!(refused(trigger(&f, "t", "/other")).await, Error::TriggerExists { .. }));
    assert!(matches!(refused(trigger(&g, "u", "/s")).await, Error::SourceTaken { .. }));
    let stranger = Trigger { fn_id: h.id.clone(), ..trigger(&f, "u", "/u") };
    assert!(matches!(refused(stranger).await, Error::FunctionElsewhere { .. }));
    let nobodys = Trigger { fn_id: "nobody".into(), ..trigger(&f, "u", "/u") };
    assert!(matches!(refused(nobodys).await, Error::FunctionUnknown { .. }));
    let nowhere = Trigger { app_id: "nowhere".into(), ..trigger(&f, "u", "/u") };
    assert!(matches!(refused(nowhere).await, Error::AppUnknown { .. }));

    let other = store.create_trigger(trigger(&g, "t", "/other")).await.unwrap();
    let update = async |change: fn(&mut Trigger)| {
        let changed = store.update_trigger(&other.id, |t| {
            change(t);
            Ok::<_, Error>(())
        });
        changed.await
    };
    assert!(matches!(update(|t| t.source = "/s".into()).await, Err(Error::SourceTaken { .. })));
    assert!(matches!(update(|t| t.fn_id = "nobody".into()).await, Err(Error::FunctionUnknown { .. })));
    assert_eq!(update(|t| t.source = "/new".into()).await.unwrap().source, "/new");
    assert!(store.trigger_by_source(&g.app_id, "http", "/other").await.unwrap().is_none());
    store.delete_function(&g.id).await.unwrap();
    assert!(matches!(store.trigger(&other.id).await, Err(Error::TriggerUnknown { .. })));
    store.delete_app(&f.app_id).await.unwrap();
    assert!(matches!(store.delete_trigger(&made.id).await, Err(Error::TriggerUnknown { .. })));
    store.delete_app(&h.app_id).await.unwrap();
}

async fn lists(store: &Store) {
    // Bytewise: upper case before `_` before lower case, and what is not ASCII last.
    let names = ["B", "Z", "_", "a", "a-b", "aa", "b", "é"];
    for name in names.iter().rev() {
        store.create_app(app(name)).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut page = Page { count_max: 3, ..Page::default() };
    loop {
        let apps = store.apps(None, &page).await.unwrap();
        let Some(last) = apps.last() else { break };
        page = Page { after_name: last.name.clone(), after_id: last.id.clone(), ..page };
        seen.extend(apps);
    }
    assert_eq!(seen.iter().map(|app| app.name.as_str()).collect::<Vec<_>>(), names);
    let page = Page { count_max: 30, ..Page::default() };
    assert_eq!(store.apps(Some(&["aa"]), &page).await.unwrap().len(), 1);
    for nobody in ["aaa", "nu\0l"] {
        assert_eq!(store.apps(Some(&[nobody]), &page).await.unwrap(), []);
        assert_eq!(store.functions(nobody, None, &page).await.unwrap(), []);
        assert_eq!(store.triggers(nobody, Some(nobody), Some(nobody), &page).await.unwrap(), []);
    }

    let app = &seen[0].id;
    for name in ["f", "g"] {
        let f = store.create_function(function(app, name)).await.unwrap();
        for n in 0..3 {
            store.create_trigger(trigger(&f, &format!("t{n}"), &format!("/{name}/{n}"))).await.unwrap();
        }
    }
    assert_eq!(store.functions(app, None, &page).await.unwrap().len(), 2);
    let mut sources = Vec::new();
    let mut page = Page { count_max: 1, ..Page::default() };
    while let Some(t) = store.triggers(app, None, None, &page).await.unwrap().pop() {
        page = Page { after_name: t.name, after_id: t.id, ..page };
        sources.push(t.source);
    }
    sources.chunks_mut(2).for_each(|of_one_name| of_one_name.sort());
    assert_eq!(sources, ["/f/0", "/g/0", "/f/1", "/g/1", "/f/2", "/g/2"], "of one name, each once");
    for app in seen {
        store.delete_app(&app.id).await.unwrap();
    }
}

async fn changes(store: &Store) {
    let start = store.changes(0).await.unwrap().up_to;
    let since = async |n: i64| store.changes(n).await.unwrap();
    assert!(since(start).await.changes.is_empty());
    let f = function_of(store, "a", "f").await;
    let t = store.create_trigger(trigger(&f, "t", "/s")).await.unwrap();
    let made = since(start).await;
    let [Change::Served(deployment)] = &*made.changes else { panic!("{made:?}") };
    assert_eq!((deployment.function.id.as_str(), &*deployment.function.app_name), (&*f.id, "a"));
    assert_eq!(deployment.triggers, [front::Trigger { app: "a".into(), source: "/s".into() }]);

    let set = |app: &mut App| {
        app.config = variables(&[("K", "v")]);
        Ok::<_, Error>(())
    };
    store.update_app(&f.app_id, set).await.unwrap();
    let configured = since(made.up_to).await;
    let [Change::Served(deployment)] = &*configured.changes else { panic!("{configured:?}") };
    assert_eq!(deployment.function.config, variables(&[("K", "v")]));
    store.delete_trigger(&t.id).await.unwrap();
    let untriggered = since(configured.up_to).await;
    assert!(matches!(&*untriggered.changes, [Change::Served(d)] if d.triggers.is_empty()));
    store.delete_app(&f.app_id).await.unwrap();
    let gone = since(untriggered.up_to).await;
    assert_eq!(gone.changes, [Change::Gone(f.id.as_str().into())]);
    assert!(since(gone.up_to).await.changes.is_empty());

    let g = function_of(store, "b", "g").await;
    assert!(!since(gone.up_to).await.is_all);
    for elsewhere in [0, gone.up_to + 10, gone.up_to - 1_000_000] {
        let all = since(elsewhere).await;
        assert!(all.is_all && served(&all) == ["g"], "{all:?}");
    }
    store.delete_app(&g.app_id).await.unwrap();
}

async fn given(store: &Store) {
    let deployment = |id: &str, name: &str, sources: &[&str]| {
        let function = hotfn::Function {
            name: name.into(),
            app_name: "given".into(),
            min_warm: 1,
            ..hotfn::Function::new(id, "process:x")
        };
        let triggers = sources.iter().map(|&s| front::Trigger { app: "given".into(), source: s.into() });
        Deployment { function, triggers: triggers.collect(), retries: Retries::default() }
    };
    let file = Given::new(vec![deployment("given.f", "f", &["/", "/a/b", "/a-b"]), deployment("given.g", "g", &[])]);
    let start = store.changes(0).await.unwrap().up_to;
    let foreseen = store.foresee(&file).await.unwrap();
    assert_eq!(store.changes(0).await.unwrap().up_to, start, "what is only foreseen is not written");
    store.give(&file).await.unwrap();
    let given = store.changes(start).await.unwrap();
    assert_eq!(served(&given), ["f", "g"]);
    assert_eq!(foreseen, given.changes);
    assert_eq!(store.foresee(&file).await.unwrap(), [], "what is there is no change");
    store.give(&file).await.unwrap();
    assert_eq!(store.changes(start).await.unwrap().up_to, given.up_to, "the same file again changes nothing");

    let f = store.function("given.f").await.unwrap();
    assert_eq!((f.knobs.min_warm, f.knobs.concurrency), (Some(1), None));
    let all = Page { count_max: 100, ..Page::default() };
    let triggers = store.triggers(&f.app_id, None, None, &all).await.unwrap();
    assert_eq!(triggers.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["a-b", "a-b-2", "root"]);

    store.give(&Given::new(vec![deployment("given.g", "g", &["/"])])).await.unwrap();
    let root = store.trigger_by_source(&f.app_id, "http", "/").await.unwrap().unwrap();
    assert_eq!(root.fn_id, "given.g", "a source moves to who claims it last");
    for (id, name) in [("given.f", "renamed"), ("another", "f")] {
        let refused = store.give(&Given::new(vec![deployment(id, name, &[])])).await.unwrap_err().to_string();
        assert!(refused.contains(id), "{refused}");
    }
    store.delete_app(&f.app_id).await.unwrap();
}

async fn updates_at_once(store: &Store) {
    let made = store.create_app(app("counted")).await.unwrap();
    let add = |n: u32| {
        store.update_app(&made.id, move |app| {
            app.config.insert(format!("K{n}"), "v".into());
            Ok::<_, Error>(())
        })
    };
    futures_util::future::join_all((0..20).map(add)).await.into_iter().for_each(|app| drop(app.unwrap()));
    assert_eq!(store.app(&made.id).await.unwrap().config.len(), 20, "none was lost");
    store.delete_app(&made.id).await.unwrap();
}

#[derive(Debug)]
enum Refused {
    ByTheCaller,
    ByTheStore,
}

impl From<Error> for Refused {
    fn from(_: Error) -> Self {
        Self::ByTheStore
    }
}

fn app(name: &str) -> App {
    App { name: name.into(), ..App::default() }
}

fn function(app: &str, name: &str) -> Function {
    Function { name: name.into(), app_id: app.into(), image: "process:x".into(), ..Function::default() }
}

fn trigger(function: &Function, name: &str, source: &str) -> Trigger {
    Trigger {
        name: name.into(),
        app_id: function.app_id.clone(),
        fn_id: function.id.clone(),
        kind: "http".into(),
        source: source.into(),
        ..Trigger::default()
    }
}

async fn function_of(store: &Store, app_name: &str, name: &str) -> Function {
    let app = store.create_app(app(app_name)).await.unwrap();
    store.create_function(function(&app.id, name)).await.unwrap()
}

/// The names of the functions that are served, sorted.
fn served(changes: &Changes) -> Vec<&str> {
    let mut names: Vec<_> = changes
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Gone(_) => None,
            Change::Served(deployment) => Some(deployment.function.name.as_str()),
        })
        .collect();
    names.sort_unstable();
    names
}

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}
