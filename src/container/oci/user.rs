//! Whose a function's process is.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use hotfn_images::ImageConfig;
use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::spec::User;
use crate::container::sandbox::Sandbox;

/// What is read of an image's list of users or groups.
const LIST_BYTES_MAX: u64 = 1 << 20;

/// The sandbox's own, or if it lets images choose, the image's: `user`, `uid`, `user:group` or `uid:gid`,
/// with names as the lists below `root` have them.
///
/// # Errors
/// When the image has no such user or group.
pub(super) fn of(root: &Path, image: &ImageConfig, sandbox: &Sandbox) -> Result<User, String> {
    if sandbox.unprivileged {
        return Ok(User { uid: Sandbox::USER, gid: Sandbox::USER });
    }
    let (user, group) = match image.user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (image.user.as_str(), None),
    };
    let passwd = || list(root, "etc/passwd");
    // Of a user's line the third part is its number, the fourth its group's.
    let (uid, gid_usual) = match (user, user.parse()) {
        ("", _) => (0, 0),
        (_, Ok(uid)) => (uid, entry(&passwd(), 2, user).and_then(|line| number(line, 3)).unwrap_or(0)),
        (name, Err(_)) => {
            let passwd = passwd();
            let ids = entry(&passwd, 0, name).and_then(|line| Some((number(line, 2)?, number(line, 3)?)));
            ids.ok_or_else(|| format!("wants to run as {name:?}, whom its /etc/passwd does not know"))?
        }
    };
    let gid = match group.map(|group| (group, group.parse())) {
        None | Some(("", _)) => gid_usual,
        Some((_, Ok(gid))) => gid,
        Some((name, Err(_))) => entry(&list(root, "etc/group"), 0, name)
            .and_then(|line| number(line, 2))
            .ok_or_else(|| format!("wants to run in group {name:?}, which its /etc/group does not know"))?,
    };
    Ok(User { uid, gid })
}

fn entry<'a>(list: &'a str, part: usize, value: &str) -> Option<&'a str> {
    list.lines().find(|line| line.split(':').nth(part) == Some(value))
}

fn number(line: &str, part: usize) -> Option<u32> {
    line.split(':').nth(part)?.trim().parse().ok()
}

/// A file of the image's, whose links lead nowhere outside of it; one that is not there is empty.
fn list(root: &Path, name: &str) -> String {
    let mut text = String::new();
    let opened =
        rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).and_then(|root| {
            // What is no file is not waited for.
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            rustix::fs::openat2(root, name, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
        });
    if let Ok(file) = opened {
        // What cannot be read names nobody.
        let _ = File::from(file).take(LIST_BYTES_MAX).read_to_string(&mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn users_are_the_sandboxs_or_the_images() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/passwd"), "root:x:0:0::/:/bin/sh\nada:x:7:8::/:\n").unwrap();
        // A link out of the image leads to the image's own file.
        fs::write(root.path().join("groups"), "wheel:x:9:\n").unwrap();
        std::os::unix::fs::symlink("/groups", root.path().join("etc/group")).unwrap();
        let of = |user: &str, unprivileged| {
            let image = ImageConfig { user: user.to_owned(), ..ImageConfig::default() };
            let user = super::of(root.path(), &image, &Sandbox { unprivileged, ..Sandbox::default() });
            user.map(|user| (user.uid, user.gid))
        };
        assert_eq!(of("ada", true), Ok((1000, 1000)));
        for (user, expected) in
            [("", (0, 0)), ("ada", (7, 8)), ("7", (7, 8)), ("12", (12, 0)), ("ada:wheel", (7, 9)), ("12:34", (12, 34))]
        {
            assert_eq!(of(user, false), Ok(expected), "{user}");
        }
        assert!(of("eve", false).unwrap_err().contains("eve"));
        assert!(of("ada:staff", false).unwrap_err().contains("staff"));
    }
}
