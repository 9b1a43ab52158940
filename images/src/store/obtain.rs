//! One pull for all who wait for the same image.
//!
//! Who asks first starts a task that resolves, fetches and unpacks; who asks meanwhile waits for the
//! same task. It belongs to nobody who waits: those may all leave, and it goes on to its end or
//! its timeout, because the next who asks is sure to come. Between processes there is no joining,
//! but the locks on blobs let nothing be fetched twice.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::lock::{Hold, lock};
use super::{Shared, Store, blocking};
use crate::error::Trouble;
use crate::progress::{Meter, Progress};
use crate::source::Source;
use crate::{Image, ImageError, Reference};

/// A pull under way.
#[derive(Clone, Debug)]
pub(super) struct Pull {
    outcome: watch::Receiver<Option<Result<Image, ImageError>>>,
    meter: Arc<Meter>,
}

/// How often those who wait are told how far it is.
const REPORT_EVERY: Duration = Duration::from_millis(100);

impl Store {
    /// The image of `reference`: as it is here, else pulled.
    ///
    /// A name that is here is not looked up again in its registry. A file or directory is looked at each
    /// time, and taken in anew when it has changed.
    ///
    /// Cancel safe: the pull goes on without us. Needs a tokio runtime with time and I/O.
    ///
    /// # Errors
    /// When it is not here and cannot be had; the error says whose fault that is.
    pub async fn obtain(&self, reference: &Reference, progress: &dyn Progress) -> Result<Image, ImageError> {
        if let Some(image) = self.find(reference).await? {
            return Ok(image);
        }
        loop {
            let Pull { mut outcome, meter } = self.join(reference);
            let mut told = None;
            let ended = loop {
                let snapshot = meter.snapshot();
                if told.replace(snapshot) != Some(snapshot) {
                    progress.at(reference, snapshot);
                }
                let ended = outcome.wait_for(Option::is_some);
                if let Ok(ended) = tokio::time::timeout(REPORT_EVERY, ended).await {
                    break ended.ok().and_then(|outcome| outcome.clone());
                }
            };
            match ended {
                Some(outcome) => {
                    progress.at(reference, meter.snapshot());
                    return outcome;
                }
                // Its runtime ended before it did; ours has not.
                None => self.forget(reference, &outcome),
            }
        }
    }

    /// The image of `reference` if it is here; nothing is fetched or taken in.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn find(&self, reference: &Reference) -> Result<Option<Image>, ImageError> {
        let found = async {
            let _adding = self.shared.adding().await?;
            let (shared, reference) = (self.shared.clone(), reference.clone());
            blocking(move || {
                let named = shared.named(&reference).filter(|named| named.stamp == Source::stamp(&reference));
                named.map_or(Ok(None), |named| shared.hold(named.manifest))
            })
            .await
        };
        found.await.map_err(|trouble| trouble.about(reference))
    }

    /// The pull of `reference` that is under way, or a new one.
    fn join(&self, reference: &Reference) -> Pull {
        let mut pulls = self.shared.pulls.lock().expect("no holder panics");
        match pulls.entry(reference.clone()) {
            Entry::Occupied(under_way) => under_way.get().clone(),
            Entry::Vacant(free) => {
                let (ended, outcome) = watch::channel(None);
                let pull = Pull { outcome, meter: Arc::default() };
                let (shared, reference, meter) = (self.shared.clone(), reference.clone(), pull.meter.clone());
                tokio::spawn(async move {
                    let outcome = shared.pull(&reference, &meter).await;
                    if outcome.is_ok() {
                        meter.done();
                    }
                    // First forgotten, then told: who comes between finds the image, or tries anew.
                    shared.pulls.lock().expect("no holder panics").remove(&reference);
                    ended.send_replace(Some(outcome));
                    drop(ended);
                    shared.clean_if_over().await;
                });
                free.insert(pull).clone()
            }
        }
    }

    fn forget(&self, reference: &Reference, outcome: &watch::Receiver<Option<Result<Image, ImageError>>>) {
        let mut pulls = self.shared.pulls.lock().expect("no holder panics");
        if pulls.get(reference).is_some_and(|pull| pull.outcome.same_channel(outcome)) {
            pulls.remove(reference);
        }
    }
}

impl Shared {
    /// Pulls, within the time that a pull has.
    async fn pull(self: &Arc<Self>, reference: &Reference, meter: &Meter) -> Result<Image, ImageError> {
        let after = self.config.pull_timeout;
        let began = std::time::Instant::now();
        match tokio::time::timeout(after, self.pull_now(reference, meter)).await {
            Ok(Ok(image)) => {
                tracing::info!(image = %reference, digest = %image.digest(), took = ?began.elapsed(), "image is here");
                Ok(image)
            }
            Ok(Err(trouble)) => Err(trouble.about(reference)),
            Err(_) => Err(ImageError::TimedOut { reference: reference.to_string(), after }),
        }
    }

    async fn pull_now(self: &Arc<Self>, reference: &Reference, meter: &Meter) -> Result<Image, Trouble> {
        let _adding = self.adding().await?;
        // Looked at first, so that what changes while we read is read again next time.
        let stamp = Source::stamp(reference);
        let source = Source::open(self, reference).await?;
        let manifest = source.manifest().await?;
        let image = self.admit(manifest, &source, meter).await?;
        let (shared, reference, manifest) = (self.clone(), reference.clone(), image.digest());
        blocking(move || shared.put_name(&reference, manifest, stamp)).await?;
        Ok(image)
    }

    /// The right to add.
    pub(crate) async fn adding(&self) -> Result<std::fs::File, Trouble> {
        lock(&self.dirs.lock(), Hold::Shared).await.map_err(|e| Trouble::os("cannot lock the store", e))
    }
}
