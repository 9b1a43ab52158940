//! Layers and whole trees, unpacked once.

use std::fs;
use std::path::{Path, PathBuf};

use super::Shared;
use crate::Digest;
use crate::error::Trouble;
use crate::unpack::{Budget, Style, Unpack};

/// A layer as it is fetched, and as it is unpacked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Layer {
    pub(crate) blob: Digest,
    pub(crate) diff_id: Digest,
}

const FILES: &str = "files";
const COST: &str = "cost";

impl Shared {
    /// The layer's directory, unpacked if it is not there. Blocks.
    pub(super) fn layer(&self, layer: Layer, style: Style, budget: &mut Budget) -> Result<PathBuf, Trouble> {
        let place = self.dirs.layer(layer.diff_id);
        self.made_once(&place, budget, |into, budget| self.unpack(layer, style, into, budget))
    }

    /// The layer's directory, if it is there.
    pub(super) fn layer_if_here(&self, diff_id: Digest) -> Option<PathBuf> {
        let place = self.dirs.layer(diff_id);
        cost(&place).map(|_| place.join(FILES))
    }

    /// All layers in one directory, unpacked if it is not there. Blocks.
    pub(crate) fn flat(&self, manifest: Digest, layers: &[Layer]) -> Result<PathBuf, Trouble> {
        let mut budget = Budget::new(&self.config.limits);
        self.made_once(&self.dirs.flat(manifest), &mut budget, |into, budget| {
            layers.iter().try_for_each(|layer| self.unpack(*layer, Style::Flat, into, budget))
        })
    }

    fn unpack(&self, layer: Layer, style: Style, into: &Path, budget: &mut Budget) -> Result<(), Trouble> {
        let unpack = Unpack { limits: &self.config.limits, ownership: self.ownership, style };
        let found = unpack.run(&self.dirs.blob(layer.blob), into, budget)?;
        if found == layer.diff_id {
            return Ok(());
        }
        Err(Trouble::Invalid(format!("its layer {} unpacks to {found}, not to {}", layer.blob, layer.diff_id)))
    }

    /// Makes a directory by `make`, once; what it cost is noted, and spent also by those who find it.
    fn made_once(
        &self,
        place: &Path,
        budget: &mut Budget,
        make: impl FnOnce(&Path, &mut Budget) -> Result<(), Trouble>,
    ) -> Result<PathBuf, Trouble> {
        let files = place.join(FILES);
        if let Some((bytes, entries)) = cost(place) {
            budget.spend(bytes, entries)?;
            return Ok(files);
        }
        let temp = self.dirs.temp_dir()?;
        let what = || format!("cannot make {}", place.display());
        let making = temp.path().join(FILES);
        make_root(&making).map_err(|e| Trouble::os(what(), e))?;
        let before = budget.left();
        make(&making, budget)?;
        let (bytes, entries) = budget.left();
        let spent = format!("{} {}", before.0 - bytes, before.1 - entries);
        fs::write(temp.path().join(COST), spent).map_err(|e| Trouble::os(what(), e))?;
        match fs::rename(temp.path(), place) {
            // Somebody else was as fast; theirs is the same.
            Err(_) if cost(place).is_some() => {}
            // What a power cut left half written.
            Err(_) => {
                let _trash = self.dirs.discard(place);
                fs::rename(temp.path(), place).map_err(|e| Trouble::os(what(), e))?;
            }
            Ok(()) => {}
        }
        Ok(files)
    }
}

/// What is at `place` cost, in bytes and entries; `None` if nothing is there.
pub(super) fn cost(place: &Path) -> Option<(u64, u64)> {
    let text = fs::read_to_string(place.join(COST)).ok()?;
    let (bytes, entries) = text.split_once(' ')?;
    Some((bytes.parse().ok()?, entries.parse().ok()?))
}

fn make_root(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir(path)?;
    // Whatever the umask: this is a container's `/`.
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}
