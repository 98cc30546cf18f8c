//! A token in a file, as Kubernetes mounts one, or a sidecar writes it.

use std::{fs::File, io::Read, path::Path, time::SystemTime};

use super::{
    TokenError,
    claims::{Claims, is_bearer_token},
};
use crate::produce::Token;

/// More than any token has, in bytes.
const BYTES_MAX: u64 = 64 << 10;

/// The principal of a token that does not name one.
const PRINCIPAL: &str = "token_file";

/// The content of the file, without blanks around it.
pub(super) fn read(path: &Path) -> Result<String, TokenError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Ok(_) if text.len() as u64 > BYTES_MAX => {
            Err(TokenError::Invalid("the file is too long for a token"))
        }
        Ok(_) => Ok(text.trim().to_owned()),
        Err(error) => Err(TokenError::Unreadable(format!("can't be read: {error}"))),
    }
}

/// The token that is the content of a file.
pub(super) fn token(content: &str, extensions: &[(String, String)]) -> Result<Token, TokenError> {
    if content.is_empty() {
        return Err(TokenError::Invalid("the file is empty"));
    }
    if !is_bearer_token(content) {
        return Err(TokenError::Invalid(
            "the file has something else than a token",
        ));
    }
    let claims = Claims::of(content);
    let principal = claims.subject.as_deref().unwrap_or(PRINCIPAL);
    let token = Token::new(content, principal, extensions, claims.ends);
    let token = token.map_err(|_| TokenError::Invalid("a NUL character in the token"))?;
    if token.has_ended(SystemTime::now()) {
        return Err(TokenError::Ended);
    }
    Ok(token)
}
