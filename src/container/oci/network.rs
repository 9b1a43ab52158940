//! What a container reaches over the network.

use std::path::{Path, PathBuf};

use hotfn_exec::Supervisor;

use super::cni::{Attachment, Chain};
use super::netns;
use super::start::StartError;
use crate::container::DriverError;

/// What containers reach over the network.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Network {
    /// What a network of CNI plug-ins gives them.
    Cni(Cni),
    /// Whatever the host reaches, as the host: ports that they open are the host's.
    Host,
    /// Themselves. The default.
    #[default]
    None,
}

/// A network of CNI plug-ins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cni {
    /// A list of plug-ins and their settings (`*.conflist`). Default: none, and so a bridge `hotfn0`
    /// with addresses of 10.89.0.0/16, and the host's way out of there.
    pub conflist: Option<PathBuf>,
    /// Where the plug-ins are. Default: `/opt/cni/bin`, then `/usr/lib/cni`.
    pub plugins: Vec<PathBuf>,
}

impl Default for Cni {
    fn default() -> Self {
        Self { conflist: None, plugins: vec!["/opt/cni/bin".into(), "/usr/lib/cni".into()] }
    }
}

/// What one container reaches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Reach {
    Host,
    Nobody,
    /// What there is in the namespace that this file stands for.
    Through(PathBuf),
}

/// A network that is ready for containers.
#[derive(Debug)]
pub(super) enum Ready {
    Cni(Chain),
    Host,
    None,
}

impl Ready {
    /// # Errors
    /// When there is no such network.
    pub(super) fn new(network: &Network) -> Result<Self, StartError> {
        Ok(match network {
            Network::Host => Self::Host,
            Network::None => Self::None,
            Network::Cni(_) if !rustix::process::geteuid().is_root() => {
                let why = "plug-ins of CNI need root; choose `host` or `none`".to_owned();
                return Err(StartError::Network { why });
            }
            Network::Cni(cni) => Self::Cni(Chain::read(cni).map_err(|why| StartError::Network { why })?),
        })
    }

    /// Connects the container `id`, whose directory is `bundle`, before it starts.
    pub(super) async fn connect(
        &self,
        supervisor: &Supervisor,
        bundle: &Path,
        id: &str,
    ) -> Result<(Reach, Option<Attachment>), DriverError> {
        match self {
            Self::Host => Ok((Reach::Host, None)),
            Self::None => Ok((Reach::Nobody, None)),
            Self::Cni(chain) => {
                let namespace = netns::make(bundle).map_err(|source| DriverError::Os {
                    what: format!("cannot make a network namespace for container {id}"),
                    source,
                })?;
                let attachment = Attachment::add(chain.clone(), supervisor, bundle, id).await?;
                Ok((Reach::Through(namespace), Some(attachment)))
            }
        }
    }
}
