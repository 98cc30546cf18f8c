//! Builds tokens byte by byte, to allow duplicate members and encodings that no library would produce.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use super::keys::Signer;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock is right").as_secs()
}

/// base64url without padding (RFC 7515 section 2).
pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    let mut text = String::new();
    for chunk in bytes.as_ref().chunks(3) {
        let bits = (0..3).fold(0, |bits, n| {
            bits << 8 | usize::from(*chunk.get(n).unwrap_or(&0))
        });
        for n in 0..=chunk.len() {
            text.push(char::from(ALPHABET[bits >> (18 - 6 * n) & 63]));
        }
    }
    text
}

/// Decodes the output of [`base64`].
pub(crate) fn from_base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in text.as_bytes().chunks(4) {
        let bits = (0..4).fold(0, |bits, n| {
            bits << 6 | chunk.get(n).map_or(0, |it| digit(*it))
        });
        let octets = bits.to_be_bytes();
        bytes.extend_from_slice(&octets[octets.len() - 3..][..chunk.len() - 1]);
    }
    bytes
}

/// A non-canonical encoding of the same bytes, with non-zero trailing bits in the last character. `None` if
/// there are no trailing bits.
pub(crate) fn loose(text: &str) -> Option<String> {
    let unused = match text.len() % 4 {
        2 => 0b1111,
        3 => 0b11,
        _ => return None,
    };
    let (rest, last) = text.split_at(text.len() - 1);
    let last = digit(last.as_bytes()[0]) | unused;
    Some(format!("{rest}{}", char::from(ALPHABET[last])))
}

fn digit(character: u8) -> usize {
    let place = ALPHABET.iter().position(|it| *it == character);
    place.expect("a character of base64url")
}

/// A JSON object as text: names and values are JSON already.
#[derive(Clone, Default)]
pub(crate) struct Object(Vec<(String, String)>);

impl Object {
    /// Sets a member, whose name is given without quotes.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let name = format!("{name:?}");
        match self.0.iter_mut().find(|(it, _)| *it == name) {
            Some((_, it)) => value.clone_into(it),
            None => self.0.push((name, value.to_owned())),
        }
    }

    fn remove(&mut self, name: &str) {
        let name = format!("{name:?}");
        let before = self.0.len();
        self.0.retain(|(it, _)| *it != name);
        assert_eq!(self.0.len(), before - 1, "{name} is there");
    }

    /// Adds a member in the end, even if there is one of this name; `name` with its quotes.
    fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::from("{");
        for (n, (name, value)) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(text, "{comma}{name}:{value}").expect("a String takes all");
        }
        text + "}"
    }
}

/// A builder of JWTs. Values are JSON texts.
#[derive(Clone)]
pub(crate) struct Jwt {
    header: Object,
    claims: Object,
    signer: Signer,
}

impl Jwt {
    /// A unique token that is valid for an hour.
    pub(crate) fn new(algorithm: &str, kid: Option<&str>, issuer: &str, signer: Signer) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut header = Object::default();
        header.set("alg", &format!("{algorithm:?}"));
        header.set("typ", r#""JWT""#);
        if let Some(kid) = kid {
            header.set("kid", &format!("{kid:?}"));
        }
        let mut claims = Object::default();
        claims.set("iss", &format!("{issuer:?}"));
        claims.set("aud", r#""ingest""#);
        claims.set("sub", r#""somebody""#);
        claims.set("exp", &(now() + 3_600).to_string());
        claims.set("jti", &format!("\"{number:06}\""));
        Self {
            header,
            claims,
            signer,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.header.set(name, value);
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// One more, `name` with its quotes.
    pub(crate) fn also_header(mut self, name: &str, value: &str) -> Self {
        self.header.push(name, value);
        self
    }

    pub(crate) fn claim(mut self, name: &str, value: &str) -> Self {
        self.claims.set(name, value);
        self
    }

    pub(crate) fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// One more, `name` with its quotes.
    pub(crate) fn also_claim(mut self, name: &str, value: &str) -> Self {
        self.claims.push(name, value);
        self
    }

    pub(crate) fn signed_by(mut self, signer: Signer) -> Self {
        self.signer = signer;
        self
    }

    pub(crate) fn header_text(&self) -> String {
        self.header.text()
    }

    pub(crate) fn claims_text(&self) -> String {
        self.claims.text()
    }

    pub(crate) fn token(&self) -> String {
        self.token_of(self.header_text(), self.claims_text())
    }

    /// With another text as its header.
    pub(crate) fn token_with_header(&self, header: impl AsRef<[u8]>) -> String {
        self.token_of(header, self.claims_text())
    }

    /// With another text as its claims.
    pub(crate) fn token_with_claims(&self, claims: impl AsRef<[u8]>) -> String {
        self.token_of(self.header_text(), claims)
    }

    fn token_of(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        self.token_spelled(&base64(header), &base64(claims))
    }

    /// With these texts as its first parts, and a matching signature.
    pub(crate) fn token_spelled(&self, header: &str, claims: &str) -> String {
        let signature = self.signer.sign(format!("{header}.{claims}").as_bytes());
        format!("{header}.{claims}.{}", base64(signature))
    }

    /// The same message, with a modified signature.
    pub(crate) fn token_resigned(&self, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
        let [header, claims, signature] = parts(&self.token());
        format!(
            "{header}.{claims}.{}",
            base64(change(from_base64(&signature)))
        )
    }
}

/// Header, claims and signature as they are written.
pub(crate) fn parts(token: &str) -> [String; 3] {
    let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts.try_into().expect("three parts")
}
