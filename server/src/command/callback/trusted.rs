//! Whom callbacks over TLS believe.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::config::Config;
use crate::tls::{Connector, TrustError};

/// Who shakes hands for `https://`, by what the config says; made when the first outcome goes there, since
/// a machine's roots are a hundred files that most services never need.
#[derive(Debug, Default)]
pub(super) struct Trusted(Mutex<Option<(Arc<Config>, Connector)>>);

impl Trusted {
    /// The one by this config. A config that was read again has its files read again.
    pub(super) async fn by(&self, config: &Arc<Config>) -> Result<Connector, TrustError> {
        if let Some((of, connector)) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && Arc::ptr_eq(of, config)
        {
            return Ok(connector.clone());
        }
        let trust = config.callback_trust.clone();
        let made = tokio::task::spawn_blocking(move || Connector::new(&trust)).await;
        let connector = made.expect("making one does not panic")?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((config.clone(), connector.clone()));
        Ok(connector)
    }
}
