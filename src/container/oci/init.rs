//! The first process of a container, which is not the function.
//!
//! The kernel treats a namespace's first process as it treats a host's: a signal that it has no handler
//! for is lost on it, also TERM, and orphans become its children, which it has to bury. Programs are
//! not written for that. So where the host has a minimal init, `tini` by one of its names, that comes
//! first, passes signals on, and buries. It also dies when the container's runtime dies, and so does
//! the container: what a killed agent leaves behind is files and groups, and no process.
//!
//! Without one the function is the first process: an end takes its whole grace unless the function
//! handles TERM, and a killed agent's containers run until the next agent comes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use hotfn_exec::program;

use super::runtime;
use super::start::StartError;

/// Where it is in a container: on a file system of the container's own, so that no image needs a
/// place for it.
pub(super) const PLACE: &str = "/dev/init";
/// How it is called there: it is to die when the runtime does, which dies when we do.
pub(super) const COMMAND: [&str; 4] = [PLACE, "-p", "SIGKILL", "--"];
/// Its names. It must need no library, since images have none for it.
const NAMES: [&str; 3] = ["docker-init", "tini-static", "tini"];

/// What is a container's first process.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Init {
    /// `docker-init`, `tini-static` or `tini`, if one is there that needs no library; else the
    /// function. The default.
    #[default]
    Found,
    /// The function.
    Function,
    /// This program, which takes the words of `tini`.
    Program(PathBuf),
}

/// The program, if there is to be one.
pub(super) fn program(init: &Init) -> Result<Option<PathBuf>, StartError> {
    match init {
        Init::Function => Ok(None),
        Init::Program(path) if stands_alone(path) => Ok(Some(path.clone())),
        Init::Program(path) => Err(StartError::Init { path: path.clone() }),
        Init::Found => {
            let search = runtime::search();
            let found = NAMES.iter().filter_map(|name| program::find(name.as_ref(), &search, Path::new("/")).ok());
            let found = found.filter_map(|path| path.canonicalize().ok()).find(|path| stands_alone(path));
            if found.is_none() {
                tracing::info!("no static tini is here: functions are the first process of their containers");
            }
            Ok(found)
        }
    }
}

/// Is it a program that asks for no loader, and so for no library?
fn stands_alone(path: &Path) -> bool {
    const HEADER_BYTES: usize = 64;
    const LOADER: u32 = 3;
    let asks = || {
        let file = File::open(path)?;
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0)?;
        if header[..5] != *b"\x7fELF\x02" {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        let half = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
        let table = u64::from_le_bytes(header[32..40].try_into().expect("eight bytes"));
        let (size, count) = (half(54), half(56));
        for i in 0..count {
            let mut kind = [0; 4];
            file.read_exact_at(&mut kind, table + i * size)?;
            if u32::from_le_bytes(kind) == LOADER {
                return Ok(true);
            }
        }
        Ok::<_, std::io::Error>(false)
    };
    matches!(asks(), Ok(false))
}
