//! The driver: images from the store, containers from the engine.

use std::fmt;
use std::sync::Arc;

use hotfn_images::{Image, ImageError, Overlay, Progress, Reference, Store};

use super::engine::{Engine, Source};
use super::rootfs::Tree;
use super::start::{Config, StartError};
use crate::container::sandbox::IOFS;
use crate::container::{Created, Doing, Driver, DriverError, PullFailure, Spec, View};

/// Starts functions in containers of an OCI runtime's.
pub struct OciDriver {
    engine: Arc<Engine>,
    store: Store,
    progress: Arc<dyn Progress>,
}

impl OciDriver {
    /// Finds a runtime that works here, by trying. Needs a tokio runtime, which containers are watched
    /// and removed by for as long as it runs.
    ///
    /// # Errors
    /// When none works, or something that `config` asks for cannot be had; the error says what.
    pub async fn start(config: Config, store: Store) -> Result<Self, StartError> {
        if !config.sandbox.read_only && overlay(&store).is_none() {
            return Err(StartError::Writable);
        }
        Ok(Self { engine: Engine::start(config).await?, store, progress: Arc::new(()) })
    }

    /// The same, which tells how far it is with fetching an image.
    #[must_use]
    pub fn progress(self, progress: Arc<dyn Progress>) -> Self {
        Self { progress, ..self }
    }

    async fn image(&self, image: &str) -> Result<Image, DriverError> {
        let reference = Reference::parse(image)
            .map_err(|e| DriverError::Image { image: image.to_owned(), why: e.why.to_owned() })?;
        self.store.obtain(&reference, &*self.progress).await.map_err(|e| unobtained(image, e))
    }

    async fn source(&self, name: &str) -> Result<Source, DriverError> {
        let image = self.image(name).await?;
        let tree = match overlay(&self.store) {
            None => Tree::Flat(image.flat().await.map_err(|e| unobtained(name, e))?),
            Some(overlay) => {
                Tree::Layers { layers: image.layers().map(Into::into).collect(), userxattr: overlay == Overlay::User }
            }
        };
        Ok(Source { config: image.config().clone(), tree, _image: Some(image) })
    }
}

impl Driver for OciDriver {
    fn name(&self) -> &'static str {
        "oci"
    }

    fn view(&self) -> View {
        View::Image { iofs: IOFS }
    }

    fn prepare<'a>(&'a self, image: &'a str) -> Doing<'a, Result<(), DriverError>> {
        Box::pin(async move { self.engine.ground.fits(image, self.image(image).await?.config()) })
    }

    fn create(&self, spec: Spec) -> Doing<'_, Result<Box<dyn Created>, DriverError>> {
        Box::pin(async {
            let source = self.source(&spec.image).await?;
            let ready = self.engine.make(spec, source, Vec::new()).await?;
            Ok(Box::new(ready) as Box<dyn Created>)
        })
    }

    fn sweep<'a>(&'a self, node: &'a str) -> Doing<'a, Result<usize, DriverError>> {
        Box::pin(self.engine.sweep(node))
    }

    fn settled(&self) -> Doing<'_, ()> {
        Box::pin(self.engine.settled())
    }
}

impl fmt::Debug for OciDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OciDriver").field("engine", &self.engine).field("store", &self.store).finish_non_exhaustive()
    }
}

/// How layers are to be mounted; `None` where only root would be let.
fn overlay(store: &Store) -> Option<Overlay> {
    store.overlay().filter(|_| rustix::process::geteuid().is_root())
}

/// Why an image could not be had, as drivers say it.
fn unobtained(image: &str, error: ImageError) -> DriverError {
    let failure = match &error {
        ImageError::Broken { .. } => PullFailure::Broken,
        ImageError::Refused { status, .. } => PullFailure::Refused(*status),
        ImageError::TimedOut { .. } => PullFailure::TimedOut,
        ImageError::Absent { why, .. } | ImageError::Invalid { why, .. } => {
            return DriverError::Image { image: image.to_owned(), why: format!("cannot be used: {why}") };
        }
        ImageError::Os { what, source } => {
            return DriverError::Os { what: what.clone(), source: std::io::Error::new(source.kind(), error) };
        }
    };
    DriverError::Pull { image: image.to_owned(), why: error.to_string(), failure }
}
