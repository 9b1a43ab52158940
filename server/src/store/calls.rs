//! Calls: those that wait to be run, and for a while those that were.
//!
//! What is written about many calls is written in one transaction, because what takes the time of
//! one is getting it onto the disk. Calls stand beside the revision: no node has to hear of one.
//!
//! A call that runs has an owner and a moment at which its owner counts as dead unless it has said
//! meanwhile that it is not. Whoever takes a call finds it by its moment alone, so one that was never
//! begun, one that waits for its next try and one whose node has died are all taken the same way,
//! and each by one node only.

pub(super) mod statements;

use crate::calls::record::{Record, Status};

use super::database::{Access, Transaction};
use super::{Error, Failure, Store, document, read_document};

use statements::{
    FORGOTTEN_MAX, change_calls, count_calls, dead_beyond, due_calls, first_due_call, forget_calls, insert_calls,
    list_calls, log_calls, oldest_kept, renew_calls,
};

/// A call with all that is needed to make it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What is told of it.
    pub record: Record,
    /// From when on any node may take it: milliseconds since 1970; of no meaning once it is over.
    pub due: u64,
    /// The node that runs it; empty while none does.
    pub owner: String,
    /// The call itself, as it is written down; empty once it is over and nobody can want it again.
    pub request: String,
}

/// What is different about a call from now on.
#[derive(Clone, Debug)]
pub struct Change {
    /// What is told of it.
    pub record: Record,
    /// As in [`Entry`].
    pub due: u64,
    /// As in [`Entry`].
    pub owner: String,
    /// Is the call itself still wanted?
    pub keeps_request: bool,
}

/// What is written at once.
#[derive(Debug, Default)]
pub struct Batch {
    /// Calls that came.
    pub new: Vec<Entry>,
    /// Calls of the writer's that changed.
    pub changed: Vec<Change>,
    /// What functions wrote, by the call's id.
    pub logs: Vec<(String, String)>,
}

impl Batch {
    /// Is there a call in it that any node may take, now or later?
    fn offers_calls(&self) -> bool {
        let is_open = |record: &Record, owner: &str| owner.is_empty() && !record.status.is_over();
        self.new.iter().any(|entry| is_open(&entry.record, &entry.owner))
            || self.changed.iter().any(|change| is_open(&change.record, &change.owner))
    }
}

/// Which calls of a function are wanted: the newest first.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Those before the call with this id, in that order behind it; empty: from the newest on.
    pub before: String,
    /// Those that are not before this in the order of their names.
    pub from: String,
    /// Only those that are so far.
    pub status: Option<Status>,
    /// Most of them.
    pub count_max: usize,
}

/// Calls that were taken.
#[derive(Debug, Default)]
pub struct Taken {
    /// With their changes made.
    pub entries: Vec<Entry>,
    /// There may be more that are due.
    pub are_more: bool,
}

/// How many calls wait or run, and what their requests add up to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Open {
    /// Calls.
    pub calls: u64,
    /// Bytes.
    pub bytes: u64,
}

/// How long calls are kept that are over.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// Those that came before the call with this id would have are forgotten,
    pub from: String,
    /// and of dead ones those before this.
    pub dead_from: String,
    /// Most with each status; the oldest go.
    pub count_max: u64,
    /// Most bytes of dead calls' requests, which are kept; the oldest go.
    pub dead_bytes_max: u64,
}

/// Most calls in one statement.
const CHUNK: usize = 256;

impl Store {
    /// Writes `batch`, all or nothing of it. Of the changes those are made whose calls are still
    /// `owner`'s.
    ///
    /// # Errors
    /// When the store cannot be used, or a new call is there already.
    pub async fn write_calls(&self, owner: &str, batch: &Batch) -> Result<(), Error> {
        let mut transaction = self.begin(Access::Write).await?;
        for entries in chunks(&batch.new) {
            transaction.insert_calls(entries).await?;
        }
        for changes in chunks(&batch.changed) {
            transaction.change_calls(changes, Some(owner)).await?;
        }
        for logs in chunks(&batch.logs) {
            let sql = log_calls(logs.len());
            let params: Vec<&str> = logs.iter().flat_map(|(id, log)| [id.as_str(), log.as_str()]).collect();
            transaction.execute(&sql, &params).await?;
        }
        if batch.offers_calls() {
            transaction.offer().await?;
        }
        Ok(transaction.commit().await?)
    }

    /// From when on the call may be taken that is due first, in milliseconds since 1970; `None` if none waits or
    /// runs.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn first_due_call(&self) -> Result<Option<u64>, Error> {
        let due = self.read().await?.query::<1>(&first_due_call(), &[]).await?;
        Ok(due.iter().flatten().find_map(|due| due.parse().ok()))
    }

    /// Takes calls that are due at `now`, those due longest first, until they are `count_max` or
    /// their requests have more than `bytes_max`; one at least, if there is one. `take` says what
    /// becomes of each.
    ///
    /// # Errors
    /// When the store cannot be used. Then nothing was taken.
    pub async fn take_calls(
        &self,
        now: u64,
        count_max: usize,
        bytes_max: u64,
        mut take: impl FnMut(Record) -> Change,
    ) -> Result<Taken, Error> {
        let mut transaction = self.begin(Access::Write).await?;
        let sql = format!("{} {}", due_calls(), transaction.skip_locked());
        let found = transaction.query::<2>(&sql, &[&now.to_string(), &count_max.to_string()]).await?;
        let mut bytes = 0_u64;
        let within = found.iter().enumerate().take_while(|(n, [_, length])| {
            bytes = bytes.saturating_add(length.parse().unwrap_or_default());
            *n == 0 || bytes <= bytes_max
        });
        let docs: Vec<&str> = within.map(|(_, [doc, _])| doc.as_str()).collect();
        let are_more = found.len() == count_max || docs.len() < found.len();
        let changes = docs.into_iter().map(|doc| Ok(take(read_document(doc)?))).collect::<Result<Vec<_>, Error>>()?;
        let mut entries = Vec::with_capacity(changes.len());
        for changes in chunks(&changes) {
            let mut requests = transaction.change_calls(changes, None).await?;
            entries.extend(changes.iter().map(|Change { record, due, owner, .. }| {
                let at = requests.iter().position(|[id, _]| *id == record.id);
                let request = at.map(|at| requests.swap_remove(at)).map_or_else(String::new, |[_, request]| request);
                Entry { record: record.clone(), due: *due, owner: owner.clone(), request }
            }));
        }
        transaction.commit().await?;
        Ok(Taken { entries, are_more })
    }

    /// Says that `owner` still runs the calls `ids`, so that they are its until `due`.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn renew_calls(&self, owner: &str, ids: &[String], due: u64) -> Result<(), Error> {
        let mut transaction = self.begin(Access::Write).await?;
        for ids in chunks(ids) {
            let due = due.to_string();
            let params: Vec<&str> = [owner, &due].into_iter().chain(ids.iter().map(String::as_str)).collect();
            transaction.execute(&renew_calls(ids.len()), &params).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Calls of the function `function`, the newest first.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn calls(&self, function: &str, wanted: &Wanted) -> Result<Vec<Record>, Error> {
        let (sql, status) = (list_calls(wanted), wanted.status.map(Status::as_str));
        let before = if wanted.before.is_empty() { BEHIND_ALL } else { &wanted.before };
        let params: Vec<&str> = [function, before, &wanted.from].into_iter().chain(status).collect();
        let rows = self.read().await?.query::<1>(&sql, &params).await?;
        rows.iter().map(|[doc]| read_document(doc)).collect()
    }

    /// The call `id` of the function `function`.
    ///
    /// # Errors
    /// When there is none.
    pub async fn call(&self, function: &str, id: &str) -> Result<Record, Error> {
        self.read().await?.call(function, id).await
    }

    /// What the function wrote during the call `id`; empty if nothing.
    ///
    /// # Errors
    /// When there is no such call.
    pub async fn call_log(&self, function: &str, id: &str) -> Result<String, Error> {
        let sql = "SELECT log FROM calls WHERE id = $1 AND fn_id = $2";
        let rows = self.read().await?.query::<1>(sql, &[id, function]).await?;
        let log = rows.into_iter().flatten().next();
        log.ok_or_else(|| Error::CallUnknown { id: id.to_owned() })
    }

    /// Lets the dead call `id` be run again, at once, with all its attempts.
    ///
    /// # Errors
    /// When there is no such call, or it is not dead.
    pub async fn revive_call(&self, function: &str, id: &str, now: u64) -> Result<Record, Error> {
        let mut transaction = self.begin(Access::Write).await?;
        let mut record = transaction.call(function, id).await?;
        if record.status != Status::Dead {
            return Err(Error::CallNotDead { id: record.id, status: record.status });
        }
        record.status = Status::Queued;
        (record.attempts, record.completed_at) = (0, None);
        let change = Change { record, due: now, owner: String::new(), keeps_request: true };
        // Of two who ask at once the second finds that it is not dead any more, or makes the same of it.
        transaction.change_calls(std::slice::from_ref(&change), Some("")).await?;
        transaction.commit().await?;
        Ok(change.record)
    }

    /// How many calls wait or run.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn open_calls(&self) -> Result<Open, Error> {
        let rows = self.read().await?.query::<2>(&count_calls(), &[]).await?;
        let [calls, bytes] = rows.first().map_or([0, 0], |row| row.each_ref().map(|n| n.parse().unwrap_or_default()));
        Ok(Open { calls, bytes })
    }

    /// Forgets calls that are over, as `keeping` says.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn forget_calls(&self, keeping: &Keeping) -> Result<(), Error> {
        let beyond = self.read().await?.query::<1>(&dead_beyond(), &[&keeping.dead_bytes_max.to_string()]).await?;
        // Behind the last one that is too many, and before the next.
        let beyond = beyond.into_iter().flatten().next().map(|id| id + BEHIND_ALL).unwrap_or_default();
        for status in Status::ALL.into_iter().filter(|status| status.is_over()) {
            let from = if status == Status::Dead { keeping.dead_from.as_str().max(&*beyond) } else { &keeping.from };
            loop {
                let mut transaction = self.begin(Access::Write).await?;
                let behind = [status.as_str(), &keeping.count_max.to_string()];
                let oldest = transaction.query::<1>(&oldest_kept(), &behind).await?.into_iter().flatten().next();
                let from = oldest.as_deref().map_or(from, |oldest| oldest.max(from));
                let gone = transaction.query::<1>(&forget_calls(), &[status.as_str(), from]).await?;
                transaction.commit().await?;
                if gone.len() < FORGOTTEN_MAX {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Transaction {
    async fn insert_calls(&mut self, entries: &[Entry]) -> Result<(), Failure> {
        let sql = insert_calls(entries.len());
        let rows = entries.iter().map(|Entry { record, due, owner, request }| {
            let (due, bytes) = (due.to_string(), request.len().to_string());
            let (id, fn_id, status) = (record.id.clone(), record.fn_id.clone(), record.status.to_string());
            [id, fn_id, status, due, owner.clone(), bytes, document(record), request.clone()]
        });
        let params: Vec<String> = rows.flatten().collect();
        self.execute(&sql, &params.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    /// Makes them, of `owner`'s calls alone if one is given; answers ids and requests.
    async fn change_calls(&mut self, changes: &[Change], owner: Option<&str>) -> Result<Vec<[String; 2]>, Failure> {
        let sql = change_calls(changes.len(), owner.is_some());
        let rows = changes.iter().map(|Change { record, due, owner, keeps_request }| {
            let keeps = if *keeps_request { "yes" } else { "no" };
            let status = record.status.to_string();
            [record.id.clone(), status, due.to_string(), owner.clone(), document(record), keeps.to_owned()]
        });
        let params: Vec<String> = rows.flatten().chain(owner.map(str::to_owned)).collect();
        self.query::<2>(&sql, &params.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    async fn call(&mut self, function: &str, id: &str) -> Result<Record, Error> {
        let sql = "SELECT doc FROM calls WHERE id = $1 AND fn_id = $2";
        let rows = self.query::<1>(sql, &[id, function]).await?;
        let [doc] = rows.first().ok_or_else(|| Error::CallUnknown { id: id.to_owned() })?;
        read_document(doc)
    }
}

/// Behind the name of every call, none of which has such a character.
const BEHIND_ALL: &str = "~";

/// Pieces whose lengths are powers of two, so that there are few different statements.
fn chunks<T>(mut items: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = 1 << items.len().min(CHUNK).checked_ilog2()?;
        let (chunk, rest) = items.split_at(length);
        items = rest;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_powers_of_two_and_nothing_is_left_out() {
        let check = |count: usize, expected: &[usize]| {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(chunks(&items).map(<[usize]>::len).collect::<Vec<_>>(), expected, "{count}");
            assert_eq!(chunks(&items).flatten().copied().collect::<Vec<_>>(), items);
        };
        check(0, &[]);
        check(1, &[1]);
        check(7, &[4, 2, 1]);
        check(600, &[256, 256, 64, 16, 8]);
    }
}
