//! Lengths and widths. Lines are counted from the first to the last, both included; columns are
//! characters.

use super::source::Source;

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
/// Of a line of comment, indentation included, and of documentation outside tables.
const COLUMNS_MAX: usize = 120;

pub(crate) const FILE: &str = "500 lines a file";
pub(crate) const FUNCTION: &str = "70 lines a function";
pub(crate) const COMMENT: &str = "120 columns a comment";
pub(crate) const DOCUMENTATION: &str = "120 columns of documentation outside tables";

pub(crate) fn check(source: &Source, report: &mut dyn FnMut(usize, &'static str, String)) {
    let columns = |line: &str| line.chars().count();
    if source.is_markdown() {
        if is_manual(&source.path) {
            for (number, line) in source.text.lines().enumerate() {
                if columns(line) > COLUMNS_MAX && !line.starts_with('|') {
                    let detail = format!("{} columns", columns(line));
                    report(number + 1, DOCUMENTATION, detail);
                }
            }
        }
        return;
    }
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        report(lines, FILE, format!("{lines} lines"));
    }
    for (number, line) in source.text.lines().enumerate() {
        if line.trim_start().starts_with("//") && columns(line) > COLUMNS_MAX {
            report(number + 1, COMMENT, format!("{} columns", columns(line)));
        }
    }
    // A test's table of cases is not logic to be kept in mind at once.
    if source.is_in_crate() && !source.is_test() {
        for (line, length) in functions(source.code_but_tests()) {
            if length > FUNCTION_LINES_MAX {
                report(line, FUNCTION, format!("{length} lines"));
            }
        }
    }
}

/// `README.md`, `docs/` and `examples/README.md`; another directory's own notes are not the manual.
pub(crate) fn is_manual(path: &str) -> bool {
    path == "README.md" || path.starts_with("docs/") || path == "examples/README.md"
}

/// The first line of every function that has a body of several lines, and how many lines it takes.
fn functions(code: &str) -> Vec<(usize, usize)> {
    let lines: Vec<_> = code.lines().collect();
    let mut functions = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if !begins_function(line) {
            continue;
        }
        // As rustfmt lays it out, the body's last line is the first that is indented as the signature.
        let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let declared = format!("{end};").replace('}', ")");
        let rest = lines[number + 1..].iter();
        if line.trim_end().ends_with(['{', '(']) || !line.trim_end().ends_with(['}', ';']) {
            for (more, other) in rest.enumerate() {
                if other.trim_end() == declared {
                    break;
                }
                if other.trim_end() == end {
                    functions.push((number + 1, more + 2));
                    break;
                }
            }
        }
    }
    functions
}

fn begins_function(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let qualifier = |word: &&str| {
        word.starts_with("pub") || matches!(*word, "const" | "async" | "unsafe" | "extern" | "in")
    };
    words.by_ref().find(|word| !qualifier(word)) == Some("fn")
}
