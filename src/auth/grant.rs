//! What a verified credential grants: to which principal, for which routes, and for how long.

use std::{rc::Rc, sync::Arc};

use wildmatch::WildMatch;

use super::AuthorizedRoute;
use crate::{
    cors::Origins,
    quota::Allowance,
    route::{Route, RouteTable},
};

/// Globs over `<name>/<version>` of models: `*` matches any text, including `/`, `?` any one character.
/// Matching is case-insensitive, as for request paths.
#[derive(Clone, Debug, PartialEq)]
pub struct Globs(Vec<WildMatch>);

/// The routes that a principal is authorized for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All routes.
    All,
    /// The routes whose bit is set: bit `index % 64` of word `index / 64`.
    Some(Box<[u64]>),
}

/// When a credential is valid, as Unix time in milliseconds: `from_ms <= now < until_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Valid from; 0 if unlimited.
    pub from_ms: u64,
    /// Valid before this time, exclusive (RFC 7519 section 4.1.4); [`u64::MAX`] if unlimited.
    pub until_ms: u64,
}

/// What a verified credential grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The name of the API key, or the `sub` of the token.
    pub name: Option<Box<str>>,
    /// The routes.
    pub scope: Scope,
    /// The validity period.
    pub validity: Validity,
    /// The Kafka header that carries the name, if configured.
    pub subject_header: Option<Box<str>>,
    /// The origins of the pages that it is for; `None`: it is secret, and for any client that has it.
    pub origins: Option<Arc<Origins>>,
    /// How much it may send; `None`: as much as it likes.
    pub allowance: Option<Allowance>,
}

/// The authenticated sender of a request. For one request only: each request is authenticated anew.
#[derive(Clone, Debug)]
pub struct Principal(Rc<Grant>);

/// The principal of all requests if authentication is disabled.
pub fn anonymous() -> Principal {
    Principal::new(Grant {
        name: None,
        scope: Scope::All,
        validity: Validity::ALWAYS,
        subject_header: None,
        origins: None,
        allowance: None,
    })
}

impl Globs {
    /// Any text is a valid glob.
    pub fn new<'g>(globs: impl IntoIterator<Item = &'g str>) -> Self {
        Self(
            globs
                .into_iter()
                .map(WildMatch::new_case_insensitive)
                .collect(),
        )
    }

    /// Whether any of the globs matches the model of a route.
    pub fn matches(&self, route: &Route) -> bool {
        let name = format!("{}/{}", route.model.name, route.model.version);
        self.0.iter().any(|glob| glob.matches(&name))
    }
}

impl Scope {
    /// The routes of the table that match the globs.
    pub fn new(globs: &Globs, routes: &RouteTable) -> Self {
        let routes = routes.routes();
        let mut words = vec![0_u64; routes.len().div_ceil(64)];
        let mut all = true;
        for route in routes {
            if globs.matches(route) {
                words[route.index / 64] |= 1 << (route.index % 64);
            } else {
                all = false;
            }
        }
        if all {
            Self::All
        } else {
            Self::Some(words.into())
        }
    }

    /// Whether the route with this index is included.
    pub fn allows(&self, route: usize) -> bool {
        match self {
            Self::All => true,
            Self::Some(words) => {
                (words.get(route / 64)).is_some_and(|it| it >> (route % 64) & 1 == 1)
            }
        }
    }
}

impl Validity {
    /// Without limits.
    pub const ALWAYS: Self = Self {
        from_ms: 0,
        until_ms: u64::MAX,
    };

    /// Whether the time is within the period.
    pub fn contains(self, now_ms: u64) -> bool {
        self.from_ms <= now_ms && now_ms < self.until_ms
    }
}

impl Grant {
    /// Heap memory of the grant, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        let text = |text: &Option<Box<str>>| text.as_deref().map_or(0, str::len);
        let words = match &self.scope {
            Scope::All => 0,
            Scope::Some(words) => size_of_val(&**words),
        };
        text(&self.name) + text(&self.subject_header) + words
    }
}

impl Principal {
    /// Only code that verified a credential, or needs none, may create principals.
    pub(super) fn new(grant: Grant) -> Self {
        Self(Rc::new(grant))
    }

    /// The grant of its credential.
    pub fn grant(&self) -> &Grant {
        &self.0
    }

    /// Its name; `None` if authentication is disabled or the token has no `sub`.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// The authorized route, if the principal is authorized for it.
    pub fn authorize<'r>(&self, route: &'r Route) -> Option<AuthorizedRoute<'r>> {
        self.0
            .scope
            .allows(route.index)
            .then_some(AuthorizedRoute(route))
    }
}
