//! What a connector can reach beyond itself.

use std::fmt;
use std::sync::Arc;

use hotfn::Invoke;
use hotfn_protocols::{FunctionId, Kind};

/// Who answers the calls of connectors, and by which names.
#[derive(Clone)]
pub struct World {
    /// Answers calls of functions.
    pub functions: Arc<dyn Invoke>,
    /// Knows functions by name.
    pub directory: Arc<dyn Directory>,
    /// Answers calls of commands, whose names stand where a function's id does; `None` where there
    /// is no such service.
    pub commands: Option<Arc<dyn Invoke>>,
}

/// Knows functions by the names that people give them.
pub trait Directory: Send + Sync {
    /// The function that is called so: `APP/NAME`, or its id.
    fn find(&self, name: &str) -> Option<FunctionId>;
}

impl World {
    /// One with no function in it, for connectors that call nobody.
    #[must_use]
    pub fn empty() -> Self {
        Self { functions: Arc::new(Nobody), directory: Arc::new(Nobody), commands: None }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

struct Nobody;

impl Directory for Nobody {
    fn find(&self, _: &str) -> Option<FunctionId> {
        None
    }
}

impl Invoke for Nobody {
    fn invoke(&self, call: hotfn_protocols::Call) -> Answering<'_> {
        Box::pin(async move {
            Err(hotfn_protocols::Fault::new(Kind::UnknownFunction).because(format!("{} is not here", call.function)))
        })
    }
}

type Answering<'a> =
    std::pin::Pin<Box<dyn Future<Output = Result<hotfn_protocols::Reply, hotfn_protocols::Fault>> + Send + 'a>>;
