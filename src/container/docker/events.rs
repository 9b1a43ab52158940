//! What an engine says happened to containers of ours, counted.
//!
//! One connection, over which nothing comes while nothing happens. What happens while there is none is not counted.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;
use tokio_util::task::AbortOnDropHandle;

use super::LABEL_NODE;
use super::engine::{self, Engine};

/// How long nobody listens after the engine has stopped telling.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Counts what happens, until it is dropped.
pub(super) fn follow(engine: Arc<Engine>) -> AbortOnDropHandle<Infallible> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            let filters = HashMap::from([
                ("type".to_owned(), vec!["container".to_owned()]),
                ("label".to_owned(), vec![LABEL_NODE.to_owned()]),
            ]);
            let mut events =
                engine.api.events(Some(EventsOptions { filters: Some(filters), ..EventsOptions::default() }));
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => engine.tally.event(event.action.as_deref().unwrap_or_default()),
                    Err(e) => {
                        tracing::debug!("the engine does not tell what happens: {}", engine::why(&e));
                        break;
                    }
                }
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }))
}
