//! Where the socket is, whose, and who may connect.

use std::path::PathBuf;

use serde_json::Value as Tree;

use super::people;
use crate::connector::options::{Invalid, Options};
use crate::connector::permissions::permissions;

/// Where the socket is, and whose.
#[derive(Clone, Debug)]
pub struct Socket {
    /// Its path, or `systemd:NAME` for one that a service manager opened.
    pub path: PathBuf,
    /// How what is sent through it is cut.
    pub kind: Kind,
    /// The file's mode; never wider, not even for a moment. Default 0600.
    pub mode: u32,
    /// The file's owner, if not this process's.
    pub owner: Option<u32>,
    /// The file's group, if not this process's.
    pub group: Option<u32>,
    /// Bytes of a read. A packet that is longer is cut, and told of. Default 8,192.
    pub buf_bytes: usize,
    /// Who may connect, of those who can open the file; empty: all of them.
    pub allow: Vec<Allowed>,
}

/// How what is sent through a socket is cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Into packets, from whomever.
    Datagram,
    /// Into packets, on connections.
    Seqpacket,
    /// Not at all.
    Stream,
}

/// Somebody who may connect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Allowed {
    /// Whose process has this group.
    Group(u32),
    /// Whose process has this user.
    User(u32),
}

impl From<Kind> for hotfn_socket::Kind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Datagram => Self::Datagram,
            Kind::Seqpacket => Self::Seqpacket,
            Kind::Stream => Self::Stream,
        }
    }
}

impl Socket {
    /// The name under which a service manager hands it over, if one does.
    #[must_use]
    pub fn handed_over_as(&self) -> Option<&str> {
        self.path.to_str()?.strip_prefix(SYSTEMD)
    }

    pub(super) fn read(options: &mut Options) -> Result<Self, Invalid> {
        let path = options.text("path")?.filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| Invalid::new("path", "it is needed"))?;
        let kind = match options.text("socket")?.as_deref() {
            None | Some("stream") => Kind::Stream,
            Some("dgram") => Kind::Datagram,
            Some("seqpacket") => Kind::Seqpacket,
            Some(other) => {
                let what = format!("unknown kind {other:?}; it is \"stream\", \"seqpacket\" or \"dgram\"");
                return Err(Invalid::new("socket", what));
            }
        };
        let mode = match options.text("permissions")? {
            None => 0o600,
            Some(text) => permissions(&text).map_err(|what| Invalid::new("permissions", what))?,
        };
        Ok(Self {
            path: path.into(),
            kind,
            mode,
            owner: people::user(options, "owner")?,
            group: people::group(options, "group")?,
            buf_bytes: options.size("buf_size", 1..=16 << 20)?.unwrap_or(8192),
            allow: options
                .list("allow")
                .unwrap_or_default()
                .into_iter()
                .map(Allowed::read)
                .collect::<Result<_, _>>()
                .map_err(|e| e.within("allow"))?,
        })
    }
}

/// What a path begins with that is the name of a socket which a service manager opened.
pub(crate) const SYSTEMD: &str = "systemd:";

impl Allowed {
    /// `1000`, `"uid:1000"`, `"user:ada"`, `"gid:100"`, `"group:staff"`.
    fn read(value: Tree) -> Result<Self, Invalid> {
        let unknown = || Invalid::new("", format!("{value} is nobody; write \"user:NAME\" or \"group:NAME\""));
        if let Some(uid) = value.as_u64() {
            return u32::try_from(uid).map(Self::User).map_err(|_| unknown());
        }
        let (what, who) = value.as_str().and_then(|text| text.split_once(':')).ok_or_else(unknown)?;
        let mut options = Options::default();
        options.put(what.to_owned(), who.into());
        let found = match what {
            "uid" | "user" => people::user(&mut options, what)?.map(Self::User),
            "gid" | "group" => people::group(&mut options, what)?.map(Self::Group),
            _ => None,
        };
        found.ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn people_are_names_or_numbers() {
        assert_eq!(Allowed::read(json!(1000)), Ok(Allowed::User(1000)));
        assert_eq!(Allowed::read(json!("user:root")), Ok(Allowed::User(0)));
        assert_eq!(Allowed::read(json!("gid:7")), Ok(Allowed::Group(7)));
        for nobody in [json!("user:nobody-of-this-name"), json!("everybody"), json!(true), json!("team:a")] {
            assert!(Allowed::read(nobody.clone()).is_err(), "{nobody}");
        }
    }
}
