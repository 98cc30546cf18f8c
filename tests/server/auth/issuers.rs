//! The issuers and API keys of the server under test: its section `[auth]`, its files, and tokens.

use std::fmt::Write as _;

use ring::{digest, pbkdf2};

use super::{
    keys::{
        ED25519_PUBLIC_PEM, OTHER_SECRET, P256_1, P256_2, P384_PUBLIC_PEM, RSA_1, RSA_1_PUBLIC_PEM,
        RSA_2, SECRET, Signer, p256_jwk, rsa_jwk,
    },
    token::Jwt,
};
use crate::support::ringest::Builder;

/// What all tokens of an issuer have in common.
pub(crate) struct Issuer {
    pub(crate) algorithm: &'static str,
    pub(crate) kid: Option<&'static str>,
    pub(crate) iss: &'static str,
    pub(crate) signer: fn() -> Signer,
}

/// RS256 and PS256, by PEM.
pub(crate) const RS: Issuer = Issuer::new("RS256", None, "https://rs.test", Signer::rs256);
pub(crate) const PS: Issuer = Issuer::new("PS256", None, "https://rs.test", Signer::ps256);
/// ES256, by a set of one key.
pub(crate) const ES: Issuer = Issuer::new("ES256", Some("es-1"), "https://es.test", Signer::es256);
/// ES384, by PEM.
pub(crate) const ES384: Issuer = Issuer::new("ES384", None, "https://es384.test", Signer::es384);
/// `EdDSA`, by PEM.
pub(crate) const ED: Issuer = Issuer::new("EdDSA", None, "https://ed.test", Signer::eddsa);
/// HS256, by a secret.
pub(crate) const HS: Issuer =
    Issuer::new("HS256", None, "https://hs.test", || Signer::hs256(SECRET));
/// RS256 and ES256, by a set with several keys: one for RS256, two for ES256.
pub(crate) const SET_RS: Issuer = Issuer::new("RS256", Some("rsa-a"), SET, Signer::other_rs256);
pub(crate) const SET_A: Issuer = Issuer::new("ES256", Some("ec-a"), SET, Signer::es256);
pub(crate) const SET_B: Issuer = Issuer::new("ES256", Some("ec-b"), SET, Signer::other_es256);
const SET: &str = "https://set.test";
/// HS256 with a scope and required claims, and a minute's leeway; its tokens are made by [`full`].
const FULL: Issuer = Issuer::new("HS256", None, "https://full.test", || {
    Signer::hs256(OTHER_SECRET)
});

impl Issuer {
    const fn new(
        algorithm: &'static str,
        kid: Option<&'static str>,
        iss: &'static str,
        signer: fn() -> Signer,
    ) -> Self {
        Self {
            algorithm,
            kid,
            iss,
            signer,
        }
    }

    /// A new valid token.
    pub(crate) fn jwt(&self) -> Jwt {
        Jwt::new(self.algorithm, self.kid, self.iss, (self.signer)())
    }
}

/// A new valid token of the issuer with the most requirements, for every route.
pub(crate) fn full() -> Jwt {
    FULL.jwt()
        .claim("may_send", r#""*""#)
        .claim("tenant", r#""acme""#)
        .claim("tier", "2")
}

/// An API key: its token, and its hash in the configuration.
pub(crate) struct ApiKey {
    pub(crate) token: String,
    pub(crate) hash: String,
}

impl ApiKey {
    /// A token of 256 bits, derived from `name`.
    pub(crate) fn sha256(name: &str) -> Self {
        let token = hex(digest::digest(&digest::SHA256, name.as_bytes()));
        let hash = hex(digest::digest(&digest::SHA256, token.as_bytes()));
        Self {
            token,
            hash: format!("sha256:{hash}"),
        }
    }

    /// A Moose token, derived from `name`.
    pub(crate) fn pbkdf2(name: &str) -> Self {
        let random = hex(digest::digest(&digest::SHA256, name.as_bytes()));
        let (password, salt) = random.split_at(32);
        let mut hash = [0; 20];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            1_000.try_into().expect("not zero"),
            salt.as_bytes(),
            password.as_bytes(),
            &mut hash,
        );
        Self {
            token: format!("{password}.{salt}"),
            hash: hex(hash),
        }
    }
}

/// Lower case.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    let mut text = String::new();
    for byte in bytes.as_ref() {
        write!(text, "{byte:02x}").expect("a String takes all");
    }
    text
}

/// The section `[auth]` with all of the above.
const AUTH: &str = r#"
[auth]
mode = "required"

[[auth.jwt]]
issuer = "https://rs.test"
audience = "ingest"
algorithms = ["RS256", "PS256"]
public_key_file = "rs.pem"

[[auth.jwt]]
issuer = "https://es.test"
audience = "ingest"
algorithms = ["ES256"]
jwks_file = "es.json"

[[auth.jwt]]
issuer = "https://es384.test"
audience = "ingest"
algorithms = ["ES384"]
public_key_file = "es384.pem"

[[auth.jwt]]
issuer = "https://ed.test"
audience = "ingest"
algorithms = ["EdDSA"]
public_key_file = "ed.pem"

[[auth.jwt]]
issuer = "https://hs.test"
audience = "ingest"
algorithms = ["HS256"]
secret_file = "hs.secret"

[[auth.jwt]]
issuer = "https://set.test"
audience = "ingest"
algorithms = ["RS256", "ES256"]
jwks_file = "set.json"

[[auth.jwt]]
issuer = "https://full.test"
audience = "ingest"
algorithms = ["HS256"]
secret_file = "full.secret"
leeway_ms = 60_000
routes_claim = "may_send"
required_claims = { tenant = "acme", tier = 2 }
subject_header = "sent-by"
"#;

/// The names of the configured API keys, from which they are derived.
pub(crate) const SHA: &str = "sha";
pub(crate) const SHA_ORDERS: &str = "sha-orders";
pub(crate) const SHA_EXPIRED: &str = "sha-expired";
pub(crate) const PB: &str = "pb";
pub(crate) const PB_EVENTS: &str = "pb-events";
pub(crate) const PB_EXPIRED: &str = "pb-expired";
/// By the environment.
pub(crate) const MOOSE: &str = "moose";

/// One table `[[auth.keys]]`; `lines` are its further ones.
pub(crate) fn key_table(name: &str, key: &ApiKey, lines: &str) -> String {
    format!(
        "[[auth.keys]]\nname = {name:?}\nhash = {:?}\n{lines}\n",
        key.hash
    )
}

/// The whole section.
pub(crate) fn auth() -> String {
    let past = r#"expires = "2020-01-01T00:00:00Z""#;
    let keys = [
        key_table(SHA, &ApiKey::sha256(SHA), ""),
        key_table(
            SHA_ORDERS,
            &ApiKey::sha256(SHA_ORDERS),
            r#"routes = ["Order/*"]"#,
        ),
        key_table(SHA_EXPIRED, &ApiKey::sha256(SHA_EXPIRED), past),
        key_table(
            PB,
            &ApiKey::pbkdf2(PB),
            r#"expires = "2999-01-01T00:00:00+01:00""#,
        ),
        key_table(
            PB_EVENTS,
            &ApiKey::pbkdf2(PB_EVENTS),
            r#"routes = ["event/1.?", "Audit/*"]"#,
        ),
        key_table(PB_EXPIRED, &ApiKey::pbkdf2(PB_EXPIRED), past),
    ];
    format!("{AUTH}\n{}", keys.concat())
}

/// A server with all of the above.
pub(crate) fn configure(builder: Builder) -> Builder {
    let use_of_none = [
        r#"{"kty":"OKP","crv":"X25519","x":"AAAA","kid":"x"}"#.to_owned(),
        r#"{"kty":"quantum","kid":"q"}"#.to_owned(),
        rsa_jwk(&RSA_1, r#","kid":"rsa-enc","use":"enc""#),
    ];
    let set = [
        rsa_jwk(&RSA_2, r#","kid":"rsa-a","use":"sig","alg":"RS256""#),
        p256_jwk(&P256_1, r#","kid":"ec-a""#),
        p256_jwk(&P256_2, r#","kid":"ec-b""#),
    ];
    let set = [set, use_of_none].concat().join(",");
    let es = p256_jwk(&P256_1, r#","kid":"es-1""#);
    builder
        .auth(&auth())
        .file("rs.pem", RSA_1_PUBLIC_PEM.as_bytes())
        .file("es.json", format!(r#"{{"keys":[{es}]}}"#).as_bytes())
        .file("es384.pem", P384_PUBLIC_PEM.as_bytes())
        .file("ed.pem", ED25519_PUBLIC_PEM.as_bytes())
        .file("hs.secret", &[SECRET, b"\n"].concat())
        .file("set.json", format!(r#"{{"keys":[{set}]}}"#).as_bytes())
        .file("full.secret", OTHER_SECRET)
        .variable("MOOSE_INGEST_API_KEY", &ApiKey::pbkdf2(MOOSE).hash)
}

/// Valid credentials for the route `Event/1.0`, of every kind.
pub(crate) fn good() -> Vec<(&'static str, String)> {
    let jwts = [
        ("RS256", RS.jwt()),
        ("PS256", PS.jwt()),
        ("ES256", ES.jwt()),
        ("ES384", ES384.jwt()),
        ("EdDSA", ED.jwt()),
        ("HS256", HS.jwt()),
        ("RS256 of a set", SET_RS.jwt()),
        ("ES256 of a set, first", SET_A.jwt()),
        ("ES256 of a set, second", SET_B.jwt()),
        ("all that can be asked for", full()),
    ];
    let keys = [
        ("sha256", ApiKey::sha256(SHA)),
        ("PBKDF2", ApiKey::pbkdf2(PB)),
        ("PBKDF2, scoped", ApiKey::pbkdf2(PB_EVENTS)),
        ("Moose's", ApiKey::pbkdf2(MOOSE)),
    ];
    let jwts = jwts.into_iter().map(|(name, jwt)| (name, jwt.token()));
    jwts.chain(keys.into_iter().map(|(name, key)| (name, key.token)))
        .collect()
}
