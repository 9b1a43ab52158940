//! What makes a node's containers, and which images it can start.

use std::fmt;

use clap::ValueEnum;
use hotfn::container::{process, remote};
use serde::Deserialize;

/// What makes a node's containers. A function's image decides nothing but the image.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// Plain processes, for functions that are trusted as the node itself is.
    #[default]
    Process,
    /// An engine with Docker's API.
    Docker,
    /// An OCI runtime such as runc, without an engine.
    Oci,
    /// Containers of somebody else's, in which `hotfn exec-server` runs.
    Remote,
}

impl Driver {
    /// Can it start this image?
    ///
    /// # Errors
    /// When it cannot: a sentence about the image that says what would do.
    pub fn takes(self, image: &str) -> Result<(), String> {
        let program = image.strip_prefix(process::SCHEME).map(str::trim);
        match (self, program) {
            (Self::Process, Some(program)) if !program.is_empty() => Ok(()),
            (Self::Process, _) => Err(format!(
                "{image:?} is not an image this node can start; write \"process:PATH ARG…\", or choose another driver"
            )),
            (Self::Remote, _) if image.starts_with(remote::SCHEME) => Ok(()),
            (Self::Remote, _) => Err(format!(
                "{image:?} is not in a container of somebody else's; write \"remote:SOCKET PROGRAM ARG…\", or choose \
                 another driver"
            )),
            (Self::Docker | Self::Oci, Some(_)) => Err(format!(
                "{image:?} is a plain process, and this node starts containers with {self}; name an image, \
                 or choose the driver process"
            )),
            (Self::Docker | Self::Oci, None) if image.trim().is_empty() => Err("it is empty; name an image".to_owned()),
            (Self::Docker | Self::Oci, None) => Ok(()),
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "process",
            Self::Docker => "docker",
            Self::Oci => "oci",
            Self::Remote => "remote",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_takes_its_own_kind_of_image() {
        for (driver, image, takes) in [
            (Driver::Process, "process:./f", true),
            (Driver::Process, "process: ", false),
            (Driver::Process, "shop/hello:1", false),
            (Driver::Docker, "shop/hello:1", true),
            (Driver::Docker, "process:./f", false),
            (Driver::Oci, "oci:images/hello", true),
            (Driver::Oci, " ", false),
            (Driver::Remote, "remote:/run/exec.sock f", true),
            (Driver::Remote, "process:./f", false),
        ] {
            assert_eq!(driver.takes(image).is_ok(), takes, "{driver} {image:?}");
        }
    }
}
