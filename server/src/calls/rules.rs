//! Which functions there are, and how their calls are tried again.

use std::collections::HashMap;
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use hotfn_protocols::FunctionId;

use super::retry::{Retries, Retry};

/// What functions say of their calls, beside what the node says.
#[derive(Debug, Default)]
pub struct Rules {
    node: Retries,
    functions: RwLock<HashMap<FunctionId, Retries>>,
}

impl Rules {
    /// No function yet.
    #[must_use]
    pub fn new(node: Retries) -> Self {
        Self { node, functions: RwLock::default() }
    }

    /// There is this function, and it says so.
    pub fn put(&self, function: FunctionId, retries: Retries) {
        self.write().insert(function, retries);
    }

    /// There is no such function any more.
    pub fn remove(&self, function: &FunctionId) {
        self.write().remove(function);
    }

    /// Is there such a function?
    #[must_use]
    pub fn has(&self, function: &FunctionId) -> bool {
        self.read().contains_key(function)
    }

    /// How a call of it is tried again; the node's rule if there is no such function.
    pub(super) fn of(&self, function: &str) -> Retry {
        let said = self.read().get(function).copied().unwrap_or_default();
        said.or(self.node).rule()
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<FunctionId, Retries>> {
        self.functions.read().expect("no code panics while it holds this lock")
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<FunctionId, Retries>> {
        self.functions.write().expect("no code panics while it holds this lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_says_it_before_its_node() {
        let rules = Rules::new(Retries { attempts: Some(7), growth: Some(1), ..Retries::default() });
        rules.put("f".into(), Retries { attempts: Some(2), ..Retries::default() });
        assert_eq!((rules.of("f").attempts, rules.of("f").growth), (2, 1));
        rules.remove(&"f".into());
        assert!(!rules.has(&"f".into()));
        assert_eq!(rules.of("f").attempts, 7);
    }
}
