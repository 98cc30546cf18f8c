//! Models of a test, loaded as the server loads them.

use std::{collections::BTreeMap, fs};

use ringest::{config::Config, document::ConfigErrors};
use tempfile::TempDir;

/// The configuration of a server with a file for each of these texts, by the files' names.
pub(crate) fn load(files: &BTreeMap<String, String>) -> Result<Config, ConfigErrors> {
    let directory = TempDir::with_prefix("ringest-").expect("a temporary directory");
    let (file, models) = (
        directory.path().join("ringest.toml"),
        directory.path().join("models"),
    );
    let config = "[listen]\naddress = \"127.0.0.1:0\"\n[auth]\nmode = \"none\"\n[kafka]\n\
                  \"bootstrap.servers\" = \"127.0.0.1:1\"\n";
    fs::write(&file, config).expect("the directory is ours");
    fs::create_dir(&models).expect("the directory is ours");
    for (name, text) in files {
        fs::write(models.join(format!("{name}.toml")), text).expect("the directory is ours");
    }
    Config::load(&file, std::iter::empty())
}
