//! The images an engine has, as far as our functions need them.
//!
//! What was seen once is remembered: a tag that moves is not looked at again, and a start asks nothing.
//! An image that is not there is fetched by the engine, in a task of its own: whoever needs it
//! meanwhile waits for the same task, and it goes on when they have left.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bollard::query_parameters::ImportImageOptions;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use hotfn_images::{ImageError, Progress, Reference, Store};
use tokio::sync::watch;

use super::engine::{self, Engine};
use super::{load, pull, store};
use crate::container::{DriverError, PullFailure, process};

/// The images of an engine.
#[derive(Debug)]
pub(super) struct Images {
    engine: Arc<Engine>,
    rules: Rules,
    known: Mutex<HashMap<String, Known>>,
    pub(super) fetched: store::Fetched,
}

/// What is taken, and by whom.
#[derive(Debug)]
pub(super) struct Rules {
    /// Images that declare volumes too?
    pub(super) volumes: bool,
    /// Credentials for registries, as JSON; `None`: the user's file.
    pub(super) auth: Option<String>,
    /// Where OCI layouts are read.
    pub(super) layouts: Option<Store>,
    pub(super) progress: Arc<dyn Progress>,
}

#[derive(Debug)]
enum Known {
    /// Somebody fetches it.
    Coming(watch::Receiver<Option<Outcome>>),
    Here(Arc<Image>),
}

type Outcome = Result<Arc<Image>, Refusal>;

/// An image that the engine has.
#[derive(Debug)]
pub(super) struct Image {
    /// What the engine knows it by.
    pub(super) name: String,
    /// The file it was loaded from.
    file: Option<Print>,
}

/// Tells whether a file is still the one it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Print {
    device: u64,
    number: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Print {
    /// Of the file an image is in; `None` for one of a registry.
    fn of(reference: &Reference) -> io::Result<Option<Self>> {
        let path = match reference {
            Reference::DockerArchive(path) => path.clone(),
            Reference::Layout { path, .. } if path.is_dir() => path.join("index.json"),
            Reference::Layout { path, .. } => path.clone(),
            Reference::Remote(_) => return Ok(None),
        };
        let file = std::fs::metadata(path)?;
        let changed = (file.ctime(), file.ctime_nsec());
        Ok(Some(Self { device: file.dev(), number: file.ino(), bytes: file.len(), changed }))
    }
}

/// Why an image is not here, to be told to all who wait for it.
#[derive(Clone, Debug)]
enum Refusal {
    Barred(String),
    Engine(String),
    Image(String),
    Pull(String, PullFailure),
}

impl Refusal {
    fn into_error(self, image: &str) -> DriverError {
        let image = image.to_owned();
        match self {
            Self::Barred(why) => DriverError::Barred { image, why },
            Self::Engine(why) => DriverError::Engine { what: format!("image {image:?}"), why },
            Self::Image(why) => DriverError::Image { image, why },
            Self::Pull(why, failure) => DriverError::Pull { image, why, failure },
        }
    }
}

impl Images {
    pub(super) fn new(engine: Arc<Engine>, rules: Rules, fetched: store::Fetched) -> Self {
        Self { engine, rules, known: Mutex::default(), fetched }
    }

    /// The image, once it is here.
    pub(super) async fn get(self: &Arc<Self>, image: &str) -> Result<Arc<Image>, DriverError> {
        let mut coming = {
            let mut known = self.known();
            match known.get(image) {
                Some(Known::Here(here)) if here.is_current(image) => return Ok(here.clone()),
                Some(Known::Coming(coming)) => coming.clone(),
                _ => {
                    let (tell, coming) = watch::channel(None);
                    known.insert(image.to_owned(), Known::Coming(coming.clone()));
                    let (images, image) = (self.clone(), image.to_owned());
                    tokio::spawn(async move {
                        let outcome = images.fetch(&image).await.map(Arc::new);
                        images.settle(&image, outcome.as_ref().ok());
                        tell.send_replace(Some(outcome));
                        for gone in images.fetched.clean(&images.engine).await {
                            images.forget(&gone);
                        }
                    });
                    coming
                }
            }
        };
        let outcome = match coming.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().expect("it was waited for"),
            Err(_) => {
                self.forget(image);
                Err(Refusal::Engine("its fetching was cut off".to_owned()))
            }
        };
        outcome.map_err(|refusal| refusal.into_error(image))
    }

    /// The engine does not have it any more.
    pub(super) fn forget(&self, image: &str) {
        self.known().remove(image);
    }

    fn settle(&self, image: &str, here: Option<&Arc<Image>>) {
        match here {
            Some(here) => self.known().insert(image.to_owned(), Known::Here(here.clone())),
            None => self.known().remove(image),
        };
    }

    async fn fetch(&self, image: &str) -> Result<Image, Refusal> {
        if image.starts_with(process::SCHEME) {
            return Err(Refusal::Image("is a program of this host, and containers are started here".to_owned()));
        }
        let reference = Reference::parse(image).map_err(|e| Refusal::Image(e.why.to_owned()))?;
        let file = Print::of(&reference).map_err(unreadable)?;
        let name = match &reference {
            Reference::DockerArchive(path) => {
                let mut file = File::open(path).map_err(unreadable)?;
                self.load(load::piped(move |into| io::copy(&mut file, into).map(drop))).await?
            }
            Reference::Layout { .. } => self.load(self.layout(&reference).await?).await?,
            Reference::Remote(remote) => {
                let name = remote.to_string();
                if !self.inspect(&name).await? {
                    let pulled = pull::pull(&self.engine, &self.rules, &reference, remote).await;
                    pulled.map_err(|(why, failure)| Refusal::Pull(why, failure))?;
                    self.fetched.add(&name);
                }
                name
            }
        };
        match self.inspect(&name).await? {
            true => Ok(Image { name, file }),
            false => Err(Refusal::Pull("it was here, and has gone again".to_owned(), PullFailure::Broken)),
        }
    }

    /// Does the engine have it? Then it is looked at too.
    async fn inspect(&self, name: &str) -> Result<bool, Refusal> {
        let image = match self.engine.api.inspect_image(name).await {
            Ok(image) => image,
            Err(e) if engine::status(&e) == Some(404) => return Ok(false),
            Err(e) if engine::status(&e) == Some(400) => {
                return Err(Refusal::Image(format!("is refused: {}", engine::why(&e))));
            }
            Err(e) => return Err(Refusal::Engine(engine::why(&e))),
        };
        self.fetched.seen(name, image.size.unwrap_or_default());
        let volumes = image.config.and_then(|config| config.volumes).unwrap_or_default();
        match volumes.first() {
            Some(volume) if !self.rules.volumes => Err(Refusal::Barred(format!(
                "declares the volume {volume:?}, which would be writable and outlive its container; \
                 volumes are taken when FN_IMAGE_ENABLE_VOLUME says so"
            ))),
            _ => Ok(true),
        }
    }

    /// An OCI layout as an archive that any engine loads: the older ones know no layouts.
    async fn layout(&self, reference: &Reference) -> Result<impl Stream<Item = io::Result<Bytes>> + use<>, Refusal> {
        let none = || Refusal::Image("is an OCI layout, and there is no place here to read it in".to_owned());
        let store = self.rules.layouts.as_ref().ok_or_else(none)?;
        let image = store.obtain(reference, &()).await.map_err(|e| match e {
            ImageError::Os { .. } => Refusal::Engine(e.to_string()),
            _ => Refusal::Image(format!("cannot be read: {e}")),
        })?;
        Ok(load::piped(move |into| image.docker_archive(None, into).map_err(io::Error::other)))
    }

    /// Loads the one image of an archive, and gives its name.
    async fn load(&self, archive: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Result<String, Refusal> {
        let mut names = self.import(archive).await?;
        match (names.pop(), names.is_empty()) {
            (Some(name), true) => Ok(name),
            (None, _) => Err(Refusal::Image("has no image in it".to_owned())),
            _ => Err(Refusal::Image("has several images in it, and which is meant is not said".to_owned())),
        }
    }

    /// Loads all images of a file that nobody asks for by its name (`FN_DOCKER_LOAD_FILE`).
    pub(super) async fn preload(&self, path: &Path) -> Result<(), DriverError> {
        let opened = File::open(path);
        let mut file = opened.map_err(|source| DriverError::Os { what: format!("cannot open {path:?}"), source })?;
        let names = self.import(load::piped(move |into| io::copy(&mut file, into).map(drop))).await;
        let names = names.map_err(|refusal| refusal.into_error(&path.display().to_string()))?;
        tracing::info!(file = %path.display(), images = ?names, "images are loaded");
        Ok(())
    }

    /// The names of the images that were in an archive.
    async fn import(
        &self,
        archive: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<Vec<String>, Refusal> {
        let mut events = self.engine.api.import_image_stream(ImportImageOptions::default(), archive, None);
        let mut names = Vec::new();
        while let Some(event) = events.next().await {
            let event = event.map_err(|e| Refusal::Image(format!("cannot be loaded: {}", engine::why(&e))))?;
            names.extend(event.stream.as_deref().and_then(load::loaded).map(str::to_owned));
        }
        Ok(names)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Image {
    /// Is it still what `image` stands for? A file may have another in it by now.
    fn is_current(&self, image: &str) -> bool {
        let Some(print) = self.file else { return true };
        let now = Reference::parse(image).ok().and_then(|reference| Print::of(&reference).ok());
        now == Some(Some(print))
    }
}

fn unreadable(e: io::Error) -> Refusal {
    Refusal::Image(format!("cannot be read: {e}"))
}
