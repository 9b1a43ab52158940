//! How far the fetching of images is, for whoever watches: a bar on a terminal, a line now and then
//! elsewhere, an event where the log shows such. All are counted on the way.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hotfn_images::{Phase, Progress, Reference, Snapshot};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How often a line tells of the same image.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Images that were fetched, and their bytes.
#[derive(Debug, Default)]
pub struct Counts {
    images: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    /// Images that are here because they were fetched.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.images.load(Ordering::Relaxed)
    }

    /// Bytes of their layers that were fetched.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Tells those who watch this process, and counts in `counts`.
#[must_use]
pub fn watched(counts: &Arc<Counts>) -> Arc<dyn Progress> {
    Arc::new(Counting { counts: counts.clone(), teller: teller() })
}

/// Counts what is done, and passes everything on.
#[derive(Debug)]
struct Counting {
    counts: Arc<Counts>,
    teller: Arc<dyn Progress>,
}

impl Progress for Counting {
    fn at(&self, image: &Reference, snapshot: Snapshot) {
        if snapshot.phase == Phase::Done {
            self.counts.images.fetch_add(1, Ordering::Relaxed);
            self.counts.bytes.fetch_add(snapshot.bytes, Ordering::Relaxed);
        }
        self.teller.at(image, snapshot);
    }
}

/// The one that suits those who watch.
fn teller() -> Arc<dyn Progress> {
    if tracing::enabled!(tracing::Level::INFO) {
        Arc::new(Lines::new(|line| tracing::info!("{line}")))
    } else if std::io::stderr().is_terminal() {
        Arc::new(Bars::default())
    } else {
        Arc::new(Lines::new(|line| eprintln!("{line}")))
    }
}

/// A bar for each image, gone when it is here.
#[derive(Debug, Default)]
struct Bars {
    screen: MultiProgress,
    bars: Mutex<HashMap<Reference, ProgressBar>>,
}

impl Progress for Bars {
    fn at(&self, image: &Reference, snapshot: Snapshot) {
        let mut bars = self.bars.lock().expect("no holder panics");
        if snapshot.phase == Phase::Done {
            if let Some(bar) = bars.remove(image) {
                bar.finish_and_clear();
            }
            return;
        }
        let bar = bars.entry(image.clone()).or_insert_with(|| {
            let looks = ProgressStyle::with_template("{msg} {bar:30} {bytes} of {total_bytes}, {eta} left");
            self.screen.add(ProgressBar::new(0).with_style(looks.expect("the template is well formed")))
        });
        bar.set_message(format!("{image}: {}", doing(snapshot)));
        bar.set_length(snapshot.bytes_total);
        bar.set_position(snapshot.bytes);
    }
}

/// A line when something new is done, and now and then while it takes its time.
struct Lines<T> {
    tell: T,
    told: Mutex<HashMap<Reference, (Phase, Instant)>>,
}

impl<T: Fn(String)> Lines<T> {
    fn new(tell: T) -> Self {
        Self { tell, told: Mutex::default() }
    }
}

impl<T: Fn(String) + Send + Sync> Progress for Lines<T> {
    fn at(&self, image: &Reference, snapshot: Snapshot) {
        let now = Instant::now();
        let mut told = self.told.lock().expect("no holder panics");
        let is_new = told.get(image).is_none_or(|&(phase, at)| phase != snapshot.phase || now - at >= LINE_EVERY);
        if snapshot.phase == Phase::Done {
            told.remove(image);
        } else if is_new {
            told.insert(image.clone(), (snapshot.phase, now));
        }
        drop(told);
        if is_new {
            (self.tell)(line(image, snapshot));
        }
    }
}

impl<T> std::fmt::Debug for Lines<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("told", &self.told).finish_non_exhaustive()
    }
}

fn line(image: &Reference, at: Snapshot) -> String {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    match at.bytes_total {
        0 => format!("image {image}: {}", doing(at)),
        total => format!(
            "image {image}: {}, {:.1} of {:.1} MB, {} of {} layers",
            doing(at),
            megabytes(at.bytes),
            megabytes(total),
            at.layers_done,
            at.layers
        ),
    }
}

fn doing(at: Snapshot) -> &'static str {
    match at.phase {
        Phase::Resolving => "asking the registry",
        Phase::Fetching => "fetching",
        Phase::Unpacking => "unpacking",
        Phase::Done => "here",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_each_phase_once_and_not_each_piece() {
        let lines = Mutex::new(Vec::new());
        let image = Reference::parse("shop/hello:1").unwrap();
        let told = Lines::new(|line| lines.lock().unwrap().push(line));
        let at = |phase, bytes| Snapshot { phase, layers: 2, layers_done: 1, bytes, bytes_total: 4_000_000 };
        told.at(&image, Snapshot::default());
        for n in 0..100 {
            told.at(&image, at(Phase::Fetching, n * 10_000));
        }
        told.at(&image, at(Phase::Done, 4_000_000));
        let lines = lines.lock().unwrap();
        assert!(lines[0].ends_with("shop/hello:1: asking the registry"), "{lines:?}");
        assert!(lines[1].ends_with("fetching, 0.0 of 4.0 MB, 1 of 2 layers"), "{lines:?}");
        assert!(lines[2].ends_with("here, 4.0 of 4.0 MB, 1 of 2 layers") && lines.len() == 3, "{lines:?}");
    }
}
