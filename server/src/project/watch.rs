//! Notices that a folder's source has changed.
//!
//! Each directory of the source is watched by itself, so that what a build writes beside it (tens
//! of thousands of files, at times) costs no watch. A burst of changes, as an editor or a checkout
//! makes it, counts once.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::EventKind;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Watches one folder for as long as it lives.
pub struct Watch {
    root: PathBuf,
    watcher: RecommendedWatcher,
    watched: HashSet<PathBuf>,
    touched: Arc<Notify>,
}

impl Watch {
    /// Watches `root` and what is in it from now on.
    ///
    /// # Errors
    /// When the system has no more watches to give.
    pub fn new(root: &Path) -> notify::Result<Self> {
        let touched = Arc::new(Notify::new());
        let (told, base) = (touched.clone(), root.to_owned());
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error may stand for events that were lost: look again.
            let matters = event.map_or(true, |event| {
                is_change(event.kind)
                    && event.paths.iter().any(|path| is_source(path.strip_prefix(&base).unwrap_or(path)))
            });
            if matters {
                told.notify_one();
            }
        })?;
        let mut watch = Self { root: root.to_owned(), watcher, watched: HashSet::new(), touched };
        watch.cover()?;
        Ok(watch)
    }

    /// Resolves when the source has changed since this was last asked, and has then been quiet for
    /// a moment. Cancel safe: a change is not forgotten.
    pub async fn changed(&mut self) {
        self.touched.notified().await;
        let settle = async { while timeout(QUIET, self.touched.notified()).await.is_ok() {} };
        // A folder that is never quiet is taken as it is.
        let _ = timeout(QUIET_MAX, settle).await;
        if let Err(e) = self.cover() {
            tracing::warn!("cannot watch all of {}: {e}", self.root.display());
        }
    }

    /// Watches every directory of the source that is not watched yet.
    fn cover(&mut self) -> notify::Result<()> {
        // A directory that went away and came back has lost its watch.
        self.watched.retain(|dir| dir.is_dir());
        let mut open = vec![self.root.clone()];
        while let Some(dir) = open.pop() {
            if self.watched.len() == DIRECTORIES_MAX {
                tracing::warn!("watching the first {DIRECTORIES_MAX} directories of {} only", self.root.display());
                return Ok(());
            }
            if !self.watched.contains(&dir) {
                self.watcher.watch(&dir, RecursiveMode::NonRecursive)?;
                self.watched.insert(dir.clone());
            }
            let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
            let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            open.extend(directories.filter(|entry| is_source(Path::new(&entry.file_name()))).map(|entry| entry.path()));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("root", &self.root).field("watched", &self.watched.len()).finish_non_exhaustive()
    }
}

/// So long nothing may happen before a change counts.
const QUIET: Duration = Duration::from_millis(100);
/// So long a change waits for quiet.
const QUIET_MAX: Duration = Duration::from_secs(2);
/// Most directories of a source.
const DIRECTORIES_MAX: usize = 4096;

fn is_change(kind: EventKind) -> bool {
    matches!(kind, EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_))
}

/// Is this, a path within the folder, source? What tools make of the source is not, nor what is
/// hidden, nor what editors leave lying about.
pub(super) fn is_source(path: &Path) -> bool {
    let made = |name: &OsStr| {
        let name = name.to_string_lossy();
        MADE.contains(&&*name) || name.starts_with('.') || name.ends_with('~')
    };
    !path.iter().any(made)
}

const MADE: [&str; 4] = ["Cargo.lock", "__pycache__", "node_modules", "target"];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_tools_make_is_not_source() {
        let check = |path, expected| assert_eq!(is_source(Path::new(path)), expected, "{path}");
        check("func.py", true);
        check("src/deep/main.rs", true);
        check("target/release/hello", false);
        check("src/__pycache__/x.pyc", false);
        check(".hotfn/python/fdk", false);
        check(".func.py.swp", false);
        check("func.py~", false);
    }

    #[tokio::test]
    async fn a_change_is_noticed_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("target")).unwrap();
        let mut watch = Watch::new(dir.path()).unwrap();
        let bound = Duration::from_secs(10);
        fs::create_dir(dir.path().join("new")).unwrap();
        timeout(bound, watch.changed()).await.unwrap();
        fs::write(dir.path().join("target/out"), "x").unwrap();
        fs::write(dir.path().join("new/func.py"), "x").unwrap();
        timeout(bound, watch.changed()).await.unwrap();
    }
}
