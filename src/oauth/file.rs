//! A token in a file, as Kubernetes mounts one, or a sidecar writes it.

use std::{path::Path, time::SystemTime};

use super::{
    TokenError,
    claims::{Claims, is_bearer_token},
};
use crate::{
    document::{FileError, read_text},
    produce::Token,
};

/// More than any token has, in bytes.
const BYTES_MAX: u64 = 64 << 10;

/// The principal of a token that does not name one.
const PRINCIPAL: &str = "token_file";

/// The content of the file, without blanks around it.
pub(super) fn read(path: &Path) -> Result<String, TokenError> {
    match read_text(path, BYTES_MAX) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(FileError::TooLong(_)) => Err(TokenError::Invalid("the file is too long for a token")),
        Err(error) => Err(TokenError::Unreadable(error.to_string())),
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
