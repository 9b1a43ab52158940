//! What somebody may do.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Denied, Need};

/// What a token is for. Each may also do what those after it may.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, tokens and connectors included.
    Admin,
    /// Make, change and delete apps, functions and triggers, and read what calls logged.
    Deploy,
    /// Call functions, and find them.
    Invoke,
}

/// No role's name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown role {0:?}; it is one of admin, deploy, invoke")]
pub struct UnknownRole(String);

/// What the holder of a token may do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    /// What the token is called, for people.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The names of the apps it is for; `None` for the whole node.
    pub apps: Option<BTreeSet<String>>,
}

impl Role {
    /// All of them, the mightiest first.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Deploy, Self::Invoke];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Deploy => "deploy",
            Self::Invoke => "invoke",
        }
    }

    /// May who has this role do what `needed` may?
    #[must_use]
    pub fn covers(self, needed: Self) -> bool {
        let rank = |role: Self| match role {
            Self::Admin => 2,
            Self::Deploy => 1,
            Self::Invoke => 0,
        };
        rank(self) >= rank(needed)
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(word: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == word).ok_or_else(|| UnknownRole(word.to_owned()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Grant {
    /// May its holder have what is needed?
    ///
    /// # Errors
    /// When not.
    pub fn check(&self, need: Need<'_>) -> Result<(), Denied> {
        let (role, app) = match need {
            Need::Nothing | Need::Token => return Ok(()),
            Need::App(role, app) => (role, Some(app)),
            Need::Node(role) => (role, None),
            Need::SomeApp(role) => return self.check_role(role),
        };
        self.check_role(role)?;
        match (&self.apps, app) {
            (None, _) => Ok(()),
            (Some(apps), Some(app)) if apps.contains(app) => Ok(()),
            (Some(_), Some(app)) => Err(Denied::App { token: self.name.clone(), app: app.to_owned() }),
            (Some(_), None) => Err(Denied::Node { token: self.name.clone() }),
        }
    }

    fn check_role(&self, needed: Role) -> Result<(), Denied> {
        if self.role.covers(needed) {
            return Ok(());
        }
        Err(Denied::Role { token: self.name.clone(), has: self.role, needed })
    }
}
