//! Who sends: a request's head and the configuration make a [`Principal`], and only a principal
//! makes a route one that may be produced to.
//!
//! This version knows one way, to let everyone in who reaches the port ([`AuthMode::None`]);
//! anything else is refused by the configuration.

use crate::{config::AuthMode, route::Route};

/// Who a request is from, proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal(());

/// A route that its principal may send to: what producing asks for.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizedRoute<'r>(&'r Route);

/// Who sends.
pub fn authenticate(mode: AuthMode) -> Principal {
    match mode {
        AuthMode::None => Principal(()),
    }
}

impl Principal {
    /// What it is called: nothing, where nobody was asked.
    pub fn name(&self) -> Option<&str> {
        None
    }

    /// The route, if the principal may send to it: always, as everyone may.
    pub fn authorize(self, route: &Route) -> AuthorizedRoute<'_> {
        AuthorizedRoute(route)
    }
}

impl<'r> AuthorizedRoute<'r> {
    /// The route.
    pub fn route(self) -> &'r Route {
        self.0
    }
}
