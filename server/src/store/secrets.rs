//! Secrets: values that have a column of their own.
//!
//! Documents have their names alone, so whatever reads or lists records never holds a value. Only
//! what is served is read with them. They are not encrypted here: whoever could decrypt them when a
//! node starts unattended would have to have the key lying beside the database. SQLite's file is its
//! owner's alone (0600), and a Postgres database is as safe as its own rights and disks.

use std::collections::BTreeMap;

use super::record::{Secret, Secrets};
use super::{Error, Transaction, document, read_document};

impl Transaction {
    /// The values of the row `id` of `table`, as they are kept; those of no row are none.
    pub(super) async fn secrets(&mut self, table: Table, id: &str) -> Result<String, Error> {
        let sql = match table {
            Table::Apps => "SELECT secrets FROM apps WHERE id = $1",
            Table::Functions => "SELECT secrets FROM fns WHERE id = $1",
        };
        let rows = self.query::<1>(sql, &[id]).await?;
        Ok(rows.into_iter().flatten().next().unwrap_or_else(none))
    }
}

/// Whose they are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Table {
    Apps,
    Functions,
}

/// What is kept where there are none.
pub(super) fn none() -> String {
    "{}".to_owned()
}

/// What is to be kept of `secrets`, where `before` is kept now.
pub(super) fn kept(before: &str, secrets: &Secrets) -> Result<String, Error> {
    let before: BTreeMap<String, String> = read_document(before)?;
    let value = |(name, secret): (&String, &Secret)| {
        let value = match secret {
            Secret::Given(value) => Some(value.reveal().to_owned()),
            Secret::Kept => before.get(name).cloned(),
        };
        Some((name.clone(), value?))
    };
    Ok(document(&secrets.iter().filter_map(value).collect::<BTreeMap<String, String>>()))
}

/// The values that are kept.
pub(super) fn values(kept: &str) -> Result<Secrets, Error> {
    let values: BTreeMap<String, String> = read_document(kept)?;
    Ok(values.into_iter().map(|(name, value)| (name, Secret::Given(hotfn::Secret::new(value)))).collect())
}
