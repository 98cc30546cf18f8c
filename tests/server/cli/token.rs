//! `ringest token`, and `ringest token --verify`.

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Output, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{command, ringest, stderr, stdout};
use crate::support::{process::without_forks, server::Server};

/// A token as Moose makes them, with its hash by Python's
/// `hashlib.pbkdf2_hmac("sha256", b"0f1e…e1f0", b"0011…eeff", 1000, 20)`.
const MOOSE_TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0.00112233445566778899aabbccddeeff";
const MOOSE_HASH: &str = "ac0c9d4a1ffec86cd8529d6b1d6c0c5fd33cbe87";

const SECRET: &[u8] = b"thirty-two bytes are enough for it";

/// A configuration with two models, and what `[auth]` holds.
struct Place(TempDir);

impl Place {
    fn new(auth: &str) -> Self {
        let place = Self(tempfile::tempdir().expect("a directory"));
        let text = format!(
            "[kafka]\n\"bootstrap.servers\" = \"localhost:9092\"\n[listen]\naddress = \
             \"127.0.0.1:0\"\n{auth}"
        );
        fs::write(place.file(), text).expect("written");
        fs::create_dir(place.0.path().join("models")).expect("a directory");
        for name in ["Order", "Visit"] {
            let model = format!("name = \"{name}\"\nversion = \"1.0\"\n");
            let file = place.0.path().join("models").join(format!("{name}.toml"));
            fs::write(file, model).expect("written");
        }
        place
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("ringest.toml")
    }

    /// The exit code and what is said of a token.
    fn outcome(&self, token: &str, environment: &[(&str, &str)]) -> (Option<i32>, String) {
        let output = self.verify(token, environment);
        (output.status.code(), stdout(&output).to_owned())
    }

    fn verify(&self, token: &str, environment: &[(&str, &str)]) -> Output {
        let mut command = command(&["token", "--verify", "--config"]);
        command
            .arg(self.file())
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = without_forks(|| command.spawn()).expect("ringest runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(token.as_bytes()).expect("written");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        for text in [stdout(&output), stderr(&output)] {
            assert!(token.len() < 20 || !text.contains(token.trim()), "{text}");
        }
        output
    }
}

/// What a run prints, which must be good.
fn printed(arguments: &[&str]) -> String {
    let output = ringest(&[&["token"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "", "no token is ever logged");
    stdout(&output).to_owned()
}

/// A JWT of `SECRET`'s issuer.
fn signed(claims: &Value) -> String {
    let part = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let text = format!("{}.{}", part(&json!({"alg": "HS256"})), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let signature = hmac::sign(&key, text.as_bytes());
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

fn is_hex(text: &str, digits: usize) -> bool {
    let is_digit = |it: u8| it.is_ascii_digit() || (b'a'..=b'f').contains(&it);
    text.len() == digits && text.bytes().all(is_digit)
}

#[test]
fn a_token_has_the_shape_of_its_kind() {
    let new = |arguments: &[&str]| {
        let json: Value = serde_json::from_str(&printed(arguments)).expect("JSON");
        let text = |name: &str| json[name].as_str().expect(name).to_owned();
        (text("token"), text("hash"), text("name"), json)
    };
    let (token, hash, name, json) = new(&["--format", "json"]);
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).expect("base64url");
    assert_eq!(bytes.len(), 32, "256 bits");
    let digits = hash.strip_prefix("sha256:").expect("a prefix");
    assert!(is_hex(digits, 64), "{hash}");
    assert_eq!(name, format!("key-{}", &digits[..8]));
    assert_eq!(json["routes"], json!(["*"]));
    assert_eq!(json["expires"], Value::Null);
    assert_eq!(json["origins"], json!([]));
    assert_eq!(json.as_object().map(serde_json::Map::len), Some(6));
    let (another, ..) = new(&["--format", "json", "--kind", "sha256"]);
    assert_ne!(token, another);

    let (token, hash, _, _) = new(&["--format", "json", "--kind", "pbkdf2"]);
    let (password, salt) = token.split_once('.').expect("two parts");
    assert!(is_hex(password, 32) && is_hex(salt, 32), "{token}");
    assert_ne!(password, salt);
    assert!(is_hex(&hash, 40), "{hash}");

    let (_, _, name, json) = new(&[
        "--format=json",
        "--name=the shop's \"till\"",
        "--routes=Order/*",
        "--routes=Visit/1.?",
        "--expires=2199-01-01T00:00:00Z",
    ]);
    assert_eq!(name, "the shop's \"till\"");
    assert_eq!(json["routes"], json!(["Order/*", "Visit/1.?"]));
    assert_eq!(json["expires"], "2199-01-01T00:00:00Z");
}

#[test]
fn a_key_for_pages_names_their_origins() {
    let origins = ["https://app.example.com", "https://*.example.org"];
    let arguments = origins.map(|origin| format!("--origins={origin}"));
    let text = printed(&["--format=toml", "--name=web", &arguments[0], &arguments[1]]);
    let token = text.lines().nth(1).expect("the second");
    let token = token.strip_prefix("# ").expect("a comment");
    let (code, said) = Place::new(&text).outcome(token, &[]);
    assert_eq!(code, Some(0), "{said}");
    let pages = "pages: https://app.example.com, https://*.example.org\n";
    assert!(said.ends_with(pages), "{said}");
    for (arguments, why) in [
        (&["--origins=https://a.example/"][..], "no slash at its end"),
        (&["--origins=*"], "certain origins"),
        (&["--origins=https://a.example", "--kind=pbkdf2"], "public"),
    ] {
        let output = ringest(&[&["token"], arguments].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    }
}

#[test]
fn the_lines_of_a_token_are_what_its_configuration_needs() {
    for (kind, format) in [
        ("sha256", "text"),
        ("sha256", "toml"),
        ("pbkdf2", "text"),
        ("pbkdf2", "toml"),
    ] {
        let name = r#"a "quoted" \ name's"#;
        let text = printed(&[
            "--kind",
            kind,
            "--format",
            format,
            "--name",
            name,
            "--routes",
            "order/*",
            "--expires",
            "2199-01-01T01:00:00+01:00",
        ]);
        let token = match format {
            "toml" => {
                let parsed: toml::Table = text.parse().expect("a fragment");
                assert_eq!(parsed.len(), 1);
                let line = text.lines().nth(1).expect("the second");
                line.strip_prefix("# ").expect("a comment").to_owned()
            }
            _ => text.lines().nth(2).expect("the third").to_owned(),
        };
        assert_eq!(text.matches(&token).count(), 1, "once");
        let lines = text.lines().skip_while(|line| *line != "[[auth.keys]]");
        let lines: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        let place = Place::new(&lines.join("\n"));
        let check = ringest(&["--check", "--config", &place.file().display().to_string()]);
        assert_eq!(check.status.code(), Some(0), "{}", stderr(&check));
        assert_eq!(stderr(&check), "");
        let good =
            format!("valid: API key {name:?}\nroutes: Order/1.0\nexpires: 2199-01-01T00:00:00Z\n");
        for line_end in ["", "\n", "\r\n"] {
            let outcome = place.outcome(&format!("{token}{line_end}"), &[]);
            assert_eq!(outcome, (Some(0), good.clone()));
        }
        for other in [
            format!("{token}\n\n"),
            format!(" {token}"),
            token[1..].to_owned(),
        ] {
            assert_eq!(place.outcome(&other, &[]).0, Some(1), "{other:?}");
        }
        let moose = text
            .lines()
            .find_map(|it| it.strip_prefix("MOOSE_INGEST_API_KEY="));
        assert_eq!(moose.is_some(), (kind, format) == ("pbkdf2", "text"));
        if let Some(hash) = moose {
            let outcome = Place::new("").outcome(&token, &[("MOOSE_INGEST_API_KEY", hash)]);
            assert_eq!(
                outcome,
                (
                    Some(0),
                    "valid: API key \"moose\"\nroutes: all\nexpires: never\n".to_owned()
                )
            );
        }
    }
}

#[test]
fn mooses_tokens_are_known_by_mooses_hash() {
    let variable = [("MOOSE_INGEST_API_KEY", MOOSE_HASH)];
    let place = Place::new("");
    let (code, said) = place.outcome(MOOSE_TOKEN, &variable);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("valid: API key \"moose\"\n"), "{said}");
    let other = MOOSE_TOKEN.replace("0f1e", "0f1f");
    assert_eq!(
        place.outcome(&other, &variable),
        (
            Some(1),
            "rejected: unknown_key: no configured API key has the hash of this token\n".to_owned()
        )
    );
}

#[test]
fn a_rejected_token_is_explained_to_the_operator() {
    let place = Place::new(&format!(
        "[[auth.keys]]\nname = \"old\"\nhash = \"{MOOSE_HASH}\"\nexpires = 2001-01-01T00:00:00Z\n"
    ));
    assert_eq!(
        place.outcome(MOOSE_TOKEN, &[]),
        (
            Some(1),
            "rejected: key_expired: the API key has expired\nAPI key \"old\" expired at \
             2001-01-01T00:00:00Z\n"
                .to_owned()
        )
    );
    for token in ["", "\n", "x", "a b", &"x".repeat(100_000)] {
        let (code, said) = place.outcome(token, &[]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.starts_with("rejected: malformed: "), "{said}");
    }
    let open = Place::new("[auth]\nmode = \"none\"\n");
    let output = open.verify(MOOSE_TOKEN, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "warning: auth.mode is \"none\": the server does not check tokens\n"
    );
    let invalid = Place::new("[[auth.keys]]\nname = \"a\"\nhash = \"\"\n");
    let output = invalid.verify(MOOSE_TOKEN, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert!(
        stderr(&output).contains("auth.keys[0].hash: "),
        "{}",
        stderr(&output)
    );
}

#[test]
fn tokens_of_issuers() {
    let place = Place::new(
        "[[auth.jwt]]\nissuer = \"https://id.example.com\"\naudience = \"ingest\"\n\
         algorithms = [\"HS256\"]\nsecret_file = \"secret\"\nroutes_claim = \"routes\"\n",
    );
    fs::write(place.0.path().join("secret"), SECRET).expect("written");
    let until = now() + 600;
    let claims = |changes: &Value| {
        let mut claims = json!({
            "iss": "https://id.example.com",
            "aud": "ingest",
            "exp": until,
            "sub": "till 3",
            "routes": "Visit/*",
        });
        let all = claims.as_object_mut().expect("an object");
        all.extend(changes.as_object().expect("an object").clone());
        signed(&claims)
    };
    let (code, said) = place.outcome(&claims(&json!({})), &[]);
    assert_eq!(code, Some(0), "{said}");
    let start = "valid: JWT of issuer \"https://id.example.com\", subject \"till 3\"\nroutes: \
                 Visit/1.0\nexpires: ";
    assert!(said.starts_with(start), "{said}");
    let (code, said) = place.outcome(&claims(&json!({"routes": "Nothing/*"})), &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("routes: none\n"), "{said}");

    for (changes, refusal) in [
        (json!({"exp": now() - 1}), "expired: the token has expired"),
        (
            json!({"nbf": until}),
            "not_yet_valid: the token is not valid yet",
        ),
        (
            json!({"aud": "other"}),
            "audience: the audience is not the configured one",
        ),
        (
            json!({"iss": "other"}),
            "issuer: the issuer is not configured",
        ),
    ] {
        let outcome = place.outcome(&claims(&changes), &[]);
        assert_eq!(outcome, (Some(1), format!("rejected: {refusal}\n")));
    }
    let good = claims(&json!({}));
    let (text, _) = good.rsplit_once('.').expect("a signature");
    let forged = format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode([0; 32]));
    let (code, said) = place.outcome(&forged, &[]);
    assert_eq!(code, Some(1));
    assert!(said.starts_with("rejected: signature: "), "{said}");
}

#[test]
fn keys_at_a_url_are_fetched_where_the_token_needs_them() {
    let set = json!({"keys": [{"kty": "oct", "k": BASE64_URL_SAFE_NO_PAD.encode(SECRET)}]});
    let good = Server::start(move |_| (200, set.to_string()));
    let gone = Server::start(|_| (404, String::new()));
    let issuer = |name: &str, url: &str| {
        format!(
            "[[auth.jwt]]\nissuer = \"{name}\"\naudience = \"ingest\"\nalgorithms = [\"HS256\"]\n\
             jwks_url = \"{url}\"\n"
        )
    };
    let place = Place::new(&format!(
        "{}{}",
        issuer("good", &good.url),
        issuer("gone", &gone.url)
    ));
    let token = |issuer: &str| signed(&json!({"iss": issuer, "aud": "ingest", "exp": now() + 600}));
    let (code, said) = place.outcome(&token("good"), &[]);
    assert_eq!(code, Some(0), "{said}");
    let start = "valid: JWT of issuer \"good\"\nroutes: all\nexpires: ";
    assert!(said.starts_with(start), "{said}");
    assert_eq!((good.requests().len(), gone.requests().len()), (1, 0));

    let output = place.verify(&token("gone"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), format!("{}: HTTP status 404\n", gone.url));
    assert_eq!(
        stdout(&output),
        "rejected: keys_unavailable: the issuer's keys can't be fetched\n"
    );
    place.outcome(&token("other"), &[]);
    assert_eq!((good.requests().len(), gone.requests().len()), (1, 1));
}

#[test]
fn invalid_attributes_of_a_key_are_usage_errors() {
    for arguments in [
        &["--kind", "md5"][..],
        &["--name", ""],
        &["--name", "a\nb"],
        &["--expires", "tomorrow"],
        &["--expires", "2027-01-01T00:00:00"],
        &["--format", "yaml"],
        &["--verify", "--kind", "sha256"],
        &["--verify", "--name", "a"],
        &["--verify", "--format", "json"],
        &["surplus"],
    ] {
        let output = ringest(&[&["token"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
    let output = ringest(&["token", "--expires", "2001-01-01T00:00:00Z"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        stderr(&output),
        "warning: --expires is in the past: the key will be rejected\n"
    );
}
