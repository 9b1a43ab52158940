//! What a store promises of calls.

use std::collections::HashSet;
use std::time::SystemTime;

use hotfn_protocols::CallId;
use hotfn_server::calls::record::{Kind, Record, Status};
use hotfn_server::store::calls::{Batch, Change, Entry, Keeping, Open, Wanted};
use hotfn_server::store::{Error, Store};

const LEASE: u64 = 1000;

fn queued(function: &str, due: u64) -> Entry {
    let record = Record::new(CallId::new(), &function.into(), Kind::Detached, SystemTime::now());
    Entry { record, due, owner: String::new(), request: "ten bytes!".to_owned() }
}

async fn write(store: &Store, new: Vec<Entry>) {
    store.write_calls("nobody", &Batch { new, ..Batch::default() }).await.unwrap();
}

/// Takes what is due at `now`.
async fn take(store: &Store, owner: &str, now: u64, count_max: usize, bytes_max: u64) -> Vec<Entry> {
    let take = |mut record: Record| {
        record.begin(SystemTime::now());
        Change { record, due: now + LEASE, owner: owner.to_owned(), keeps_request: true }
    };
    store.take_calls(now, count_max, bytes_max, take).await.unwrap().entries
}

/// Says that `entries`, which are `owner`'s, are over.
async fn end(store: &Store, owner: &str, entries: &[Entry], status: Status) {
    let changed = entries.iter().map(|entry| {
        let mut record = entry.record.clone();
        record.end(status, None, SystemTime::now());
        Change { record, due: 0, owner: String::new(), keeps_request: status == Status::Dead }
    });
    let batch = Batch { changed: changed.collect(), ..Batch::default() };
    store.write_calls(owner, &batch).await.unwrap();
}

pub(super) async fn check(store: &Store) {
    queue(store).await;
    owners(store).await;
    lists(store).await;
    forgetting(store).await;
}

async fn queue(store: &Store) {
    let entries: Vec<Entry> = [30, 10, 20, 99].map(|due| queued("f", due)).into();
    write(store, entries.clone()).await;
    assert_eq!(store.open_calls().await.unwrap(), Open { calls: 4, bytes: 40 });
    let again = Batch { new: vec![entries[0].clone()], ..Batch::default() };
    assert!(store.write_calls("nobody", &again).await.is_err(), "a call is there once");

    assert!(take(store, "one", 9, 10, 1000).await.is_empty());
    assert_eq!(store.first_due_call().await.unwrap(), Some(10));
    let taken = take(store, "one", 50, 2, 1000).await;
    let ids: HashSet<&str> = taken.iter().map(|entry| &*entry.record.id).collect();
    assert_eq!(ids, [1, 2].map(|n| &*entries[n].record.id).into(), "those due longest first");
    assert!(taken.iter().all(|entry| entry.request == "ten bytes!" && entry.record.status == Status::Running));
    let rest = take(store, "one", 100, 10, 5).await;
    assert_eq!(rest.len(), 1, "one at least, however large");
    let last = take(store, "one", 100, 10, 5).await;
    assert_eq!(last.len(), 1);
    assert!(take(store, "one", 100, 10, 1000).await.is_empty());
    for taken in [taken, rest, last] {
        end(store, "one", &taken, Status::Success).await;
    }
    assert_eq!(store.open_calls().await.unwrap(), Open::default());
}

async fn owners(store: &Store) {
    let entry = queued("f", 0);
    let id = entry.record.id.clone();
    write(store, vec![entry]).await;
    let ones = take(store, "one", 0, 10, 1000).await;
    assert!(take(store, "other", LEASE - 1, 10, 1000).await.is_empty(), "it is the first's for so long");
    let ids = [id.clone(), CallId::new().to_string(), "nu\0l".to_owned()];
    store.renew_calls("one", &ids, 2 * LEASE).await.unwrap();
    assert!(take(store, "other", 2 * LEASE - 1, 10, 1000).await.is_empty(), "and longer if it says so");
    store.renew_calls("another", &ids, 9 * LEASE).await.unwrap();
    store.renew_calls("one", &ids[1..], 9 * LEASE).await.unwrap();
    let others = take(store, "other", 2 * LEASE, 10, 1000).await;
    assert_eq!((others.len(), others[0].record.attempts), (1, 2), "then it is whose it is first");
    end(store, "one", &ones, Status::Success).await;
    assert_eq!(store.call("f", &id).await.unwrap().status, Status::Running, "who lost it has nothing to say of it");

    let logs = vec![(id.clone(), "one\ntwo\n".to_owned()), (CallId::new().to_string(), "nobody's".to_owned())];
    store.write_calls("other", &Batch { logs, ..Batch::default() }).await.unwrap();
    assert_eq!(store.call_log("f", &id).await.unwrap(), "one\ntwo\n");
    assert!(matches!(store.revive_call("f", &id, 5).await, Err(Error::CallNotDead { .. })));
    end(store, "other", &others, Status::Dead).await;
    let revived = store.revive_call("f", &id, 5).await.unwrap();
    assert_eq!((revived.status, revived.attempts), (Status::Queued, 0));
    let taken = take(store, "one", 5, 10, 1000).await;
    assert_eq!(taken[0].request, "ten bytes!");
    end(store, "one", &taken, Status::Success).await;
    assert!(matches!(store.revive_call("f", &id, 5).await, Err(Error::CallNotDead { .. })));
    for (function, call) in [("g", &*id), ("f", "nobody"), ("f", "nu\0l")] {
        assert!(matches!(store.call(function, call).await, Err(Error::CallUnknown { .. })));
        assert!(matches!(store.call_log(function, call).await, Err(Error::CallUnknown { .. })));
        assert!(matches!(store.revive_call(function, call, 0).await, Err(Error::CallUnknown { .. })));
    }
}

async fn lists(store: &Store) {
    let mut entries: Vec<Entry> = (0..7).map(|_| queued("listed", 0)).collect();
    write(store, entries.clone()).await;
    entries.reverse();
    let ids: Vec<String> = entries.iter().map(|entry| entry.record.id.clone()).collect();
    let (mut seen, mut wanted) = (Vec::new(), Wanted { count_max: 3, ..Wanted::default() });
    loop {
        let page = store.calls("listed", &wanted).await.unwrap();
        let Some(last) = page.last() else { break };
        wanted.before.clone_from(&last.id);
        seen.extend(page.into_iter().map(|record| record.id));
    }
    assert_eq!(seen, ids, "the newest first");
    let some = Wanted { before: ids[1].clone(), from: ids[3].clone(), count_max: 9, status: None };
    let page = store.calls("listed", &some).await.unwrap();
    assert_eq!(page.iter().map(|record| &record.id).collect::<Vec<_>>(), [&ids[2], &ids[3]]);
    let taken = take(store, "one", 0, 2, 1000).await;
    let of = async |status| {
        let wanted = Wanted { status: Some(status), count_max: 9, ..Wanted::default() };
        store.calls("listed", &wanted).await.unwrap().len()
    };
    assert_eq!((of(Status::Queued).await, of(Status::Running).await, of(Status::Dead).await), (5, 2, 0));
    end(store, "one", &taken, Status::Dead).await;
    let rest = take(store, "one", 0, 9, 1000).await;
    end(store, "one", &rest, Status::Success).await;
}

async fn forgetting(store: &Store) {
    let count = async || {
        let calls = store.calls("listed", &Wanted { count_max: 99, ..Wanted::default() }).await.unwrap();
        [Status::Dead, Status::Success].map(|status| calls.iter().filter(|call| call.status == status).count())
    };
    assert_eq!(count().await, [2, 5]);
    let open = queued("listed", u64::MAX >> 1);
    write(store, vec![open.clone()]).await;
    let (from, dead_from) = (String::new(), String::new());
    let all = Keeping { from, dead_from, count_max: 100_000, dead_bytes_max: 20 };
    store.forget_calls(&all).await.unwrap();
    assert_eq!(count().await, [2, 5]);
    store.forget_calls(&Keeping { count_max: 3, ..all.clone() }).await.unwrap();
    assert_eq!(count().await, [2, 3]);
    store.forget_calls(&Keeping { from: "~".to_owned(), ..all.clone() }).await.unwrap();
    assert_eq!(count().await, [2, 0], "dead ones have a time of their own");
    let dead = Wanted { status: Some(Status::Dead), count_max: 9, ..Wanted::default() };
    let newest = store.calls("listed", &dead).await.unwrap().swap_remove(0);
    store.forget_calls(&Keeping { dead_bytes_max: 19, ..all.clone() }).await.unwrap();
    assert_eq!(store.calls("listed", &dead).await.unwrap(), [newest], "what dead ones were called with takes room");
    store.forget_calls(&Keeping { dead_from: "~".to_owned(), ..all }).await.unwrap();
    assert_eq!(count().await, [0, 0]);
    assert_eq!(store.call("listed", &open.record.id).await.unwrap(), open.record, "what is not over stays");
}

/// Two stores at one place take at once: each call is one's only.
pub(super) async fn check_sharing(one: &Store, other: &Store) {
    write(one, (0..200).map(|_| queued("shared", 1)).collect()).await;
    let drain = async |store: &Store, owner: &str| {
        let mut taken = Vec::new();
        loop {
            let more = take(store, owner, 1, 16, 1 << 20).await;
            if more.is_empty() {
                return taken;
            }
            taken.extend(more.into_iter().map(|entry| entry.record.id));
        }
    };
    let (ones, others) = tokio::join!(drain(one, "one"), drain(other, "other"));
    let each: HashSet<&String> = ones.iter().chain(&others).collect();
    assert_eq!((ones.len() + others.len(), each.len()), (200, 200));
}
