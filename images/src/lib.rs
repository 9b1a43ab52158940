//! An image on this host: found by its reference, fetched if need be, verified, unpacked once, kept.
//!
//! What a container is made of comes from strangers and is named by people. This room turns a name,
//! a [`Reference`], into an [`Image`]: the image's configuration, and a directory for each of its
//! layers, ready to be laid over one another.
//!
//! In the order to read it:
//!
//! 1. [`Reference`] says where an image is: in a registry, in a directory, in a file.
//! 2. [`Image`] is one that is here, and stays as long as it is held. [`ImageConfig`] is how its
//!    containers want to be started.
//! 3. [`Limits`] is what an image may be at most, and [`ImageError`] why one cannot be had.
//! 4. [`Progress`] is told how far a pull is.
//!
//! What comes next is the store:
//!
//! ```text
//! Store::open(dir: &Path, config: store::Config) -> Result<Store, ImageError>     (clone it; one a directory)
//! store.obtain(&Reference, &dyn Progress).await -> Result<Image, ImageError>      (local, else pulled; cancel safe)
//! store.find(&Reference).await -> Result<Option<Image>, ImageError>               (local or not at all)
//! store.overlay() -> Option<Overlay>        Overlay::{Trusted, User}: User wants the mount option `userxattr`
//! image.flat().await -> Result<PathBuf, ImageError>                               (all layers as one tree)
//! image.docker_archive(writer) -> Result<(), ImageError>                          (for `docker load`)
//! store.tag, store.import, store.list, store.remove, store.clean
//! ```
//!
//! What it does not know: agents, drivers, containers.

mod digest;
mod error;
mod image;
mod limits;
mod progress;
mod reference;

pub use digest::{Digest, DigestError};
pub use error::{Blame, ImageError};
pub use image::{Image, ImageConfig};
pub use limits::{EXPANSION_FREE_BYTES, Limits};
pub use progress::{Phase, Progress, Snapshot};
pub use reference::{Reference, ReferenceError, Remote};
