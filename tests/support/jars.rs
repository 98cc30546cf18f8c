//! The jars of Apache Kafka, fetched once by Maven into a cache outside the checkout.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

const POM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/pom.xml");

/// A directory with everything that a broker needs on its class path.
#[derive(Clone, Debug)]
pub(crate) struct Jars(PathBuf);

impl Jars {
    /// Finds the jars in the cache or fetches them. The error is a reason to show: no Java, no
    /// Maven, or what Maven says.
    ///
    /// The cache is `$RINGEST_TEST_CACHE`, else `ringest-test` in the user's cache directory.
    pub(crate) fn find() -> Result<Self, String> {
        answers("java", "-version")?;
        let cache = cache()?;
        let jars = cache.join(format!("kafka-{}", version()));
        if !jars.is_dir() {
            answers("mvn", "-version")?;
            fetch(&cache, &jars)?;
        }
        Ok(Self(jars))
    }

    /// A `java` command for a class in the jars, its log at warnings and above on stderr.
    pub(crate) fn java(&self, class: &str) -> Command {
        let mut java = Command::new("java");
        // A compiler that starts fast and a collector that needs one thread: tests are short.
        java.args(["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
            .arg("-cp")
            .arg(self.0.join("*"))
            .arg(class)
            .stdin(Stdio::null());
        java
    }
}

fn cache() -> Result<PathBuf, String> {
    let directory = |name| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(cache) = directory("RINGEST_TEST_CACHE") {
        return Ok(cache.into());
    }
    directory("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(directory("HOME")?).join(".cache")))
        .map(|cache| cache.join("ringest-test"))
        .ok_or_else(|| "no HOME for the jars of Apache Kafka".to_owned())
}

/// From the pom, so that it is written once.
fn version() -> &'static str {
    include_str!("../kafka/pom.xml")
        .split_once("<kafka.version>")
        .and_then(|(_, rest)| rest.split_once("</kafka.version>"))
        .map(|(version, _)| version)
        .expect("the pom has kafka.version")
}

fn answers(program: &str, argument: &str) -> Result<(), String> {
    match Command::new(program).arg(argument).output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(format!("{program} is missing or does not run")),
    }
}

/// Fetches beside the final place and renames, so that a run that is cut leaves no half of it.
fn fetch(cache: &Path, jars: &Path) -> Result<(), String> {
    fs::create_dir_all(cache).map_err(|error| format!("{}: {error}", cache.display()))?;
    let fetched =
        TempDir::new_in(cache).map_err(|error| format!("{}: {error}", cache.display()))?;
    let output = Command::new("mvn")
        .args(["-q", "-B", "-f", POM, "dependency:copy-dependencies"])
        .arg(format!("-DoutputDirectory={}", fetched.path().display()))
        .output()
        .map_err(|error| format!("mvn: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        let first = said.lines().next().unwrap_or("no reason given");
        return Err(format!("mvn could not fetch Apache Kafka: {first}"));
    }
    match fs::rename(fetched.keep(), jars) {
        // Another run may have been first: its jars are as good.
        Err(error) if !jars.is_dir() => Err(format!("{}: {error}", jars.display())),
        _ => Ok(()),
    }
}
