//! Where things are.

use std::path::{Path, PathBuf};

/// The project's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the project's root").to_owned()
}

/// Where everything that can be made again goes.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The other implementations that tests speak to. The stories look here too (`hotfn_tests::peers`).
pub(crate) fn peers() -> PathBuf {
    target().join("peers")
}

/// Programs that the tasks themselves use.
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}
