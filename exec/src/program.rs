//! Finding a program by its name.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags};

use crate::SpawnError;

/// Where names are searched for when no search path is given.
pub const PATH_DEFAULT: &str = "/usr/local/bin:/usr/bin:/bin";

/// The file that `name` means: itself if it holds a slash, else the first executable file of that
/// name in the directories of `path`. A relative one is taken from `dir`.
///
/// # Errors
/// [`SpawnError::NotFound`], naming where was searched; [`SpawnError::NotExecutable`] if the only
/// files of that name may not be executed.
pub fn find(name: &Path, path: &OsStr, dir: &Path) -> Result<PathBuf, SpawnError> {
    if name.as_os_str().as_encoded_bytes().contains(&b'/') {
        return Ok(dir.join(name));
    }
    let mut found = None;
    for place in std::env::split_paths(path) {
        let file = dir.join(place).join(name);
        if !file.is_file() {
            continue;
        }
        match rustix::fs::accessat(rustix::fs::CWD, &file, Access::EXEC_OK, AtFlags::EACCESS) {
            Ok(()) => return Ok(file),
            Err(e) => found = found.or(Some((file, e))),
        }
    }
    Err(match found {
        Some((program, e)) => {
            SpawnError::NotExecutable { program, why: "it may not be executed", source: io::Error::from(e) }
        }
        None => SpawnError::NotFound { program: name.to_owned(), path: Some(path.to_string_lossy().into_owned()) },
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_executable_file_of_the_name_is_it() {
        let dir = tempfile::tempdir().unwrap();
        for (place, mode) in [("a", 0o644), ("b", 0o755), ("c", 0o755)] {
            fs::create_dir(dir.path().join(place)).unwrap();
            let file = dir.path().join(place).join("prog");
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        let find = |name: &str, path: &str| find(name.as_ref(), path.as_ref(), dir.path());
        assert_eq!(find("prog", "/nowhere:a:b:c").unwrap(), dir.path().join("b/prog"));
        assert_eq!(find("./prog", "a").unwrap(), dir.path().join("./prog"));
        assert_eq!(find("/x/prog", "a").unwrap(), Path::new("/x/prog"));

        let e = find("prog", "a").unwrap_err().to_string();
        assert!(e.contains("a/prog\"") && e.contains("may not be executed"), "{e}");
        let e = find("gorp", "a:b").unwrap_err().to_string();
        assert_eq!(e, r#"cannot start "gorp": there is no such program in "a:b""#);
    }
}
