//! `ringest token`: creates API keys and checks tokens.

mod verify;

use std::{fmt::Write as _, path::Path, process::ExitCode};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

use super::{failed, print_exactly, refuse, report};
use crate::{
    auth::{ApiKey, KeyHash},
    cors::OriginPattern,
};

const ABOUT: &str = "Create an API key, or check a token against the configuration";

const EXAMPLES: &str = "\
Prints a new token, its hash, and the lines to add to the configuration. The token is not stored
anywhere: the configuration only contains its hash. Clients send it in the header
Authorization: Bearer <token>

Examples:
  ringest token --name mobile --routes 'Order/*' --expires 2027-01-01T00:00:00Z
  ringest token --origins https://app.example.com   a key that web pages may show
  ringest token --kind pbkdf2            a token in the format that Moose uses
  ringest token --format json | jq -r .token
  ringest token --verify --config conf/ringest.toml < token.txt

Exit codes: 0 success; 1 the token is rejected or the configuration is invalid; 2 usage error.";

#[derive(Debug, Args)]
#[command(about = ABOUT, after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Hash: sha256, or pbkdf2 (compatible with Moose, slower to verify)
    #[arg(
        long,
        value_enum,
        value_name = "KIND",
        default_value_t = Kind::Sha256,
        hide_possible_values = true
    )]
    kind: Kind,

    /// Name of the key, shown in logs [default: key-, and the first 8 digits of the hash]
    #[arg(long, value_parser = name)]
    name: Option<String>,

    /// Allowed routes: a glob over <model>/<version>; repeatable
    #[arg(long, value_name = "GLOB", default_value = "*")]
    routes: Vec<String>,

    /// Expiry time, such as 2027-01-01T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    expires: Option<String>,

    #[arg(
        long,
        value_name = "ORIGIN",
        value_parser = origin,
        help = "For web pages of this origin, such as https://app.example.com; repeatable"
    )]
    origins: Vec<String>,

    /// Output format: text, json or toml
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value_t = Format::Text,
        hide_possible_values = true
    )]
    format: Format,

    /// Check a token read from stdin: its key or issuer, routes and expiry time
    #[arg(
        long,
        conflicts_with_all = ["kind", "name", "routes", "expires", "origins", "format"]
    )]
    verify: bool,
}

/// How a token is hashed; also decides its format.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Sha256,
    Pbkdf2,
}

/// Output format of a new token.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
    Toml,
}

/// A new token and the key to be added to the configuration.
struct New<'a> {
    token: String,
    hash: KeyHash,
    name: String,
    routes: &'a [String],
    expires: Option<&'a str>,
    origins: &'a [String],
}

/// Creates a token, or checks one against a configuration.
pub(super) fn run(config: &Path, arguments: &Arguments) -> ExitCode {
    if arguments.verify {
        return verify::run(config);
    }
    if matches!(arguments.kind, Kind::Pbkdf2) && !arguments.origins.is_empty() {
        return refuse("--origins can't be combined with --kind pbkdf2: a key for pages is public");
    }
    let Some((token, hash)) = new_token(arguments.kind) else {
        return failed("can't get random numbers from the operating system");
    };
    let expires = arguments.expires.as_deref();
    let now = Timestamp::now().as_millisecond();
    if expires
        .and_then(ApiKey::expiry_ms)
        .is_some_and(|it| i128::from(it) <= i128::from(now))
    {
        report("warning: --expires is in the past: the key will be rejected");
    }
    let new = New {
        name: arguments.name.clone().unwrap_or_else(|| name_of(hash)),
        token,
        hash,
        routes: &arguments.routes,
        expires,
        origins: &arguments.origins,
    };
    print_exactly(&match arguments.format {
        Format::Text => new.text(),
        Format::Json => new.json(),
        Format::Toml => new.toml(),
    })
}

/// A random token and its hash; `None` if the operating system provides no random numbers.
fn new_token(kind: Kind) -> Option<(String, KeyHash)> {
    let mut random = [0; 32];
    SystemRandom::new().fill(&mut random).ok()?;
    Some(match kind {
        Kind::Sha256 => {
            let token = BASE64_URL_SAFE_NO_PAD.encode(random);
            let hash = KeyHash::sha256(token.as_bytes());
            (token, hash)
        }
        Kind::Pbkdf2 => {
            let (password, salt) = random.split_at(16);
            let token = format!("{}.{}", hex(password), hex(salt));
            let hash = KeyHash::pbkdf2(token.as_bytes())?;
            (token, hash)
        }
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        // Writing to a String never fails.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// A name derived from the hash, and so unique.
fn name_of(hash: KeyHash) -> String {
    let hash = hash.to_string();
    let digits = hash.rsplit(':').next().unwrap_or_default();
    format!("key-{}", digits.get(..8).unwrap_or(digits))
}

impl New<'_> {
    fn text(&self) -> String {
        let Self { token, hash, .. } = self;
        let mut text = format!(
            "Token (will not be shown again):\n\n{token}\n\nIts hash is {hash}. Add to the \
             configuration:\n\n{}",
            self.table()
        );
        if matches!(hash, KeyHash::Pbkdf2(_)) {
            let _ = write!(
                text,
                "\nOr as an environment variable, for a key named moose with all routes and no \
                 expiry:\n\nMOOSE_INGEST_API_KEY={hash}\n"
            );
        }
        text
    }

    fn json(&self) -> String {
        let json = json!({
            "token": self.token,
            "name": self.name,
            "hash": self.hash.to_string(),
            "routes": self.routes,
            "expires": self.expires,
            "origins": self.origins,
        });
        format!("{json:#}\n")
    }

    /// TOML to append to a configuration; the token is in a comment to be removed.
    fn toml(&self) -> String {
        format!(
            "# Give this token to the client and remove these lines; it will not be shown again.\n\
             # {}\n{}",
            self.token,
            self.table()
        )
    }

    /// The key as a TOML table of the configuration.
    fn table(&self) -> String {
        let string = |text: &str| toml::Value::from(text).to_string();
        let mut table = format!(
            "[[auth.keys]]\nname = {}\nhash = \"{}\"\nroutes = {}\n",
            string(&self.name),
            self.hash,
            toml::Value::from(self.routes.to_vec())
        );
        if let Some(expires) = self.expires {
            let _ = writeln!(table, "expires = {}", string(expires));
        }
        if !self.origins.is_empty() {
            let origins = toml::Value::from(self.origins.to_vec());
            let _ = writeln!(table, "origins = {origins}");
        }
        table
    }
}

/// Validates a name by the rules of the configuration.
fn name(text: &str) -> Result<String, String> {
    if ApiKey::is_name(text) {
        return Ok(text.to_owned());
    }
    let max = ApiKey::NAME_BYTES_MAX;
    Err(format!(
        "a name has 1 to {max} bytes and no control characters"
    ))
}

/// Validates an origin by the rules of the configuration.
fn origin(text: &str) -> Result<String, String> {
    match text.parse::<OriginPattern>() {
        Ok(OriginPattern::Any) => Err("a key for pages is for those of certain origins".to_owned()),
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Validates a time by the rules of the configuration.
fn moment(text: &str) -> Result<String, String> {
    match ApiKey::expiry_ms(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(
            "a time needs an offset from UTC, such as 2027-01-01T00:00:00Z (RFC 3339)".to_owned(),
        ),
    }
}
