//! Why a credential is not taken. Always the client's, but for those that say otherwise.

/// Why nobody could be recognised. What is answered is the same for all; the log and a metric tell
/// them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Denial {
    /// No credential at all.
    Missing,
    /// More than one `Authorization` field.
    Repeated,
    /// A token in the query (RFC 6750 section 2.3, which RFC 9700 forbids).
    InQuery,
    /// Another scheme than `Bearer`.
    Scheme,
    /// Not a token's characters (RFC 6750 section 2.1), too long, or of no kind that is configured.
    Malformed,
    /// Neither JWT nor the token of an API key that there is.
    UnknownKey,
    /// Of an API key that has expired.
    KeyExpired,
    /// A JOSE header that can't be read, or asks for what is not understood: `crit`, `b64`, `zip`,
    /// encryption (RFC 7515 section 4).
    Header,
    /// An algorithm that is not configured, or not for this key.
    Algorithm,
    /// A key that its issuer does not have, or none named where several fit.
    KeyId,
    /// Claims that can't be read, or of the wrong type.
    Claims,
    /// An issuer that is not configured.
    Issuer,
    /// For somebody else.
    Audience,
    /// Past its `exp`.
    Expired,
    /// Before its `nbf`.
    NotYetValid,
    /// A claim that the configuration requires has another value, or is not there.
    RequiredClaim,
    /// The signature is not the key's.
    Signature,
    /// The issuer's keys were never fetched. Ours: 503.
    KeysUnavailable,
    /// Too many strangers are waiting to be verified. Ours: 503.
    Busy,
}

impl Denial {
    /// Each of them, in the order of the metric.
    pub const ALL: [Self; 19] = [
        Self::Missing,
        Self::Repeated,
        Self::InQuery,
        Self::Scheme,
        Self::Malformed,
        Self::UnknownKey,
        Self::KeyExpired,
        Self::Header,
        Self::Algorithm,
        Self::KeyId,
        Self::Claims,
        Self::Issuer,
        Self::Audience,
        Self::Expired,
        Self::NotYetValid,
        Self::RequiredClaim,
        Self::Signature,
        Self::KeysUnavailable,
        Self::Busy,
    ];

    /// Stable, for the metric's label and the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Repeated => "repeated",
            Self::InQuery => "in_query",
            Self::Scheme => "scheme",
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::KeyExpired => "key_expired",
            Self::Header => "header",
            Self::Algorithm => "algorithm",
            Self::KeyId => "key_id",
            Self::Claims => "claims",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::RequiredClaim => "required_claim",
            Self::Signature => "signature",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Busy => "busy",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Denial;

    #[test]
    fn all_are_listed_in_their_order() {
        for (index, denial) in Denial::ALL.into_iter().enumerate() {
            assert_eq!(denial as usize, index, "{}", denial.as_str());
        }
    }
}
