//! The documentation's examples that need no process: configurations and models are loaded, tables
//! are compared with what they describe. How a block is marked: `tests/documentation/mod.rs`.
//! Console output is compared in `tests/server/cli/documentation.rs`.

mod links;
pub(crate) mod tables;

use std::{collections::BTreeSet, fs, path::Path};

use ringest::config::Config;
use tempfile::TempDir;

use super::examples::{Check, Example, examples, pages};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const BROKERS: &str = "\n[kafka]\n\"bootstrap.servers\" = \"localhost:9092\"\n";

const OPEN: &str = "\n[listen]\naddress = \"127.0.0.1:0\"\n[auth]\nmode = \"none\"\n";

const REGISTRY: &str = "\n[schema_registry]\nurl = \"https://registry.example.com\"\n";

/// A directory for a configuration and what it may name.
fn place() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::create_dir(directory.path().join("models")).expect("a directory");
    let key = Path::new(ROOT).join("tests/server/auth/keys/rsa-1.pub.pem");
    fs::copy(key, directory.path().join("jwt.pem")).expect("copied");
    for (from, to) in [
        ("server.pem", "tls.crt"),
        ("server.key", "tls.key"),
        ("chain.pem", "b.example.com.crt"),
        ("chain.key", "b.example.com.key"),
        ("ca.pem", "clients-ca.crt"),
        ("ca.pem", "ca.crt"),
        ("revoked.crl.pem", "clients.crl"),
    ] {
        let from = Path::new(ROOT).join("tests/support/tls").join(from);
        fs::copy(from, directory.path().join(to)).expect("copied");
    }
    for (name, secret) in [("password", "secret"), ("kafka", "token")] {
        fs::write(directory.path().join(name), secret).expect("written");
    }
    directory
}

/// Loads a configuration; what is wrong with it, warnings included.
fn load(directory: &TempDir, configuration: &str) -> Result<Config, String> {
    let file = directory.path().join("ringest.toml");
    let path = directory.path().to_str().expect("a plain name");
    let configuration = configuration
        .replace("/run/secrets/kafka", path)
        .replace("/var/run/secrets/tokens", path);
    fs::write(&file, configuration).expect("written");
    let config = Config::load(&file, std::iter::empty()).map_err(|it| it.to_string())?;
    if config.warnings.is_empty() {
        Ok(config)
    } else {
        Err(config.warnings.join("\n"))
    }
}

/// What is wrong with an example, if it is one of these.
fn check(example: &Example) -> Result<(), String> {
    let directory = place();
    let models = directory.path().join("models");
    let text = &example.text;
    let loaded = match &example.check {
        Check::Model => {
            fs::write(models.join("example.toml"), text).expect("written");
            load(&directory, &[OPEN, BROKERS, REGISTRY].concat())
        }
        Check::Configuration | Check::Fragment => {
            for file in fs::read_dir(Path::new(ROOT).join("config/models")).expect("samples") {
                let file = file.expect("a name");
                fs::copy(file.path(), models.join(file.file_name())).expect("copied");
            }
            let lacks = |section: &str| {
                example.check == Check::Fragment && !text.contains(&format!("[{section}"))
            };
            let brokers = if lacks("kafka]") { BROKERS } else { "" };
            let open = if lacks("auth") && !text.contains("[auth") {
                OPEN
            } else {
                ""
            };
            load(&directory, &[text, brokers, open].concat())
        }
        Check::File(_) | Check::Console { .. } | Check::Log | Check::DevOutput => return Ok(()),
        Check::None(reason) if reason.len() > 10 => return Ok(()),
        Check::None(_) => Err("a reason is missing".to_owned()),
    };
    loaded.map(|_| ())
}

#[test]
fn configurations_and_models_are_loaded() {
    let pages = pages();
    let examples: Vec<&Example> = pages.iter().flat_map(|page| &page.examples).collect();
    let errors = examples.iter().filter_map(|example| {
        let error = check(example).err()?;
        Some(format!("{}: {error}\n{}", example.place, example.text))
    });
    let errors: Vec<String> = errors.collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    let loaded = |it: &&&Example| {
        matches!(
            it.check,
            Check::Configuration | Check::Fragment | Check::Model
        )
    };
    assert!(
        examples.iter().filter(loaded).count() > 10,
        "are they found?"
    );
}

#[test]
fn models_of_the_clients_are_loaded() {
    let directory = place();
    let from = Path::new(ROOT).join("examples/opentelemetry/models");
    for file in fs::read_dir(from).expect("models") {
        let file = file.expect("a name");
        let to = directory.path().join("models").join(file.file_name());
        fs::copy(file.path(), to).expect("copied");
    }
    let config = load(&directory, &[OPEN, BROKERS].concat()).unwrap_or_else(|it| panic!("{it}"));
    let names = config.models.iter().map(|model| &*model.name);
    let names: BTreeSet<&str> = names.collect();
    assert_eq!(names, ["OtlpLogs", "OtlpMetrics", "OtlpTraces"].into());
}

#[test]
fn a_wrong_example_is_an_error() {
    for (marker, text) in [
        (
            "model",
            "name = \"A\"\nversion = \"1.0\"\n[fields]\na = \"Strng\"\n",
        ),
        ("model", "name = \"A\"\nversion = \"1.0\"\ntopik = \"a\"\n"),
        ("configuration", "models = \"models\"\n"),
        ("configuration fragment", "[limits]\nbody_bytes_max = 0\n"),
        (
            "configuration fragment",
            "[[auth.keys]]\nname = \"mobile\"\nhash = \"sha256:…\"\n",
        ),
    ] {
        let page = format!("<!-- example: {marker} -->\n```toml\n{text}```\n");
        let examples = examples("page.md", &page).unwrap_or_else(|errors| panic!("{errors:?}"));
        assert_eq!(examples.len(), 1);
        assert!(check(&examples[0]).is_err(), "{marker}: {text}");
    }
}

#[test]
fn a_block_that_is_not_marked_is_an_error() {
    for (page, expected) in [
        ("```toml\n```\n", "page.md:1: a block without a comment"),
        (
            "- a list\n  ```sh\n  ```\n",
            "page.md:2: a block without a comment",
        ),
        ("~~~\n~~~\n", "page.md:1: a block without a comment"),
        (
            "<!-- example: model -->\n\n```toml\n```\n",
            "page.md:2: a block is expected",
        ),
        (
            "<!-- example: model -->\n```json\n```\n",
            "page.md:2: ```json can't be Model",
        ),
        (
            "<!-- not checked: it is long -->\n```toml\n```\n",
            "page.md:2: ```toml can't be None",
        ),
        (
            "<!-- example: modell -->\n```toml\n```\n",
            "page.md:1: no such comment",
        ),
        (
            "<!-- example: model -->\n```toml\n",
            "page.md: ends within an example",
        ),
    ] {
        let errors = examples("page.md", page).err().unwrap_or_default();
        assert!(
            errors.first().is_some_and(|it| it.starts_with(expected)),
            "{page}: {errors:?}"
        );
    }
}
