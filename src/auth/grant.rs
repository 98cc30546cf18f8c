//! What a verified credential allows, to whom, and how long.

use std::rc::Rc;

use wildmatch::WildMatch;

use super::AuthorizedRoute;
use crate::route::{Route, RouteTable};

/// Globs over `<name>/<version>` of models: `*` is any text, `/` included, `?` any one character,
/// case makes no difference (as it makes none in paths).
#[derive(Clone, Debug, PartialEq)]
pub struct Globs(Vec<WildMatch>);

/// The routes that a principal may send to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All that there are.
    All,
    /// Those whose bit is set: bit `index % 64` of word `index / 64`.
    Some(Box<[u64]>),
}

/// When a credential is good, in milliseconds since 1970: `from_ms <= now < until_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Not before; 0 where nothing is said.
    pub from_ms: u64,
    /// Not at and not after (RFC 7519 section 4.1.4); [`u64::MAX`] where nothing is said.
    pub until_ms: u64,
}

/// What a verified credential allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who: an API key's name, a token's `sub`.
    pub name: Option<Box<str>>,
    /// Where to.
    pub scope: Scope,
    /// How long.
    pub validity: Validity,
    /// The Kafka header that carries the name, if one shall.
    pub subject_header: Option<Box<str>>,
}

/// Who a request is from, proved. Good for one request: whoever asks again is looked up again.
#[derive(Clone, Debug)]
pub struct Principal(Rc<Grant>);

/// The principal of everyone, where the configuration says that everyone who reaches the port may
/// send.
pub fn anyone() -> Principal {
    Principal::new(Grant {
        name: None,
        scope: Scope::All,
        validity: Validity::ALWAYS,
        subject_header: None,
    })
}

impl Globs {
    /// Any text is a glob.
    pub fn new<'g>(globs: impl IntoIterator<Item = &'g str>) -> Self {
        Self(
            globs
                .into_iter()
                .map(WildMatch::new_case_insensitive)
                .collect(),
        )
    }

    /// Whether one of them matches the model of a route.
    pub fn matches(&self, route: &Route) -> bool {
        let name = format!("{}/{}", route.model.name, route.model.version);
        self.0.iter().any(|glob| glob.matches(&name))
    }
}

impl Scope {
    /// The routes of the table that the globs match.
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

    /// Whether a route, by its index, is among them.
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
    /// Nothing is said.
    pub const ALWAYS: Self = Self {
        from_ms: 0,
        until_ms: u64::MAX,
    };

    /// Whether it is good now.
    pub fn contains(self, now_ms: u64) -> bool {
        self.from_ms <= now_ms && now_ms < self.until_ms
    }
}

impl Grant {
    /// Memory beside the grant itself, in bytes.
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
    /// Only what has verified a credential, or needs none, makes principals.
    pub(super) fn new(grant: Grant) -> Self {
        Self(Rc::new(grant))
    }

    /// What it was granted.
    pub fn grant(&self) -> &Grant {
        &self.0
    }

    /// What it is called: nothing, where nobody was asked.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// The route, if the principal may send to it.
    pub fn authorize<'r>(&self, route: &'r Route) -> Option<AuthorizedRoute<'r>> {
        self.0
            .scope
            .allows(route.index)
            .then_some(AuthorizedRoute(route))
    }
}
