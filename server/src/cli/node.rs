//! The flags of every subcommand that talks to a running node.

use super::Usage;
use crate::remote::context::{self, Asked};
use crate::remote::{self, Base};

#[derive(clap::Args, Clone, Debug)]
pub(super) struct NodeArgs {
    /// Where the node is: http://HOST:PORT or unix:///PATH [default: FN_API_URL, else the context's, else
    /// http://127.0.0.1:8080]
    #[arg(long, global = true, alias = "node", value_name = "URL")]
    api_url: Option<Base>,
    /// The node of a context of the Fn CLI's, by its name in ~/.fn/contexts [default: FN_CONTEXT, else the one in use]
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
}

impl NodeArgs {
    /// The node that is meant.
    pub(super) fn node(&self) -> anyhow::Result<remote::Node> {
        let asked = Asked { api_url: self.api_url.clone(), context: self.context.clone() };
        context::of_process(asked).map_err(Usage::of)
    }
}
