//! Whose a container's users are, when we are not root.
//!
//! An unprivileged user may give a namespace of users two kinds of its own: itself, and those that
//! `/etc/subuid` lends it. In ours root is the user itself, which the runtime is while it sets things
//! up, and everybody else is lent. So a function is nobody whom the host knows. Its socket has to be
//! open to all, as the contract has it anyway, for us to connect to it; what it leaves in its iofs
//! directory is ours to remove, but for directories of its own.

use std::fs;

use super::spec::IdMapping;
use crate::container::sandbox::Sandbox;

/// Which users and groups of the host the container's are. Empty: the same.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Ids {
    pub(super) users: Vec<IdMapping>,
    pub(super) groups: Vec<IdMapping>,
}

impl Ids {
    /// What we can have.
    ///
    /// # Errors
    /// When nobody is lent to us; the error says so.
    pub(super) fn ours() -> Result<Self, String> {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        if uid.is_root() {
            return Ok(Self::default());
        }
        let name = user_name(uid.as_raw()).unwrap_or_default();
        let map = |file: &str, own: u32| {
            let lent = fs::read_to_string(file).ok().and_then(|text| lent(&text, &name, uid.as_raw()));
            let (first, size) = lent.filter(|(_, size)| *size >= Sandbox::USER).ok_or_else(|| {
                format!(
                    "{file} lends user {} ({name:?}) nobody, or too few; add a line `{name}:100000:65536`",
                    uid.as_raw()
                )
            })?;
            Ok::<_, String>(mappings(own, first, size))
        };
        Ok(Self { users: map("/etc/subuid", uid.as_raw())?, groups: map("/etc/subgid", gid.as_raw())? })
    }

    pub(super) fn are_the_hosts(&self) -> bool {
        self.users.is_empty()
    }
}

fn mappings(own: u32, first: u32, size: u32) -> Vec<IdMapping> {
    let map = |container_id, host_id, size| IdMapping { container_id, host_id, size };
    vec![map(0, own, 1), map(1, first, size)]
}

/// The first range that is lent to a user, by name or number. Lines are `name:first:count`.
fn lent(text: &str, name: &str, uid: u32) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut parts = line.trim().split(':');
        let who = parts.next()?;
        let (first, size) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        ((who == name && !name.is_empty()) || who == uid.to_string()).then_some((first, size))
    })
}

fn user_name(uid: u32) -> Option<String> {
    let text = fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)? == uid.to_string()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_ourselves_and_the_others_are_lent() {
        let text = "root:1:5\nada:100000:65536\n1005:300000:10\n";
        assert_eq!(lent(text, "ada", 1004), Some((100_000, 65_536)));
        assert_eq!(lent(text, "", 1005), Some((300_000, 10)));
        assert_eq!(lent(text, "bob", 1006), None);

        let map = |container_id, host_id, size| IdMapping { container_id, host_id, size };
        assert_eq!(mappings(1004, 100_000, 65_536), [map(0, 1004, 1), map(1, 100_000, 65_536)]);
    }
}
