//! What a connector can reach beyond itself.

use std::fmt;
use std::sync::Arc;

use hotfn::Invoke;
use hotfn_protocols::{FunctionId, Kind};

/// Who answers the calls of connectors, and by which names.
#[derive(Clone)]
pub struct World {
    /// Functions.
    pub functions: Callable,
    /// Commands, whose names stand where a function's id does; `None` where there is no such service.
    pub commands: Option<Callable>,
}

/// Something that can be called, by names.
#[derive(Clone)]
pub struct Callable {
    /// Answers.
    pub invoke: Arc<dyn Invoke>,
    /// Knows who answers.
    pub directory: Arc<dyn Directory>,
}

/// Knows functions, or commands, by the names that people give them.
pub trait Directory: Send + Sync {
    /// The one that is called so: of functions `APP/NAME`, or its id.
    fn find(&self, name: &str) -> Option<FunctionId>;
}

impl World {
    /// One with no function in it, for connectors that call nobody.
    #[must_use]
    pub fn empty() -> Self {
        Self { functions: Callable { invoke: Arc::new(Nobody), directory: Arc::new(Nobody) }, commands: None }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

impl fmt::Debug for Callable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callable")
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
