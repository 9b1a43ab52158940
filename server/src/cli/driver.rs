//! The flags of every subcommand that starts containers.

use crate::config::{Containers, Driver, Settings};

#[derive(clap::Args, Debug)]
pub(super) struct DriverArgs {
    /// What makes containers [default: process]
    #[arg(long, value_name = "DRIVER")]
    driver: Option<Driver>,
    /// Where Docker's API is, such as unix:///run/podman/podman.sock [default: DOCKER_HOST, else the usual sockets]
    #[arg(long, value_name = "URL")]
    docker_host: Option<String>,
}

impl DriverArgs {
    /// The driver, if one was asked for.
    pub(super) fn chosen(&self) -> Option<Driver> {
        self.driver
    }

    /// What was asked for, over the settings below.
    pub(super) fn over(&self, below: Settings) -> Settings {
        let containers =
            Containers { driver: self.driver, docker_host: self.docker_host.clone(), ..Containers::default() };
        Settings { containers, ..Settings::default() }.or(below)
    }
}
