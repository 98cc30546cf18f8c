//! Runs this program once more under Valgrind, and compares its counts with the committed ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs, io,
    path::Path,
    process::{self, Command, ExitCode, Stdio},
};

use serde::{Deserialize, Serialize};

/// The argument with which the program runs its stages, to be counted.
pub(crate) const STAGES: &str = "--stages";

/// Runs of a stage that are counted, after as many that are not: what is allocated or learned at first is no cost of
/// a request.
pub(crate) const RUNS: u64 = 50;

/// What a count may differ from the committed one before the comparison fails: this share of it,
const TOLERANCE: f64 = 0.03;

/// and so many instructions: keys of hash tables are random, and so are their collisions.
const SLACK: u64 = 24;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/counts.toml");

const COMMENT: &str = "\
# Instructions of each stage, a run. cargo run --release -p ringest-instructions compares with these counts, with
# -- --renew it writes this file.
";

/// The content of [`FILE`].
#[derive(Debug, Deserialize, PartialEq, Eq, Serialize)]
struct Counts {
    architecture: String,
    rustc: String,
    valgrind: String,
    instructions: BTreeMap<String, u64>,
}

/// A stage under Valgrind: prints its name, by which [`count`] knows whose the next dump is.
pub(crate) fn counted(name: &str, run: &mut dyn FnMut()) {
    for _ in 0..RUNS {
        run();
    }
    println!("{name}");
    callgrind_counts_this(run);
}

/// Callgrind collects on this thread between the beginning and the end of this function, found by its name, and writes
/// a dump at its end.
#[inline(never)]
fn callgrind_counts_this(run: &mut dyn FnMut()) {
    for _ in 0..RUNS {
        run();
    }
}

/// Counts, and compares with the committed counts or, with `renew`, replaces them.
pub(crate) fn compare(renew: bool) -> ExitCode {
    let committed = match fs::read_to_string(FILE) {
        Ok(text) => Some(toml::from_str::<Counts>(&text).expect("written by this program")),
        Err(error) if renew && error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => panic!("{FILE}: {error}"),
    };
    let here = env::consts::ARCH;
    if let Some(it) = committed
        .as_ref()
        .filter(|it| !renew && it.architecture != here)
    {
        println!(
            "SKIPPED: the counts are those of {}, this is {here}",
            it.architecture
        );
        return ExitCode::SUCCESS;
    }
    let counts = count();
    let is_equal = committed.as_ref().is_none_or(|it| table(it, &counts));
    if renew {
        let text = toml::to_string(&counts).expect("a table");
        fs::write(FILE, [COMMENT, &text].concat()).expect("the file can be written");
        println!("{FILE} is written");
        return ExitCode::SUCCESS;
    }
    if is_equal {
        return ExitCode::SUCCESS;
    }
    println!(
        "\nFAILED: more than {:.0} % from the committed counts. What costs more needs a reason;\n\
         then, and where something costs less: cargo run --release -p ringest-instructions -- --renew",
        TOLERANCE * 100.0
    );
    ExitCode::FAILURE
}

/// Prints both counts of each stage; `false` if one differs by more than [`TOLERANCE`], or is not in both.
fn table(committed: &Counts, counts: &Counts) -> bool {
    let with = |it: &Counts| (it.rustc.clone(), it.valgrind.clone());
    if with(committed) != with(counts) {
        println!(
            "committed with {:?}, counted with {:?}",
            with(committed),
            with(counts)
        );
    }
    let [was, is] = [committed, counts].map(|it| &it.instructions);
    println!(
        "{:<32} {:>12} {:>12}   change",
        "instructions a run", "committed", "now"
    );
    let mut is_equal = true;
    for name in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        let mark = match (was.get(name), is.get(name)) {
            (Some(was), Some(is)) => {
                let change = ratio(*is, *was) - 1.0;
                let mark = match change {
                    _ if is.abs_diff(*was) <= SLACK => "",
                    _ if change > TOLERANCE => "  MORE",
                    _ if change < -TOLERANCE => "  LESS",
                    _ => "",
                };
                println!(
                    "{name:<32} {was:>12} {is:>12} {:>+6.1} %{mark}",
                    change * 100.0
                );
                mark
            }
            (was, is) => {
                let [was, is] = [was, is].map(|it| it.map_or("-".to_owned(), u64::to_string));
                println!("{name:<32} {was:>12} {is:>12}           NOT IN BOTH");
                "NOT IN BOTH"
            }
        };
        is_equal &= mark.is_empty();
    }
    is_equal
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts are far below 2 to the 53rd"
)]
fn ratio(is: u64, was: u64) -> f64 {
    is as f64 / was as f64
}

/// Runs this program under callgrind.
fn count() -> Counts {
    let dumps = env::temp_dir().join(format!("ringest-instructions-{}", process::id()));
    fs::create_dir(&dumps).expect("a new directory");
    let out = dumps.join("dump");
    let this = env::current_exe().expect("its path");
    let function = concat!(module_path!(), "::callgrind_counts_this");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--quiet", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={function}"))
        .arg(format!("--dump-after={function}"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(this)
        .arg(STAGES)
        .stderr(Stdio::inherit());
    let ran = valgrind.output().expect("valgrind is installed");
    assert!(ran.status.success(), "valgrind: {}", ran.status);
    let names = String::from_utf8(ran.stdout).expect("text");
    let counted = names.lines().zip(1..).map(|(name, number)| {
        let dump = out.with_extension(number.to_string());
        (name.to_owned(), total(&dump) / RUNS)
    });
    let instructions = counted.collect();
    fs::remove_dir_all(&dumps).expect("it is ours");
    Counts {
        architecture: env::consts::ARCH.to_owned(),
        instructions,
        rustc: version("rustc"),
        valgrind: version("valgrind"),
    }
}

/// The line `totals: N` of a dump.
fn total(dump: &Path) -> u64 {
    let text =
        fs::read_to_string(dump).unwrap_or_else(|error| panic!("{}: {error}", dump.display()));
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let totals = totals.and_then(|totals| totals.trim().parse().ok());
    totals.unwrap_or_else(|| panic!("{}: without totals", dump.display()))
}

/// What `PROGRAM --version` prints, without further words.
fn version(program: &str) -> String {
    let ran = Command::new(program).arg("--version").output();
    let text = String::from_utf8(ran.expect("it is installed").stdout).expect("text");
    let words: Vec<_> = text.split_whitespace().take(2).collect();
    words.join(" ")
}
