//! Which network a container is in: of those that were listed, the one with the fewest of ours.

use std::sync::{Arc, Mutex, PoisonError};

use super::engine::{self, Engine};
use crate::container::DriverError;

/// Names that an engine knows without having made the network.
const BUILT_IN: [&str; 4] = ["bridge", "default", "host", "none"];

/// The networks that containers share out among them.
#[derive(Debug, Default)]
pub(super) struct Networks {
    names: Vec<String>,
    /// How many of our containers are in each.
    used: Mutex<Vec<usize>>,
}

impl Networks {
    /// Those called `names`; none: the engine's own choice.
    pub(super) async fn find(engine: &Engine, names: Vec<String>) -> Result<Self, DriverError> {
        for name in &names {
            if BUILT_IN.contains(&name.as_str()) || name.starts_with("container:") {
                continue;
            }
            let found = engine.api.inspect_network(name, None).await;
            found.map_err(|e| DriverError::Engine { what: format!("network {name:?}"), why: engine::why(&e) })?;
        }
        Ok(Self::of(names))
    }

    fn of(names: Vec<String>) -> Self {
        Self { used: Mutex::new(vec![0; names.len()]), names }
    }

    /// A place in the one that is used least, the first of several.
    pub(super) fn lease(self: &Arc<Self>) -> Option<Lease> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, count) = used.iter_mut().enumerate().min_by_key(|(_, count)| **count)?;
        *count += 1;
        Some(Lease { networks: self.clone(), at })
    }
}

/// One container's place in a network, until it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    networks: Arc<Networks>,
    at: usize,
}

impl Lease {
    pub(super) fn name(&self) -> &str {
        &self.networks.names[self.at]
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.networks.used.lock().unwrap_or_else(PoisonError::into_inner)[self.at] -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_used_is_next() {
        let networks = Arc::new(Networks::of(vec!["a".to_owned(), "b".to_owned()]));
        let (a, b, again) = (networks.lease().unwrap(), networks.lease().unwrap(), networks.lease().unwrap());
        assert_eq!((a.name(), b.name(), again.name()), ("a", "b", "a"));
        drop((a, again));
        assert_eq!((networks.lease().unwrap().name(), b.name()), ("a", "b"));
    }

    #[test]
    fn without_a_list_the_engine_chooses() {
        assert!(Arc::new(Networks::default()).lease().is_none());
    }
}
