//! What every store promises, held by each kind of it.

mod calls;
mod contract;
#[cfg(feature = "postgres")]
mod nodes;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

use std::time::Duration;

use hotfn_server::store::Told;

use crate::soon;

/// Waits until who tells is believed, so that nobody need look for himself, or is not.
async fn believed(told: &mut Told, is_believed: bool) {
    soon(async {
        while (told.look_within() > Duration::from_secs(20)) != is_believed {
            told.next().await;
        }
    })
    .await;
}
