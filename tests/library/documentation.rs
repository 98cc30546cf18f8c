//! The documentation's examples that need no process: configurations and models are loaded, tables
//! are compared with what they describe. How a block is marked: `tests/documentation/mod.rs`.
//! Console output is compared in `tests/server/cli/documentation.rs`.

use std::{collections::BTreeSet, fs, path::Path};

use ringest::config::Config;
use tempfile::TempDir;

use super::examples::{Check, Example, Page, examples, pages};

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
    directory
}

/// Loads a configuration; what is wrong with it, warnings included.
fn load(directory: &TempDir, configuration: &str) -> Result<Config, String> {
    let file = directory.path().join("ringest.toml");
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

/// The first two columns of tables, without backquotes, of rows whose first cell is code.
fn rows(page: &Page) -> Vec<(&str, &str)> {
    let cells = page.text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let (key, value) = (cells.next()?, cells.next()?);
        Some((key.strip_suffix('`')?, value.trim_matches('`')))
    });
    cells.collect()
}

fn page<'a>(pages: &'a [Page], name: &str) -> &'a Page {
    let page = pages.iter().find(|page| page.name == name);
    page.unwrap_or_else(|| panic!("no page {name}"))
}

/// Each key of the reference file, as `section.key`, with its default as the file has it.
fn reference() -> Vec<(String, String)> {
    let file = fs::read_to_string(Path::new(ROOT).join("config/ringest.toml")).expect("the file");
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in file.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_matches(['[', ']']).to_owned() + ".";
            continue;
        }
        let Some((key, rest)) = line.split_once(" = ") else {
            continue;
        };
        if key.is_empty() || !key.bytes().all(|it| it.is_ascii_lowercase() || it == b'_') {
            continue;
        }
        let (value, comment) = rest.split_once('#').unwrap_or((rest, ""));
        let default = match comment.trim() {
            "required" => "required",
            comment => comment.strip_prefix("default: ").unwrap_or(value.trim()),
        };
        let example_only = comment.starts_with(" such as") || comment.starts_with(" better");
        let default = if example_only { value.trim() } else { default };
        keys.push((format!("{section}{key}"), default.to_owned()));
    }
    keys
}

#[test]
fn the_table_of_keys_is_that_of_the_reference() {
    let pages = pages();
    let documented = rows(page(&pages, "docs/configuration.md"));
    let reference = reference();
    assert!(reference.len() > 30, "{reference:?}");
    for (key, default) in &reference {
        let found: Vec<_> = documented.iter().filter(|(name, _)| name == key).collect();
        assert!(
            matches!(found[..], [(_, documented)] if documented == default),
            "{key} = {default} in config/ringest.toml, {found:?} in docs/configuration.md"
        );
    }
    let file = fs::read_to_string(Path::new(ROOT).join("config/ringest.toml")).expect("the file");
    for (key, _) in &documented {
        let is_property = file.contains(&format!("\"{key}\" = "));
        let is_known = reference.iter().any(|(name, _)| name == key);
        assert!(is_known || is_property, "{key}: no such key");
    }
}

/// The fragments that GitHub makes of headings.
fn anchors(page: &Page) -> BTreeSet<String> {
    let headings = page.text.lines().filter(|line| line.starts_with('#'));
    let anchors = headings.map(|line| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = text
            .chars()
            .filter(|it| it.is_alphanumeric() || " -_".contains(*it));
        kept.map(|it| if it == ' ' { '-' } else { it }).collect()
    });
    anchors.collect()
}

#[test]
fn links_lead_somewhere() {
    let pages = pages();
    let mut links = 0;
    for page in &pages {
        let directory = Path::new(&page.name).parent().expect("a file");
        for link in page
            .text
            .split("](")
            .skip(1)
            .filter_map(|it| it.split(')').next())
        {
            if link.starts_with("https://") {
                continue;
            }
            links += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = if path.is_empty() {
                Path::new(&page.name).to_owned()
            } else {
                directory.join(path)
            };
            let target = Path::new(ROOT).join(&path);
            assert!(target.exists(), "{}: {link}: no such file", page.name);
            if !anchor.is_empty() {
                let target = fs::canonicalize(target).expect("it exists");
                let same = |it: &&Page| {
                    fs::canonicalize(Path::new(ROOT).join(&it.name)).is_ok_and(|it| it == target)
                };
                let target = pages.iter().find(same).expect("a page");
                assert!(
                    anchors(target).contains(anchor),
                    "{}: {link}: no such heading",
                    page.name
                );
            }
        }
    }
    assert!(links > 20, "are they found?");
}
