//! `ringest token`: new API keys, and what a token is good for.

mod verify;

use std::{fmt::Write as _, path::Path, process::ExitCode};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

use super::{EXIT_CONFIGURATION, print, report};
use crate::auth::{ApiKey, KeyHash};

const ABOUT: &str = "Make a token for a sender, or say what one is good for";

const EXAMPLES: &str = "\
The token is shown this once and kept nowhere; the configuration has its hash. Senders send it as
Authorization: Bearer <token>

Examples:
  ringest token --name mobile --routes 'Order/*' --expires 2027-01-01T00:00:00Z
  ringest token --kind pbkdf2            for clients and servers that Moose's tools made keys for
  ringest token --format json | jq -r .token
  ringest token --verify --config conf/ringest.toml < token.txt

Exit codes: 0 done, or the token is good; 1 the token is not good, or the configuration can't be
used; 2 usage.";

#[derive(Debug, Args)]
#[command(about = ABOUT, after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// sha256: 256 random bits, cheap to check; pbkdf2: as Moose makes them
    #[arg(
        long,
        value_enum,
        value_name = "KIND",
        default_value_t = Kind::Sha256,
        hide_possible_values = true
    )]
    kind: Kind,

    /// Who sends with it; made of its hash if not said
    #[arg(long, value_parser = name)]
    name: Option<String>,

    /// Where it may send: a glob over <name>/<version>; several times for several
    #[arg(long, value_name = "GLOB", default_value = "*")]
    routes: Vec<String>,

    /// From then on it is refused, such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    expires: Option<String>,

    /// text for a person, json, toml
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value_t = Format::Text,
        hide_possible_values = true
    )]
    format: Format,

    /// Read a token from stdin, and say which key or issuer of the configuration is answerable for it
    #[arg(long, conflicts_with_all = ["kind", "name", "routes", "expires", "format"])]
    verify: bool,
}

/// How a token is hashed, which says what it looks like.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Sha256,
    Pbkdf2,
}

/// How a new token is told.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
    Toml,
}

/// A token, and the key that the configuration is to know.
struct New<'a> {
    token: String,
    hash: KeyHash,
    name: String,
    routes: &'a [String],
    expires: Option<&'a str>,
}

/// Makes a token, or looks at one with the keys of a configuration.
pub(super) fn run(config: &Path, arguments: &Arguments) -> ExitCode {
    if arguments.verify {
        return verify::run(config);
    }
    let Some((token, hash)) = new_token(arguments.kind) else {
        report("the system has no random numbers");
        return ExitCode::from(EXIT_CONFIGURATION);
    };
    let expires = arguments.expires.as_deref();
    let now = Timestamp::now().as_millisecond();
    if expires
        .and_then(ApiKey::expiry_ms)
        .is_some_and(|it| i128::from(it) <= i128::from(now))
    {
        report("warning: --expires is past: the key opens nothing");
    }
    let new = New {
        name: arguments.name.clone().unwrap_or_else(|| name_of(hash)),
        token,
        hash,
        routes: &arguments.routes,
        expires,
    };
    print(&match arguments.format {
        Format::Text => new.text(),
        Format::Json => new.json(),
        Format::Toml => new.toml(),
    })
}

/// A token that nobody can guess, and its hash; `None` where the system has no random numbers.
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

/// A name that no other key has.
fn name_of(hash: KeyHash) -> String {
    let hash = hash.to_string();
    let digits = hash.rsplit(':').next().unwrap_or_default();
    format!("key-{}", digits.get(..8).unwrap_or(digits))
}

impl New<'_> {
    fn text(&self) -> String {
        let Self { token, hash, .. } = self;
        let mut text = format!(
            "The token, which is shown this once:\n\n{token}\n\nIts hash is {hash}. For the \
             configuration:\n\n{}",
            self.table()
        );
        if matches!(hash, KeyHash::Pbkdf2(_)) {
            let _ = write!(
                text,
                "\nOr for the environment, where it is called moose, may send everywhere and never \
                 expires:\n\nMOOSE_INGEST_API_KEY={hash}\n"
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
        });
        format!("{json:#}\n")
    }

    /// What can be put at the end of a configuration, once its comment is gone.
    fn toml(&self) -> String {
        format!(
            "# The token, which is shown this once, is the sender's secret: don't keep this line.\n\
             # {}\n{}",
            self.token,
            self.table()
        )
    }

    /// The key as the configuration has it.
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
        table
    }
}

/// A name as the configuration takes it.
fn name(text: &str) -> Result<String, String> {
    if ApiKey::is_name(text) {
        return Ok(text.to_owned());
    }
    let max = ApiKey::NAME_BYTES_MAX;
    Err(format!(
        "a text of 1 to {max} bytes, without control characters"
    ))
}

/// A moment as the configuration takes it.
fn moment(text: &str) -> Result<String, String> {
    match ApiKey::expiry_ms(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(
            "a time with its distance from UTC, such as 2027-01-01T00:00:00Z (RFC 3339)".to_owned(),
        ),
    }
}
