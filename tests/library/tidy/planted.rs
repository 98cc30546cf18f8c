//! A planted fault of each kind is found, at its line; what only looks like one is not.

use super::{
    findings,
    imports::DIRECTION,
    sizes::{COMMENT, DOCUMENTATION, FILE, FUNCTION},
    source::Source,
    words::GLOSSARY,
};

/// Line and rule of all that is found in a file.
fn found(path: &str, text: &str) -> Vec<(usize, &'static str)> {
    let findings = findings(&Source::new(path, text.to_owned()));
    findings.iter().map(|it| (it.line, it.rule)).collect()
}

#[test]
fn imports_that_run_upwards() {
    for (path, text, line) in [
        ("src/model/files.rs", "use crate::route::Route;\n", 1),
        ("src/model.rs", "\nfn f() -> crate::config::Config {\n", 2),
        (
            "src/auth.rs",
            "use crate::{\n    model::{self, Model},\n    config,\n};\n",
            3,
        ),
        ("src/route.rs", "use crate::validate::Validator;\n", 1),
        ("src/clock.rs", "use crate::metrics;\n", 1),
        ("src/clock.rs", "use super::metrics;\n", 1),
        ("src/worker/unknown.rs", "use crate::nowhere::X;\n", 1),
        ("src/nowhere.rs", "", 1),
    ] {
        assert_eq!(found(path, text), [(line, DIRECTION)], "{path}: {text}");
    }
    for (path, text) in [
        ("src/main.rs", "use ringest::cli;\n"),
        (
            "src/auth/keys.rs",
            "use crate::{auth::Key, route::Route};\nuse super::super::Key;\n",
        ),
        (
            "src/model.rs",
            "// use crate::config;\n/// [`crate::config`]\nconst A: &str = \"crate::config\";\n",
        ),
        (
            "src/clock.rs",
            "use std::time;\n#[cfg(test)]\nmod tests {\n    use super::now;\n    use crate::cli;\n}\n",
        ),
        ("src/model/tests.rs", "use crate::config;\n"),
        ("src/model/tests/a.rs", "use crate::config;\n"),
        ("tests/library/model.rs", "use crate::config;\n"),
    ] {
        assert_eq!(found(path, text), [], "{path}: {text}");
    }
}

#[test]
fn libraries_and_unsafe_out_of_place() {
    for (path, text, rule) in [
        (
            "src/worker.rs",
            "\nuse rdkafka::ClientConfig;\n",
            "rdkafka only in produce",
        ),
        (
            "src/model.rs",
            "\nuse simd_json::Node;\n",
            "simd-json only in validate",
        ),
        (
            "src/http/head.rs",
            "\n    unsafe { f() }\n",
            "unsafe only in buffer and produce",
        ),
    ] {
        assert_eq!(found(path, text), [(2, rule)], "{text}");
    }
    for (path, text) in [
        (
            "src/produce/kafka.rs",
            "use rdkafka::ClientConfig;\nunsafe { f() }\n",
        ),
        ("src/validate/walk.rs", "use simd_json::Node;\n"),
        ("src/buffer.rs", "unsafe impl Send for Buffer {}\n"),
        (
            "src/worker.rs",
            "#![deny(unsafe_code)]\n// unsafe, rdkafka\nlet a = \"unsafe\";\n",
        ),
    ] {
        assert_eq!(found(path, text), [], "{text}");
    }
}

#[test]
fn lengths_and_widths() {
    let file = |lines: usize| "\n".repeat(lines);
    let function = |lines: usize| {
        let body = "    }\n".repeat(lines - 2);
        format!("mod a {{\n  pub(crate) const unsafe fn f(\n{body}  }}\n}}\n")
    };
    let wide = |start: &str, columns: usize| {
        let padding = "é".repeat(columns - start.len());
        format!("\n{start}{padding}\n")
    };
    for (path, text, expected) in [
        ("src/clock.rs", file(501), (501, FILE)),
        ("src/buffer.rs", function(71), (2, FUNCTION)),
        ("benches/auth.rs", wide("    // ", 121), (2, COMMENT)),
        ("README.md", wide("A line ", 121), (2, DOCUMENTATION)),
        ("docs/models.md", wide("A line ", 121), (2, DOCUMENTATION)),
    ] {
        assert_eq!(found(path, &text), [expected], "{text}");
    }
    for (path, text) in [
        ("src/clock.rs", file(500)),
        ("src/buffer.rs", function(70)),
        ("src/model/tests.rs", function(71).replace("unsafe ", "")),
        ("tests/server/main.rs", function(71)),
        ("benches/auth.rs", wide("    // ", 120)),
        ("README.md", wide("| ", 121)),
        ("tests/http/README.md", wide("A line ", 121)),
        (
            "src/clock.rs",
            "trait A {\n    fn a(\n    );\n}\n".to_owned() + &file(80) + "    }\n",
        ),
    ] {
        assert_eq!(found(path, &text), [], "{text}");
    }
}

#[test]
fn words_of_the_glossary() {
    for text in [
        "// A body is judged.",
        "struct JudgedBody;",
        "fn verdict_of() {}",
        "// The letters of a model",
        "// Strangers",
        "// Whoever sends",
        "// who may send",
        "// waits for its turn",
        "// The credential was not taken.",
        "// what was served before",
        "let told = 1;",
        "// takes down",
        "// a faulty record",
        "format!(\"no integer\")",
        "// is there twice",
        "// of no use",
        "// the schema's number",
        "enum Scout {}",
        "// a stray",
        "let shipments = 1;",
        "// not reloaded",
    ] {
        for path in ["src/clock.rs", "docs/models.md", "README.md"] {
            let text = format!("\n{text}\n");
            assert_eq!(found(path, &text), [(2, GLOSSARY)], "{text}");
        }
    }
    for text in [
        "// Dead letters, DeadLetters, dead_letters, #dead-letters: of letters, digits and dots",
        "// The number of integers; served by whom; turned; in turn; taken from a pool",
        "// A prejudged, astray, untold, retelling thing",
    ] {
        assert_eq!(found("src/clock.rs", text), [], "{text}");
    }
    assert_eq!(found("tests/server/main.rs", "// A verdict\n"), []);
}
