//! Which module of the crate may use which.

use super::source::Source;

/// Top-level modules from the top down. A module imports only from lines below its own, so none of
/// them form a circle.
const ORDER: [&[&str]; 14] = [
    &["main"],
    &["cli"],
    &["dev", "import_moose", "infer", "top"],
    &["supervisor"],
    &["admin", "explain", "jwks", "worker"],
    &["connection", "openapi"],
    &["context"],
    &["response", "snapshot"],
    &["config"],
    &[
        "oauth",
        "outcome",
        "registry",
        "samples",
        "traces",
        "verification",
    ],
    &["dead_letter", "produce"],
    &["auth"],
    &["route", "validate"],
    &["https", "model"],
];

/// Modules that import none but those below them.
const LEAVES: [&str; 20] = [
    "admission",
    "buffer",
    "cgroup",
    "clock",
    "connections",
    "cors",
    "deadline",
    "document",
    "http",
    "isolation",
    "lib",
    "load",
    "log",
    "long_work",
    "metrics",
    "published",
    "quota",
    "readiness",
    "request_id",
    "tls",
];

/// The modules below the leaves.
const FLOOR: [&str; 3] = ["excerpt", "networks", "sync"];

/// A word of the code, where alone in `src` it may stand, and the rule.
const CONFINED: [(&str, &[&str], &str); 3] = [
    ("rdkafka", &["src/produce/"], "rdkafka only in produce"),
    (
        "simd_json",
        &["src/validate/"],
        "simd-json only in validate",
    ),
    (
        "unsafe",
        &["src/buffer.rs", "src/buffer/", "src/produce/"],
        "unsafe only in buffer and produce",
    ),
];

pub(crate) const DIRECTION: &str = "imports run downwards";

pub(crate) fn check(source: &Source, report: &mut dyn FnMut(usize, &'static str, String)) {
    if !source.is_in_crate() {
        return;
    }
    for (number, line) in source.code.lines().enumerate() {
        for (word, places, rule) in CONFINED {
            let allowed = places.iter().any(|place| source.path.starts_with(place));
            if !allowed && words(line).any(|it| it == word) {
                report(number + 1, rule, format!("`{word}` is used here"));
            }
        }
    }
    // Unit tests may take their subjects from wherever they are made.
    if source.is_test() {
        return;
    }
    let importer = module(&source.path);
    let Some(rank) = rank(importer) else {
        let detail = format!("`{importer}` has no place in the order");
        report(1, DIRECTION, detail);
        return;
    };
    for (line, imported) in imports(source) {
        if imported != importer && self::rank(imported).is_none_or(|it| it <= rank) {
            let detail = format!("`{importer}` imports `{imported}`");
            report(line, DIRECTION, detail);
        }
    }
}

/// How far down a module is.
fn rank(module: &str) -> Option<usize> {
    let listed = ORDER.iter().position(|line| line.contains(&module));
    listed
        .or_else(|| LEAVES.contains(&module).then_some(ORDER.len()))
        .or_else(|| FLOOR.contains(&module).then_some(ORDER.len() + 1))
}

/// The top-level module that a file of `src` belongs to.
fn module(path: &str) -> &str {
    let below = path.strip_prefix("src/").unwrap_or(path);
    let first = below.split('/').next().unwrap_or(below);
    first.strip_suffix(".rs").unwrap_or(first)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|it: char| it != '_' && !it.is_alphanumeric())
}

/// The line and the top-level module of every path that begins at the crate's root.
fn imports(source: &Source) -> Vec<(usize, &str)> {
    let root = match &*source.path {
        "src/main.rs" => "ringest::",
        _ => "crate::",
    };
    let code = source.code_but_tests();
    let mut imports = Vec::new();
    for (at, _) in code.match_indices(root) {
        let path = &code[at + root.len()..];
        let names = if path.starts_with('{') {
            group(path)
        } else {
            vec![0]
        };
        for name in names {
            let line = 1 + code[..at + root.len() + name].matches('\n').count();
            imports.extend(words(&path[name..]).next().map(|name| (line, name)));
        }
    }
    // Beside a top-level module's own children, its parent's are the other top-level modules.
    if source.path.matches('/').count() == 1 {
        for (number, line) in code.lines().enumerate() {
            if let Some(path) = line.strip_prefix("use super::") {
                imports.extend(words(path).next().map(|name| (number + 1, name)));
            }
        }
    }
    imports
}

/// Where the names in the outermost braces begin.
fn group(text: &str) -> Vec<usize> {
    let (mut names, mut depth, mut expected) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && matches!(character, '{' | ',') {
            expected = true;
        } else if expected && !character.is_whitespace() {
            names.push(at);
            expected = false;
        }
    }
    names
}
