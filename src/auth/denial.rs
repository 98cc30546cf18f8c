//! Why a credential is not taken. Always the client's, but for those that say otherwise.

use strum::{IntoStaticStr, VariantArray};

/// Why nobody could be recognised. What is answered is the same for all; the log and a metric tell
/// them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[repr(u8)]
#[strum(serialize_all = "snake_case")]
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
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Stable, for the metric's label and the log.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::Denial;

    #[test]
    fn all_are_listed_in_their_order() {
        for (index, denial) in Denial::ALL.iter().copied().enumerate() {
            assert_eq!(denial as usize, index, "{}", denial.as_str());
        }
    }
}
