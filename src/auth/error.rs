//! Why a credential is rejected.

use strum::{IntoStaticStr, VariantArray};

/// Why authentication failed. A client error unless stated otherwise. The response does not reveal the
/// reason, except to the bearer of an authentic credential ([`Denial`]); the log and a metric do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[repr(u8)]
#[strum(serialize_all = "snake_case")]
pub enum AuthError {
    /// There is no credential.
    Missing,
    /// More than one `Authorization` field.
    Repeated,
    /// A token in the query (RFC 6750 section 2.3, which RFC 9700 forbids).
    InQuery,
    /// The scheme is not `Bearer`.
    Scheme,
    /// Invalid characters (RFC 6750 section 2.1), or not a kind of token that is configured.
    Malformed,
    /// Neither a JWT nor the token of a configured API key.
    UnknownKey,
    /// The API key has expired.
    KeyExpired,
    /// The JOSE header is malformed, or uses an unsupported extension: `crit`, `b64`, `zip`, encryption
    /// (RFC 7515 section 4).
    Header,
    /// The algorithm is not configured, or does not match the key.
    Algorithm,
    /// The issuer has no key with this ID, or the token names none and several match.
    KeyId,
    /// The claims are malformed or of the wrong type.
    Claims,
    /// The issuer is not configured.
    Issuer,
    /// The audience is not the configured one.
    Audience,
    /// Past its `exp`.
    Expired,
    /// Before its `nbf`.
    NotYetValid,
    /// A required claim is missing or has another value.
    RequiredClaim,
    /// The signature is invalid.
    Signature,
    /// The certificate of the client's TLS session is that of no configured client, has expired, was revoked,
    /// or its CA is not accepted any more.
    Certificate,
    /// The key is for pages of other origins than that of the request; or the page may not use its visitor's
    /// certificate. 403.
    Origin,
    /// The issuer's keys were never fetched, or are too old. A server error: 503.
    KeysUnavailable,
    /// The issuer's keys lack the key that the token names, and were not fetched since it arrived. A server
    /// error: 503.
    KeyNotFetched,
    /// Too many credentials are waiting for verification. A server error: 503.
    Busy,
}

impl AuthError {
    /// All reasons, in declaration order, which is that of the metric.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Whether the same keys and rules reject the same token at any time: not what depends on the clock
    /// (which may be set back), and not a key that its issuer may publish.
    pub fn is_final(self) -> bool {
        match self {
            Self::Malformed
            | Self::UnknownKey
            | Self::Header
            | Self::Algorithm
            | Self::Claims
            | Self::Issuer
            | Self::Audience
            | Self::RequiredClaim
            | Self::Signature => true,
            Self::Missing
            | Self::Repeated
            | Self::InQuery
            | Self::Scheme
            | Self::KeyExpired
            | Self::KeyId
            | Self::Origin
            | Self::Expired
            | Self::NotYetValid
            | Self::Certificate
            | Self::KeysUnavailable
            | Self::KeyNotFetched
            | Self::Busy => false,
        }
    }

    /// Whether it says nothing about the credential.
    pub fn is_server_error(self) -> bool {
        matches!(
            self,
            Self::KeysUnavailable | Self::KeyNotFetched | Self::Busy
        )
    }

    /// What the bearer of an authentic credential learns. Without quotation marks and backslashes, which
    /// a header field would have to escape.
    pub fn description(self) -> Option<&'static str> {
        Some(match self {
            Self::KeyExpired => "The API key has expired.",
            Self::Expired => "The token has expired.",
            Self::NotYetValid => "The token is not valid yet.",
            Self::Audience => "The token is for another audience.",
            Self::Claims => "A claim of the token is missing or malformed.",
            Self::RequiredClaim => "The token does not have a claim that is required here.",
            Self::Missing
            | Self::Repeated
            | Self::InQuery
            | Self::Scheme
            | Self::Malformed
            | Self::UnknownKey
            | Self::Header
            | Self::Algorithm
            | Self::KeyId
            | Self::Issuer
            | Self::Signature
            | Self::Certificate
            | Self::Origin
            | Self::KeysUnavailable
            | Self::KeyNotFetched
            | Self::Busy => return None,
        })
    }

    /// The stable name, for the metric label and the log.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A rejected credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Why it is rejected.
    pub reason: AuthError,
    /// Whether its issuer made it, as its signature or its hash has proved: what is wrong with it is no news to
    /// its bearer. For anything else the answer does not depend on the reason.
    pub is_authentic: bool,
}

impl Denial {
    /// An authentic credential.
    pub fn of_authentic(reason: AuthError) -> Self {
        Self {
            reason,
            is_authentic: true,
        }
    }

    /// What its bearer learns about it (RFC 6750 section 3: `error_description`).
    pub fn description(self) -> Option<&'static str> {
        self.is_authentic
            .then(|| self.reason.description())
            .flatten()
    }
}

impl From<AuthError> for Denial {
    fn from(reason: AuthError) -> Self {
        Self {
            reason,
            is_authentic: false,
        }
    }
}

impl From<Denial> for AuthError {
    fn from(denial: Denial) -> Self {
        denial.reason
    }
}

#[cfg(test)]
mod tests {
    use super::AuthError;

    #[test]
    fn all_lists_every_reason_in_order() {
        for (index, error) in AuthError::ALL.iter().copied().enumerate() {
            assert_eq!(error as usize, index, "{}", error.as_str());
        }
    }
}
