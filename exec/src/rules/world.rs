//! What rules must know of the machine.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::Variable;
use crate::{SpawnError, program};

/// What rules ask of the machine. A test answers from a table.
pub trait World {
    /// The server's own environment.
    fn environment(&self) -> Vec<Variable>;

    /// The file that `name` means, see [`program::find`].
    ///
    /// # Errors
    /// When there is none that could be run.
    fn find(&self, name: &Path, path: &OsStr, dir: &Path) -> Result<PathBuf, SpawnError>;

    /// Where this path leads, every link and `..` resolved.
    ///
    /// # Errors
    /// When it leads nowhere.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf>;

    /// The user that the server runs as.
    fn server(&self) -> User;

    /// The user called `name`, or with this number.
    fn user(&self, name: &str) -> Option<User>;

    /// A user of these numbers, known by name or not; what is not given is the server's own.
    fn user_of(&self, uid: Option<u32>, gid: Option<u32>) -> User;
}

/// A user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// The number.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// All other groups.
    pub groups: Vec<u32>,
    /// The name; the number if there is no name.
    pub name: String,
    /// Where home is.
    pub home: PathBuf,
    /// The shell.
    pub shell: PathBuf,
}

/// The machine we run on, its users as `/etc/passwd` and `/etc/group` know them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

impl World for Machine {
    fn environment(&self) -> Vec<Variable> {
        std::env::vars_os().collect()
    }

    fn find(&self, name: &Path, path: &OsStr, dir: &Path) -> Result<PathBuf, SpawnError> {
        program::find(name, path, dir)
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        path.canonicalize()
    }

    fn server(&self) -> User {
        self.user_of(None, None)
    }

    fn user(&self, name: &str) -> Option<User> {
        let passwd = read("/etc/passwd");
        match passwd.lines().find_map(|line| Entry::of(line).filter(|entry| entry.name == name)) {
            Some(entry) => Some(entry.user(&read("/etc/group"))),
            None => name.parse().ok().map(|uid| self.user_of(Some(uid), None)),
        }
    }

    fn user_of(&self, uid: Option<u32>, gid: Option<u32>) -> User {
        let uid = uid.unwrap_or_else(|| rustix::process::geteuid().as_raw());
        let passwd = read("/etc/passwd");
        let known = passwd.lines().find_map(|line| Entry::of(line).filter(|entry| entry.uid == uid));
        let mut user = match known {
            Some(entry) => entry.user(&read("/etc/group")),
            None => User {
                uid,
                gid: rustix::process::getegid().as_raw(),
                groups: Vec::new(),
                name: uid.to_string(),
                home: "/".into(),
                shell: "/bin/sh".into(),
            },
        };
        user.gid = gid.unwrap_or(user.gid);
        user
    }
}

/// One line of `/etc/passwd`.
struct Entry<'l> {
    name: &'l str,
    uid: u32,
    gid: u32,
    home: &'l str,
    shell: &'l str,
}

impl<'l> Entry<'l> {
    fn of(line: &'l str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Self { name, uid, gid, home: fields.nth(1)?, shell: fields.next()? })
    }

    fn user(&self, groups: &str) -> User {
        let member = |line: &str| {
            let mut fields = line.split(':');
            let gid = fields.nth(2)?.parse().ok()?;
            fields.next()?.split(',').any(|name| name == self.name).then_some(gid)
        };
        User {
            uid: self.uid,
            gid: self.gid,
            groups: groups.lines().filter_map(member).collect(),
            name: self.name.to_owned(),
            home: self.home.into(),
            shell: if self.shell.is_empty() { "/bin/sh".into() } else { self.shell.into() },
        }
    }
}

/// A machine without such a file has no users that are known by name.
fn read(path: &str) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_groups_that_list_it() {
        let entry = Entry::of("svc:x:1001:1002:Service,,,:/srv:").unwrap();
        let user = entry.user("wheel:x:10:root,svc\nstaff:x:50:other\ndisk:x:6:svc\n");
        assert_eq!((user.uid, user.gid, user.groups), (1001, 1002, vec![10, 6]));
        assert_eq!((user.home, user.shell), ("/srv".into(), "/bin/sh".into()));
        assert!(Entry::of("broken:x:one").is_none());
    }
}
