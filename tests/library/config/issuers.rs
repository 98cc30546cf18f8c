//! `[auth.jwt]`, or several `[[auth.jwt]]`.

use std::{fs, time::Duration};

use jsonwebtoken::Algorithm;
use ringest::{
    auth::{Issuer, JwksUrl, KeySource},
    config::Config,
};
use serde_json::json;

use super::{LEAST, Place, errors, good};

/// A good issuer.
const ISSUER: &str = "\
issuer = \"https://id.example.com\"
audience = \"ingest\"
algorithms = [\"RS256\", \"EdDSA\"]
jwks_url = \"https://id.example.com/jwks.json\"
";

/// A configuration where `more` is in `[auth]`.
fn with(more: &str) -> String {
    LEAST.replace("mode = \"none\"\n", more)
}

/// One with this only issuer.
fn only(issuer: &str) -> String {
    with(&format!("[auth.jwt]\n{issuer}"))
}

/// [`ISSUER`] with another line for the one that starts as it does.
fn changed(line: &str) -> String {
    let name = line.split(" = ").next().expect("a name");
    let others = ISSUER.split_inclusive('\n');
    let others: String = others.filter(|it| !it.starts_with(name)).collect();
    only(&format!("{others}{line}\n"))
}

fn first(config: &Config) -> &Issuer {
    &config.auth.issuers[0]
}

#[test]
fn an_issuer_has_defaults() {
    let config = good(&only(ISSUER), &[]);
    assert_eq!(config.auth.issuers.len(), 1);
    let issuer = first(&config);
    assert_eq!(&*issuer.issuer, "https://id.example.com");
    assert_eq!(&*issuer.audience, "ingest");
    assert_eq!(issuer.algorithms, [Algorithm::RS256, Algorithm::EdDSA]);
    assert_eq!(issuer.leeway_ms, 0);
    assert_eq!(issuer.routes_claim, None);
    assert_eq!(issuer.required_claims, []);
    assert_eq!(issuer.subject_header, None);
    let KeySource::Url(url) = &issuer.keys else {
        panic!("keys at a URL")
    };
    let expected = JwksUrl {
        url: "https://id.example.com/jwks.json".to_owned(),
        refresh: Duration::from_mins(5),
        stale_max: None,
    };
    assert_eq!(*url, expected);
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn everything_that_an_issuer_can_have() {
    let more = "\
jwks_refresh_ms = 1_000
jwks_stale_max_ms = 3_600_000
leeway_ms = 60_000
routes_claim = \"scope\"
subject_header = \"sender\"
[auth.jwt.required_claims]
tenant = \"acme\"
level = 3
share = 0.5
staff = true
";
    let config = good(&only(&format!("{ISSUER}{more}")), &[]);
    let issuer = first(&config);
    assert_eq!(issuer.leeway_ms, 60_000);
    assert_eq!(issuer.routes_claim.as_deref(), Some("scope"));
    assert_eq!(issuer.subject_header.as_deref(), Some("sender"));
    let claims = [
        ("level", json!(3)),
        ("share", json!(0.5)),
        ("staff", json!(true)),
        ("tenant", json!("acme")),
    ];
    let claims = claims.map(|(name, value)| (name.into(), value));
    assert_eq!(issuer.required_claims, claims);
    let KeySource::Url(url) = &issuer.keys else {
        panic!("keys at a URL")
    };
    assert_eq!(url.refresh, Duration::from_secs(1));
    assert_eq!(url.stale_max, Some(Duration::from_hours(1)));
}

#[test]
fn every_algorithm_is_known_by_its_name() {
    use Algorithm::{
        ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512,
    };
    let all = [
        RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384, HS512,
    ];
    let names = all.map(|it| format!("{it:?}"));
    let config = good(&changed(&format!("algorithms = {names:?}")), &[]);
    assert_eq!(first(&config).algorithms, all);
    for name in names {
        let config = good(&changed(&format!("algorithms = [{name:?}]")), &[]);
        assert_eq!(
            format!("{:?}", first(&config).algorithms),
            format!("[{name}]")
        );
    }
}

#[test]
fn the_environment_sets_the_only_issuer() {
    let variables = [
        ("RINGEST_AUTH__JWT__ISSUER", "other"),
        ("RINGEST_AUTH__JWT__AUDIENCE", "us"),
        ("RINGEST_AUTH__JWT__ALGORITHMS", "ES256, ES384"),
        ("RINGEST_AUTH__JWT__JWKS_URL", "http://localhost:1/k"),
        ("RINGEST_AUTH__JWT__LEEWAY_MS", "5"),
        (
            "RINGEST_AUTH__JWT__REQUIRED_CLAIMS",
            "{ tenant = \"acme\" }",
        ),
    ];
    let array = format!("[[auth.jwt]]\n{ISSUER}");
    for file in [with(""), only(ISSUER), with(&array)] {
        let config = good(&file, &variables);
        assert_eq!(config.auth.issuers.len(), 1);
        let issuer = first(&config);
        assert_eq!((&*issuer.issuer, &*issuer.audience), ("other", "us"));
        assert_eq!(issuer.algorithms, [Algorithm::ES256, Algorithm::ES384]);
        assert_eq!(issuer.leeway_ms, 5);
        assert_eq!(issuer.required_claims, [("tenant".into(), json!("acme"))]);
        assert!(matches!(&issuer.keys, KeySource::Url(url) if url.url == "http://localhost:1/k"));
    }
    let toml = ("RINGEST_AUTH__JWT__ALGORITHMS", "[\"PS256\"]");
    assert_eq!(
        first(&good(&only(ISSUER), &[toml])).algorithms,
        [Algorithm::PS256]
    );

    let several = with(&format!("{array}{}", array.replace("id.", "two.")));
    let config = good(&several, &[]);
    let issuers = config.auth.issuers.iter().map(|it| it.issuer.to_string());
    assert_eq!(
        issuers.collect::<Vec<_>>(),
        ["https://id.example.com", "https://two.example.com"]
    );
    assert_eq!(
        Place::new(&several).errors(&variables[..1]),
        [
            "environment variable RINGEST_AUTH__JWT__ISSUER: auth.jwt.issuer: ambiguous, as \
             there are several [[auth.jwt]]: set it in the file"
        ]
    );
    let all = format!("[{{ {} }}]", ISSUER.trim().replace('\n', ", "));
    let config = good(&several, &[("RINGEST_AUTH__JWT", &all)]);
    assert_eq!(config.auth.issuers.len(), 1);
    assert_eq!(
        Place::new(&several).errors(&[("RINGEST_AUTH__JWT", &all), variables[0]]),
        [
            "environment variable RINGEST_AUTH__JWT__ISSUER: auth.jwt.issuer: set twice: also at \
             environment variable RINGEST_AUTH__JWT"
        ]
    );
}

#[test]
fn urls_of_keys() {
    for url in [
        "https://id.example.com",
        "https://id.example.com:8443/a/b?tenant=x",
        "HTTPS://id.example.com/@x",
        "https://192.0.2.1/k",
        "http://127.0.0.1:1/k",
        "http://127.8.8.8/k",
        "http://[::1]:1/k",
        "http://localhost/k",
        "http://LOCALHOST/k",
    ] {
        let config = good(&changed(&format!("jwks_url = {url:?}")), &[]);
        assert!(matches!(&first(&config).keys, KeySource::Url(it) if it.url == url));
    }
    for url in [
        "http://id.example.com/k",
        "http://192.0.2.1/k",
        "http://127.0.0.1.example.com/k",
        "http://localhost.example.com/k",
        "http://[::ffff:127.0.0.1]/k",
        "http://0.0.0.0/k",
        "https://",
        "https:///k",
        "https://id.example.com/k#x",
        "file:///etc/jwks.json",
        "ftp://localhost/k",
        "id.example.com/k",
        "//id.example.com/k",
        "jwks.json",
    ] {
        assert_eq!(
            errors(&changed(&format!("jwks_url = {url:?}"))),
            [format!(
                "ringest.toml:8: auth.jwt.jwks_url: {url:?} is not allowed: an https URL such as \
                 \"https://id.example.com/jwks.json\"; http to a loopback address only"
            )]
        );
    }
    for url in [
        "https://me:s3cret@id.example.com/k",
        "http://s3cret@127.0.0.1/k",
        "s3cret@x y",
    ] {
        let errors = errors(&changed(&format!("jwks_url = {url:?}")));
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(!errors[0].contains("s3cret"), "{errors:?}");
    }
}

#[test]
fn everything_wrong_with_one_line() {
    let algorithms = "an array of one or more of RS256, RS384, RS512, PS256, PS384, PS512, ES256, \
                      ES384, EdDSA, HS256, HS384, HS512";
    let claims = "a table of claims and the string, number or boolean that each must equal, such \
        as \
                  { tenant = \"acme\" }";
    for (line, told) in [
        ("issuer = \"\"", "issuer: \"\" is not allowed: the `iss` of the tokens".to_owned()),
        ("issuer = 5", "issuer: 5 is not allowed: the `iss` of the tokens".to_owned()),
        (
            "audience = [\"a\"]",
            "audience: [\"a\"] is not allowed: the audience that the `aud` of the tokens must \
             contain".to_owned(),
        ),
        ("algorithms = []", format!("algorithms: [] is not allowed: {algorithms}")),
        ("algorithms = \"RS256\"", format!("algorithms: \"RS256\" is not allowed: {algorithms}")),
        ("algorithms = [5]", format!("algorithms: [5] is not allowed: {algorithms}")),
        (
            "algorithms = [\"RS256\", \"none\"]",
            format!("algorithms: \"none\" is not allowed: {algorithms}"),
        ),
        ("algorithms = [\"rs256\"]", format!("algorithms: \"rs256\" is not allowed: {algorithms}")),
        ("algorithms = [\"ES512\"]", format!("algorithms: \"ES512\" is not allowed: {algorithms}")),
        (
            "algorithms = [\"RS256\", \"RS256\"]",
            "algorithms: duplicate \"RS256\"".to_owned(),
        ),
        (
            "leeway_ms = 60_001",
            "leeway_ms: 60_001 is not allowed: a whole number from 0 to 60_000".to_owned(),
        ),
        (
            "jwks_refresh_ms = 999",
            "jwks_refresh_ms: 999 is not allowed: a whole number from 1_000 to 86_400_000".to_owned(),
        ),
        (
            "routes_claim = 5",
            "routes_claim: 5 is not allowed: the name of a claim, or \"\" for none".to_owned(),
        ),
        ("required_claims = 5", format!("required_claims: 5 is not allowed: {claims}")),
        (
            "required_claims = { a = [] }",
            format!("required_claims: {{ a = [] }} is not allowed: {claims}"),
        ),
        (
            "required_claims = { a = inf }",
            format!("required_claims: {{ a = inf }} is not allowed: {claims}"),
        ),
        (
            "subject_header = 5",
            "subject_header: 5 is not allowed: the name of a Kafka header, of at most 255 bytes, or \
             \"\" for none"
                .to_owned(),
        ),
        (
            "public_key_file = \"a.pem\"",
            "jwks_url: not allowed together with public_key_file: an issuer has one key \
             source".to_owned(),
        ),
        (
            "secret_file = \"a\"",
            "secret_file: not allowed together with jwks_url: an issuer has one key \
             source".to_owned(),
        ),
        ("jwks_url = 5", "jwks_url: 5 is not allowed: a URL, or \"\" for none".to_owned()),
        ("leeway = 5", "leeway: unknown key; did you mean \"leeway_ms\"?".to_owned()),
    ] {
        let errors = errors(&changed(line));
        assert_eq!(errors.len(), 1, "{line}: {errors:#?}");
        let (place, error) = errors[0].split_once(": auth.jwt.").expect(line);
        assert_eq!(error, told);
        let number: usize = place.rsplit(':').next().and_then(|it| it.parse().ok()).expect(line);
        let text = changed(line);
        let name = error.split(':').next().expect(line);
        assert!(text.lines().nth(number - 1).expect(line).starts_with(name), "{errors:?}");
    }
    let header = format!("subject_header = \"{}\"", "x".repeat(256));
    assert_eq!(errors(&changed(&header)).len(), 1);
    good(&changed(&header.replacen('x', "", 1)), &[]);
}

#[test]
fn what_is_missing_or_there_twice() {
    assert_eq!(
        errors(&only("leeway_ms = 1\n")),
        [
            "ringest.toml:4: auth.jwt.issuer: missing: the `iss` of the tokens".to_owned(),
            "ringest.toml:4: auth.jwt.audience: missing: the audience that the `aud` of the \
             tokens must contain".to_owned(),
            "ringest.toml:4: auth.jwt.algorithms: missing: an array of one or more of RS256, RS384, \
             RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384, HS512"
                .to_owned(),
            "ringest.toml:4: auth.jwt: no key source: set one of public_key_file, jwks_file, \
             jwks_url, secret_file"
                .to_owned(),
        ]
    );
    assert_eq!(
        errors(&changed("jwks_url = \"\"")).len(),
        1,
        "an empty one is none"
    );
    let array = format!("[[auth.jwt]]\n{ISSUER}");
    assert_eq!(
        errors(&with(&format!("{array}{array}"))),
        ["ringest.toml:10: auth.jwt[1].issuer: the same as auth.jwt[0].issuer at ringest.toml:5"]
    );
    // Whatever is wrong with one line, the others are looked at.
    let both = changed("jwks_url = \"http://192.0.2.1/k\"").replace("RS256", "none");
    assert_eq!(errors(&both).len(), 2);
    // A faulty one counts, too.
    let faulty = array.replace("RS256", "none");
    assert_eq!(errors(&with(&format!("{faulty}{array}"))).len(), 2);
}

#[test]
fn files_that_cannot_hold_the_keys() {
    let place = |lines: &str| {
        let issuer = format!("issuer = \"i\"\naudience = \"a\"\n{lines}");
        let place = Place::new(&only(&issuer));
        fs::write(
            place.directory.path().join("long"),
            vec![b' '; (1 << 20) + 1],
        )
        .expect("written");
        let directory = place.directory.path().display().to_string();
        (place, directory)
    };
    for (lines, told) in [
        (
            "algorithms = [\"RS256\", \"HS256\"]\npublic_key_file = \"long\"\n",
            &[
                "7: auth.jwt.algorithms: \"HS256\" is not allowed with public_key_file: it needs a secret",
                "8: auth.jwt.public_key_file: long is longer than 1048576 bytes",
            ][..],
        ),
        (
            "algorithms = [\"HS256\", \"ES256\"]\nsecret_file = \"s3cret\"\n",
            &[
                "7: auth.jwt.algorithms: \"ES256\" is not allowed with secret_file: it needs a public key",
                "8: auth.jwt.secret_file: the file can't be read: No such file or directory (os error 2)",
            ],
        ),
        (
            "algorithms = [\"RS256\"]\njwks_file = \"nowhere\"\n",
            &[
                "8: auth.jwt.jwks_file: nowhere can't be read: No such file or directory (os error 2)",
            ],
        ),
        (
            "algorithms = [\"RS256\"]\njwks_file = \"models\"\njwks_refresh_ms = 5_000\n",
            &[
                "8: auth.jwt.jwks_file: models is not a regular file",
                "9: auth.jwt.jwks_refresh_ms: has no effect without jwks_url",
            ],
        ),
    ] {
        let (place, directory) = place(lines);
        let told: Vec<_> = told.iter().map(|it| format!("ringest.toml:{it}")).collect();
        let errors = place.errors(&[]);
        assert_eq!(errors, told);
        assert!(!errors.concat().contains(&directory), "{errors:#?}");
    }
}

/// A public key, and a set of it with one that is not for signatures.
const PEM: &str = include_str!("../crypto/keys/p256.spki.pem");
const SECRET: &str = "thirty-two bytes are enough for it\n";

/// A place with those files, and a configuration of an issuer for each kind.
fn with_files() -> Place {
    let issuer = |name: &str, algorithms: &str, keys: &str| {
        format!(
            "[[auth.jwt]]\nissuer = \"{name}\"\naudience = \"a\"\nalgorithms = [{algorithms}]\n{keys}\n"
        )
    };
    let place = Place::new(&with(
        &[
            issuer(
                "pem",
                "\"ES256\", \"RS256\"",
                "public_key_file = \"keys/p256.pem\"",
            ),
            issuer("jwks", "\"EdDSA\"", "jwks_file = \"keys/set.json\""),
            issuer("secret", "\"HS256\"", "secret_file = \"keys/secret\""),
        ]
        .concat(),
    ));
    let keys = place.directory.path().join("keys");
    fs::create_dir(&keys).expect("a directory");
    let set = json!({"keys": [
        // RFC 8037, appendix A.2
        {"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty": "OKP", "crv": "Ed25519", "kid": "b", "use": "enc", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    ]});
    for (name, text) in [
        ("p256.pem", PEM),
        ("set.json", &set.to_string()),
        ("secret", SECRET),
    ] {
        fs::write(keys.join(name), text).expect("written");
    }
    place
}

#[test]
fn files_of_keys_are_read_beside_the_configuration() {
    let place = with_files();
    let config = place.load(&[]).expect("it is good");
    for issuer in &config.auth.issuers {
        let KeySource::File(keys) = &issuer.keys else {
            panic!("{}: keys of a file", issuer.issuer)
        };
        assert_eq!(keys.len(), 1, "{}", issuer.issuer);
    }
    let directory = place.directory.path().join("keys");
    let files = ["p256.pem", "set.json", "secret"].map(|it| directory.join(it));
    assert_eq!(config.auth.key_files, files);
    let [warning] = &config.warnings[..] else {
        panic!("{:?}", config.warnings)
    };
    let (file, set) = (place.file(), directory.join("set.json"));
    let start = format!(
        "{}:13: auth.jwt[1].jwks_file: {}: keys[1] (kid \"b\")",
        file.display(),
        set.display()
    );
    assert!(warning.starts_with(&start), "{warning}");
}

#[test]
fn keys_that_must_not_be_used_are_told_with_their_file() {
    let place = with_files();
    let keys = place.directory.path().join("keys");
    fs::write(
        keys.join("p256.pem"),
        include_str!("../crypto/keys/p256.key"),
    )
    .expect("written");
    fs::write(keys.join("set.json"), "{}").expect("written");
    fs::write(keys.join("secret"), "s3cret").expect("written");
    let errors = place.errors(&[]);
    let starts = [
        "ringest.toml:8: auth.jwt[0].public_key_file: keys/p256.pem: a private key",
        "ringest.toml:13: auth.jwt[1].jwks_file: keys/set.json: not a JWK set",
        "ringest.toml:18: auth.jwt[2].secret_file: keys/secret: ",
    ];
    assert_eq!(errors.len(), starts.len(), "{errors:#?}");
    for (error, start) in errors.iter().zip(starts) {
        assert!(error.starts_with(start), "{error}");
    }
    assert!(!errors.concat().contains("s3cret"), "{errors:#?}");
}
