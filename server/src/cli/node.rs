//! The flags of every subcommand that talks to a running node.

use std::path::PathBuf;

use super::Usage;
use crate::remote::context::{self, Asked};
use crate::remote::{self, Base};

#[derive(clap::Args, Clone, Debug)]
pub(super) struct NodeArgs {
    /// Where the node is: http://HOST:PORT, https://HOST:PORT or unix:///PATH [default: FN_API_URL, else the context's, else
    /// http://127.0.0.1:8080]
    #[arg(long, global = true, alias = "node", value_name = "URL")]
    api_url: Option<Base>,
    /// The node of a context of the Fn CLI's, by its name in ~/.fn/contexts [default: FN_CONTEXT, else the one in use]
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// Certificates as PEM, of those who say that a node at https:// is the one [default: HOTFN_CA_FILE, else this
    /// machine's]
    #[arg(long, global = true, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl NodeArgs {
    /// The node that is meant.
    pub(super) fn node(&self) -> anyhow::Result<remote::Node> {
        self.node_at(self.api_url.clone())
    }

    /// The node at `base`, whatever the flags say of where it is.
    pub(super) fn node_at(&self, base: Option<Base>) -> anyhow::Result<remote::Node> {
        let asked = Asked { api_url: base, context: self.context.clone(), ca_file: self.ca_file.clone() };
        context::of_process(asked).map_err(Usage::of)
    }
}
