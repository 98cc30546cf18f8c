//! Tables of the documentation that list what the code has: keys and codes.

use std::{fs, path::Path};

use ringest::{outcome::TABLE, validate::ErrorCode};

use super::{
    super::examples::{Page, pages},
    ROOT,
};

/// The first two columns of tables, without backquotes, of rows whose first cell is code.
fn rows(page: &Page) -> Vec<(&str, &str)> {
    let cells = page.text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let (key, value) = (cells.next()?, cells.next()?);
        Some((key.strip_suffix('`')?, value.trim_matches('`')))
    });
    cells.collect()
}

pub(crate) fn page<'a>(pages: &'a [Page], name: &str) -> &'a Page {
    let page = pages.iter().find(|page| page.name == name);
    page.unwrap_or_else(|| panic!("no page {name}"))
}

/// Each key of the reference file, as `section.key`, with its default as the file has it.
pub(crate) fn reference() -> Vec<(String, String)> {
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

#[test]
fn every_code_has_its_row_with_its_status() {
    let pages = pages();
    let page = page(&pages, "docs/answers.md");
    let rows = || page.text.lines().filter(|line| line.starts_with('|'));
    for row in TABLE.iter().filter(|row| row.status >= 400) {
        let (name, status) = (format!("`{}`", row.name), row.status.to_string());
        let is_documented = rows().any(|line| line.contains(&name) && line.contains(&status));
        assert!(is_documented, "{status} {name} is not in docs/answers.md");
    }
    for code in ErrorCode::ALL {
        let name = format!("`{}`", code.as_str());
        let is_documented = rows().any(|line| line.starts_with("| `") && line.contains(&name));
        assert!(is_documented, "{name} is not in docs/answers.md");
    }
}
