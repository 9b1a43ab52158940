//! The tokens that are good now, and the look at them that each request takes.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use subtle::ConstantTimeEq as _;

use hotfn_protocols::FunctionId;

use super::token::{self, Hash};
use super::{Denied, Grant, Need, Token, Tokens};

/// Who may do what on a node.
pub struct Access {
    tokens: Tokens,
    /// The good ones, by id.
    good: RwLock<HashMap<String, Good>>,
    /// Counts how often they changed.
    changes: AtomicU64,
    /// The app's name of each function, for tokens that are for some apps only.
    apps: RwLock<HashMap<FunctionId, Arc<str>>>,
}

struct Good {
    hash: Hash,
    grant: Arc<Grant>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Nobody wants to know: tokens are off, or none was needed.
    Anybody,
    /// The holder of a token.
    Holder(Arc<Grant>),
}

/// The last token that a connection showed and that was good.
#[derive(Default)]
pub struct Shown(Option<Known>);

struct Known {
    /// When it was good.
    at_change: u64,
    text: Box<[u8]>,
    grant: Arc<Grant>,
}

impl Access {
    /// A node that asks for tokens, or does not. It has none yet.
    #[must_use]
    pub fn new(tokens: Tokens) -> Arc<Self> {
        Arc::new(Self { tokens, good: RwLock::default(), changes: AtomicU64::new(0), apps: RwLock::default() })
    }

    /// Are tokens asked for?
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.tokens != Tokens::Off
    }

    /// May anybody call triggers?
    #[must_use]
    pub fn is_open_to_triggers(&self) -> bool {
        self.tokens != Tokens::Required
    }

    /// From now on these tokens are good, and no others.
    pub fn keep(&self, tokens: &[Token]) {
        let good = tokens.iter().map(|token| {
            let good = Good { hash: token.hash.clone(), grant: Arc::new(token.grant()) };
            (token.id.clone(), good)
        });
        let good = good.collect();
        let mut now = self.good.write().unwrap_or_else(PoisonError::into_inner);
        *now = good;
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Is no token good?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.good.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Notes whose a function is.
    pub fn place(&self, function: &FunctionId, app: &str) {
        self.apps.write().unwrap_or_else(PoisonError::into_inner).insert(function.clone(), app.into());
    }

    /// Forgets a function.
    pub fn forget(&self, function: &FunctionId) {
        self.apps.write().unwrap_or_else(PoisonError::into_inner).remove(function);
    }

    /// The app of a function, if there is such a function.
    #[must_use]
    pub fn app(&self, function: &FunctionId) -> Option<Arc<str>> {
        self.apps.read().unwrap_or_else(PoisonError::into_inner).get(function).cloned()
    }

    /// Who sends `authorization`, the value of that header, if they may have what they need.
    /// `shown` is what their connection showed before.
    ///
    /// # Errors
    /// When they may not.
    pub fn admit(&self, authorization: Option<&[u8]>, need: Need<'_>, shown: &mut Shown) -> Result<Caller, Denied> {
        if !self.is_required() || need == Need::Nothing {
            return Ok(Caller::Anybody);
        }
        let grant = self.holder(authorization, shown)?;
        grant.check(need)?;
        Ok(Caller::Holder(grant))
    }

    /// Is one of `values`, all of that header, a token of this node's, by its looks? A function is not to
    /// see one where none was needed either: it opens more than that function.
    pub fn names_token<'a>(&self, values: impl IntoIterator<Item = &'a [u8]>) -> bool {
        let is_token = |value| token::bearer(value).is_some_and(|text| token::id(text).is_some());
        self.is_required() && values.into_iter().any(is_token)
    }

    fn holder(&self, authorization: Option<&[u8]>, shown: &mut Shown) -> Result<Arc<Grant>, Denied> {
        let text = token::bearer(authorization.ok_or(Denied::Missing)?).ok_or(Denied::Missing)?;
        // Read before the tokens are: what is found by a later list only is looked up once more.
        let at_change = self.changes.load(Ordering::Acquire);
        if let Some(known) = &shown.0
            && known.at_change == at_change
            && bool::from(known.text.ct_eq(text))
        {
            return Ok(known.grant.clone());
        }
        let id = token::id(text).ok_or(Denied::Unknown)?;
        let hash = Hash::of(text);
        let grant = {
            let good = self.good.read().unwrap_or_else(PoisonError::into_inner);
            let found = good.get(id).filter(|good| good.hash == hash);
            found.ok_or(Denied::Unknown)?.grant.clone()
        };
        shown.0 = Some(Known { at_change, text: text.into(), grant: grant.clone() });
        Ok(grant)
    }
}

impl Caller {
    /// May they have what they need?
    ///
    /// # Errors
    /// When not.
    pub fn check(&self, need: Need<'_>) -> Result<(), Denied> {
        match self {
            Self::Anybody => Ok(()),
            Self::Holder(grant) => grant.check(need),
        }
    }

    /// May they have it? For answers, which leave out what one may not see.
    #[must_use]
    pub fn may(&self, need: Need<'_>) -> bool {
        self.check(need).is_ok()
    }

    /// Are they for some apps only?
    #[must_use]
    pub fn is_of_some_apps(&self) -> bool {
        self.apps().is_some()
    }

    /// The names of the apps they are for; `None` for the whole node.
    #[must_use]
    pub fn apps(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::Anybody => None,
            Self::Holder(grant) => grant.apps.as_ref(),
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}
