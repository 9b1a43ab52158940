//! The functions below a folder: each that has a `func.yaml`.
//!
//! The walk stays below the folder. A link is not walked through: what it leads to below the folder is found
//! where it is, and what lies elsewhere is nothing that was asked for. That is refused rather than passed over,
//! since a function that is silently left out is found out about too late.

use std::collections::HashMap;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use super::app;
use super::manifest::FILES;
use super::watch::is_source;
use super::{Project, ProjectError};

/// Most functions of one folder.
pub const FUNCTIONS_MAX: usize = 1000;
/// Most folders that are looked into.
const FOLDERS_MAX: usize = 10_000;

/// Why the functions below a folder are not told.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A link leads to a function, or to what is said of one, that is not below it.
    #[error("{} leads out of {}; put what it leads to there, or deploy that by its own folder", .link.display(), .dir.display())]
    Elsewhere {
        /// The link.
        link: PathBuf,
        /// The folder.
        dir: PathBuf,
    },
    /// There is none.
    #[error("there is no func.yaml in {} or below", .0.display())]
    Empty(PathBuf),
    /// Two have one name.
    #[error("{} and {} are both the function {name:?}; give one of them another name in its func.yaml", .first.display(), .second.display())]
    Name {
        /// What both are called.
        name: String,
        /// A folder.
        first: PathBuf,
        /// Another.
        second: PathBuf,
    },
    /// One of them is no function.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// Two are called at one place.
    #[error("{} and {} both have a trigger {trigger:?}; each place calls one function", .first.display(), .second.display())]
    Trigger {
        /// The place.
        trigger: String,
        /// A folder.
        first: PathBuf,
        /// Another.
        second: PathBuf,
    },
    /// It is larger than anybody's.
    #[error("{} holds more than {FUNCTIONS_MAX} functions or {FOLDERS_MAX} folders; deploy its parts", .0.display())]
    Large(PathBuf),
    /// A folder cannot be looked into.
    #[error("cannot look into {}", .dir.display())]
    Unreadable {
        /// The folder.
        dir: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// The functions in `dir` and below, by their folders' paths. All of them can be followed, and no two are in each
/// other's way.
///
/// # Errors
/// At the first thing that is not so.
pub fn functions(dir: &Path) -> Result<Vec<Project>, TreeError> {
    let dir = dir.canonicalize().ok().filter(|d| d.is_dir()).ok_or_else(|| ProjectError::NoFolder(dir.into()))?;
    let projects = folders(&dir)?.into_iter().map(|folder| Project::open(&folder));
    let projects: Vec<Project> = projects.collect::<Result<_, _>>()?;
    if projects.is_empty() {
        return Err(TreeError::Empty(dir));
    }
    let (mut names, mut triggers) = (HashMap::new(), HashMap::new());
    for project in &projects {
        if let Some(first) = names.insert(&project.name, &project.dir) {
            let (first, second) = (first.clone(), project.dir.clone());
            return Err(TreeError::Name { name: project.name.clone(), first, second });
        }
        for trigger in &project.manifest.triggers {
            if let Some(first) = triggers.insert(&trigger.source, &project.dir).filter(|first| **first != project.dir) {
                let (first, second) = (first.clone(), project.dir.clone());
                return Err(TreeError::Trigger { trigger: trigger.source.clone(), first, second });
            }
        }
    }
    Ok(projects)
}

/// The folders that have a manifest, in order.
fn folders(root: &Path) -> Result<Vec<PathBuf>, TreeError> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    let mut seen = 0;
    while let Some(dir) = open.pop() {
        seen += 1;
        let unreadable = |source| TreeError::Unreadable { dir: dir.clone(), source };
        for entry in std::fs::read_dir(&dir).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_symlink() {
                stays(&entry, root)?;
            } else if kind.is_dir() && is_source(Path::new(&entry.file_name())) {
                open.push(entry.path());
            }
        }
        if has_manifest(&dir) {
            found.push(dir);
        }
        if found.len() > FUNCTIONS_MAX || seen + open.len() > FOLDERS_MAX {
            return Err(TreeError::Large(root.to_owned()));
        }
    }
    found.sort();
    Ok(found)
}

/// A link to a function or to its manifest leads nowhere else than below `root`. Other links are no function's matter.
fn stays(entry: &DirEntry, root: &Path) -> Result<(), TreeError> {
    let link = entry.path();
    let is_manifest = FILES.iter().chain(&app::FILES).any(|name| entry.file_name() == *name);
    let Ok(target) = link.canonicalize() else { return Ok(()) };
    if target.starts_with(root) || !(is_manifest || has_manifest(&target)) {
        return Ok(());
    }
    Err(TreeError::Elsewhere { link, dir: root.to_owned() })
}

fn has_manifest(dir: &Path) -> bool {
    FILES.iter().any(|name| dir.join(name).symlink_metadata().is_ok())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// Folders with an executable `func` each, and this manifest.
    fn tree(folders: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (folder, manifest) in folders {
            let folder = root.path().join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("func.yaml"), manifest).unwrap();
            fs::write(folder.join("func"), "#!/bin/sh\n").unwrap();
            fs::set_permissions(folder.join("func"), fs::Permissions::from_mode(0o755)).unwrap();
        }
        root
    }

    fn names(root: &Path) -> Vec<String> {
        functions(root).unwrap().into_iter().map(|project| project.name).collect()
    }

    fn refused(root: &Path) -> String {
        functions(root).unwrap_err().to_string()
    }

    #[test]
    fn every_folder_with_a_manifest_is_found_and_no_other() {
        let root = tree(&[("", "name: root\n"), ("b/deep/er", ""), ("a", ""), ("node_modules/x", ""), (".git/x", "")]);
        fs::create_dir(root.path().join("bare")).unwrap();
        fs::write(root.path().join("bare/func.py"), "").unwrap();
        assert_eq!(names(root.path()), ["root", "a", "er"]);
        let empty = tempfile::tempdir().unwrap();
        assert!(refused(empty.path()).starts_with("there is no func.yaml in /"));
        assert!(refused(Path::new("/nowhere")).starts_with("/nowhere is not a folder"));
    }

    #[test]
    fn no_two_functions_are_in_each_others_way() {
        let same = tree(&[("a", "name: f\n"), ("b", "name: f\n")]);
        let said = refused(same.path());
        assert!(said.contains("/a and ") && said.contains("/b are both the function \"f\""), "{said}");
        let trigger = "triggers:\n- {type: http, source: /x}\n";
        let said = refused(tree(&[("a", trigger), ("b", trigger)]).path());
        assert!(said.contains("/b both have a trigger \"/x\""), "{said}");
        let wrong = refused(tree(&[("a", ""), ("b", "memory: 9000\n")]).path());
        assert!(wrong.contains("/b/func.yaml: memory: 9000 is out of range"), "{wrong}");
    }

    #[test]
    fn a_link_leads_nowhere_else() {
        let elsewhere = tree(&[("f", "")]);
        let root = tree(&[("a", "")]);
        symlink(root.path().join("a"), root.path().join("again")).unwrap();
        symlink(root.path(), root.path().join("a/round")).unwrap();
        symlink("/usr", root.path().join("usr")).unwrap();
        symlink("nowhere", root.path().join("dangling")).unwrap();
        assert_eq!(names(root.path()), ["a"], "links within it, and to what is no function");
        symlink(elsewhere.path().join("f"), root.path().join("f")).unwrap();
        assert!(refused(root.path()).contains("/f leads out of /"), "{}", refused(root.path()));
        let root = tree(&[("a", "")]);
        fs::remove_file(root.path().join("a/func.yaml")).unwrap();
        symlink("/etc/passwd", root.path().join("a/func.yaml")).unwrap();
        assert!(refused(root.path()).contains("func.yaml leads out of /"), "{}", refused(root.path()));
        let root = tree(&[("a", "")]);
        symlink("/etc/passwd", root.path().join("app.yaml")).unwrap();
        assert!(refused(root.path()).contains("app.yaml leads out of /"), "{}", refused(root.path()));
    }
}
