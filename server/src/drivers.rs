//! From what the config says to what makes containers.

use std::error::Error;
use std::sync::Arc;

use hotfn::container;
use hotfn::container::docker::{Docker, DockerDriver, Keep, Seen};
use hotfn::container::oci::{self, Cni, Network, OciDriver};
use hotfn::container::process::ProcessDriver;
use hotfn::container::remote::RemoteDriver;
use hotfn_images::{Reference, Store, store};

use crate::config::{Deployment, Driver, Settings};
use crate::pulls;

/// Why a node has no driver, or a function none that takes it.
#[derive(Debug, thiserror::Error)]
pub enum DriverRefused {
    /// A function's image is not for it.
    #[error("function {function:?}: image {what}")]
    Image {
        /// The function's id.
        function: String,
        /// The image, and what would do.
        what: String,
    },
    /// It cannot start.
    #[error("cannot start containers with the driver {driver}")]
    Start {
        /// Which.
        driver: Driver,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// The driver that `settings` choose; what it fetches is counted in `pulls`.
///
/// # Errors
/// When it cannot start here.
pub async fn start(
    settings: &Settings,
    pulls: &Arc<pulls::Counts>,
) -> Result<Arc<dyn container::Driver>, DriverRefused> {
    let driver = settings.containers.driver();
    let refused = |source| DriverRefused::Start { driver, source };
    Ok(match driver {
        Driver::Process => {
            let processes = ProcessDriver::new().map_err(|e| refused(e.into()))?;
            Arc::new(processes.rlimits(settings.containers.sandbox().rlimits))
        }
        Driver::Docker => {
            let layouts = images(settings).map_err(refused)?;
            let engine = DockerDriver::connect(docker(settings, layouts, pulls)).await;
            Arc::new(engine.map_err(|e| refused(e.into()))?)
        }
        Driver::Oci => {
            let store = images(settings).map_err(refused)?;
            if settings.containers.load.is_some() {
                return Err(refused(
                    "`load` is for the driver docker; name docker-archive:FILE as an image instead".into(),
                ));
            }
            let driver = OciDriver::start(runtime(settings).map_err(refused)?, store).await;
            Arc::new(driver.map_err(|e| refused(e.into()))?.progress(pulls::watched(pulls)))
        }
        Driver::Remote => Arc::new(RemoteDriver),
    })
}

/// Can the driver that `settings` choose start this function?
///
/// # Errors
/// When it cannot.
pub fn check(settings: &Settings, deployment: &Deployment) -> Result<(), DriverRefused> {
    let function = &deployment.function;
    let taken = settings.containers.driver().takes(&function.image);
    taken.map_err(|what| DriverRefused::Image { function: function.id.to_string(), what })
}

fn docker(settings: &Settings, layouts: Store, pulls: &Arc<pulls::Counts>) -> Docker {
    let containers = &settings.containers;
    let there = containers.docker_iofs.clone();
    Docker {
        host: containers.docker_host.clone(),
        networks: containers.networks.clone().unwrap_or_default(),
        iofs_seen: there.map(|there| Seen { here: settings.agent().config.iofs_root, there }),
        label_tag: containers.docker_label.clone(),
        auth: containers.docker_auth.clone(),
        load_file: containers.load.clone(),
        layouts: Some(layouts),
        progress: Some(pulls::watched(pulls)),
        keep: Keep {
            bytes_max: containers.images_bytes_max.unwrap_or_default(),
            exempt: containers.images_exempt.clone().unwrap_or_default(),
        },
        sandbox: containers.sandbox(),
    }
}

/// The images that are here without an engine.
pub(crate) fn images(settings: &Settings) -> Result<Store, Box<dyn Error + Send + Sync>> {
    let containers = &settings.containers;
    let exempt = containers.images_exempt.iter().flatten().map(|image| Reference::parse(image));
    let usual = store::Config::default();
    let config = store::Config {
        bytes_max: containers.images_bytes_max.unwrap_or(usual.bytes_max),
        pull_timeout: containers.pull_timeout().unwrap_or(usual.pull_timeout),
        exempt: exempt.collect::<Result<_, _>>()?,
        ..usual
    };
    Ok(Store::open(&settings.images_dir(), config)?)
}

fn runtime(settings: &Settings) -> Result<oci::Config, Box<dyn Error + Send + Sync>> {
    let containers = &settings.containers;
    let network = match containers.networks.as_deref().unwrap_or_default() {
        [] => Network::None,
        [name] => match name.as_str() {
            "cni" => Network::Cni(Cni::default()),
            "host" => Network::Host,
            "none" => Network::None,
            path => Network::Cni(Cni { conflist: Some(path.into()), ..Cni::default() }),
        },
        many => return Err(format!("its containers join one network, not {}: {}", many.len(), many.join(", ")).into()),
    };
    Ok(oci::Config {
        runtime: containers.runtime.clone(),
        sandbox: containers.sandbox(),
        network,
        unlimited: containers.unlimited.unwrap_or_default(),
        ..oci::Config::default()
    })
}
