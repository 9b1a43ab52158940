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
//! 5. [`Store`] keeps them in a directory that processes share: it obtains, lists, tags, cleans.
//!    [`store::Config`] is how it is to be.
//! 6. [`build`] makes an image of one static program.
//!
//! Inside, `source` is where images come from (a registry, behind the feature `registry`; a layout;
//! an archive), `document` is what their JSON says, and `unpack` makes directories of layers whose
//! makers may have had anything in mind.
//!
//! ```no_run
//! use hotfn_images::{Reference, Store, store};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::open("/var/lib/hotfn/images".as_ref(), store::Config::default())?;
//! let image = store.obtain(&Reference::parse("oci:hello.tar")?, &()).await?;
//! for layer in image.layers() {
//!     println!("{}", layer.display());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What it does not know: agents, drivers, containers.

pub mod build;
mod digest;
mod document;
mod error;
mod export;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod image;
mod limits;
mod overlay;
mod progress;
mod reference;
mod source;
pub mod store;
#[cfg(test)]
mod testing;
mod unpack;

pub use digest::{Digest, DigestError};
pub use error::{Blame, ImageError};
pub use image::{Image, ImageConfig};
pub use limits::{EXPANSION_FREE_BYTES, Limits};
pub use overlay::Overlay;
pub use progress::{Phase, Progress, Snapshot};
pub use reference::{Reference, ReferenceError, Remote};
pub use store::Store;
