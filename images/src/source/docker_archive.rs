//! What `docker save` writes: `manifest.json`, a configuration, a tar for each layer.
//!
//! Its images have no manifest in our sense, so one is made for them.

use std::io::Read;

use serde::Deserialize;

use super::Tree;
use crate::document::{CONFIG, LAYER, LAYER_GZIP, Manifest};
use crate::error::Trouble;
use crate::store::Shared;

/// An image of the archive.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

const LIST: &str = "manifest.json";
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Takes the blobs of the archive's one image into the store, and answers with its manifest. Blocks.
pub(super) fn take_in(shared: &Shared, archive: &Tree) -> Result<Vec<u8>, Trouble> {
    let limits = &shared.config.limits;
    let list = archive.document(LIST, limits)?;
    let list: Vec<Saved> =
        serde_json::from_slice(&list).map_err(|e| Trouble::Invalid(format!("its {LIST} cannot be read: {e}")))?;
    let [saved] = &list[..] else {
        let names: Vec<String> = list.iter().flat_map(|saved| saved.repo_tags.clone().unwrap_or_default()).collect();
        let (count, names) = (list.len(), names.join(", "));
        return Err(Trouble::Invalid(format!("the archive has {count} images, not one ({names}); save one by itself")));
    };
    if saved.layers.len() > limits.layers_max {
        return Err(Trouble::Invalid(format!("it has {} layers and is over the bound layers_max", saved.layers.len())));
    }
    let config = shared.add_blob(&archive.document(&saved.config, limits)?[..], CONFIG)?;
    let mut layers = Vec::new();
    for path in &saved.layers {
        let mut start = Vec::new();
        archive.file(path)?.take(2).read_to_end(&mut start).map_err(|e| Trouble::os("cannot read a layer", e))?;
        let kind = if start == GZIP { LAYER_GZIP } else { LAYER };
        layers.push(shared.add_blob(archive.file(path)?, kind)?);
    }
    Ok(Manifest::new(config, layers).write())
}
