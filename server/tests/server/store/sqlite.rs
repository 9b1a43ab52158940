//! Stores in memory and in files.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use hotfn_server::access::{Access, Tokens};
use hotfn_server::config::Settings;
use hotfn_server::drivers;
use hotfn_server::mirror::Mirror;
use hotfn_server::store::{App, Store, Topic, Url};
use tokio::time::{sleep, timeout};

use super::{believed, contract};
use crate::soon;

#[tokio::test]
async fn a_store_in_memory_keeps_the_contract() {
    contract::check(&Url::Memory).await;
}

#[tokio::test]
async fn a_store_in_a_file_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    contract::check(&Url::Sqlite(folder.path().join("made/for/it.db"))).await;
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::Sqlite(folder.path().join("fn.db"));
    let made = Store::open(&url).await.unwrap().create_app(App { name: "a".into(), ..App::default() }).await.unwrap();
    assert_eq!(Store::open(&url).await.unwrap().app(&made.id).await.unwrap(), made);
}

#[tokio::test]
async fn a_file_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let _store = Store::open(&Url::Sqlite(folder.path().join("fn.db"))).await.unwrap();
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
    assert!(files.len() >= 2, "the database and its journal: {files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn two_stores_in_one_file_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    contract::check_sharing(&Url::Sqlite(folder.path().join("fn.db"))).await;
}

#[tokio::test]
async fn what_another_process_writes_is_told_and_not_what_one_writes_oneself() {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::Sqlite(folder.path().join("fn.db"));
    let (one, other) = (Store::open(&url).await.unwrap(), Store::open(&url).await.unwrap());
    let mut told = one.told(Topic::Definitions);
    believed(&mut told, true).await;
    for name in ["a", "b"] {
        other.create_app(App { name: name.to_owned(), ..App::default() }).await.unwrap();
        soon(told.next()).await;
    }
    one.create_app(App { name: "mine".to_owned(), ..App::default() }).await.unwrap();
    assert!(timeout(Duration::from_secs(1), told.next()).await.is_err(), "nobody else wrote");
}

#[tokio::test(start_paused = true)]
async fn who_is_alone_hardly_ever_asks() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { iofs: Some(folder.path().to_owned()), memory_mb: Some(64), ..Settings::default() };
    let agent = settings.agent().driver(drivers::start(&settings, &Arc::default()).await.unwrap()).start().unwrap();
    let store = Arc::new(Store::open(&Url::Memory).await.unwrap());
    let mirror = Arc::new(Mirror::new(store.clone(), agent, Access::new(Tokens::Off), Arc::default()));
    let following = tokio::spawn(async move { mirror.follow().await });
    sleep(Duration::from_secs(29)).await;
    assert_eq!(store.counts().reads(), 0);
    sleep(Duration::from_secs(60)).await;
    assert!((1..=3).contains(&store.counts().reads()), "{:?}", store.counts());
    following.abort();
}

#[tokio::test]
async fn a_store_of_a_later_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fn.db");
    Store::open(&Url::Sqlite(path.clone())).await.unwrap();
    let versions = "INSERT INTO migrations (version) VALUES (998), (999)";
    rusqlite::Connection::open(&path).unwrap().execute_batch(versions).unwrap();
    let refused = Store::open(&Url::Sqlite(path)).await.unwrap_err().to_string();
    assert!(refused.starts_with("the database has version "), "{refused}");
    assert!(refused.ends_with(" at most; use a later hotfn"), "{refused}");
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fn.db");
    std::fs::write(&path, "this is not a database, but it is as long as the head of one would be, and longer").unwrap();
    assert!(Store::open(&Url::Sqlite(path)).await.is_err());
}
