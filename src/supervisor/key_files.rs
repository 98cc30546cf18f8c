//! Watches files, and directories with the files in them, for changes, by polling.

use std::{
    collections::HashMap,
    fs::{self, Metadata},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

/// Between two checks of the files.
const INTERVAL: Duration = Duration::from_secs(1);

/// A thread that watches files; dropping this ends it.
pub(super) struct KeyFiles(Sender<Vec<PathBuf>>);

impl KeyFiles {
    /// Starts the thread, without files; `changed` is called on it, with those that have changed. A slow disk
    /// blocks that thread only.
    pub(super) fn watch(changed: impl Fn(&[&Path]) + Send + 'static) -> io::Result<Self> {
        let (sender, lists) = mpsc::channel();
        thread::Builder::new()
            .name("ringest-keys".to_owned())
            .spawn(move || poll(&lists, changed))?;
        Ok(Self(sender))
    }

    /// Replaces the list of files. Changes of files that stay on the list are not missed.
    pub(super) fn set(&self, files: Vec<PathBuf>) {
        // The thread runs as long as this sender exists.
        let _ = self.0.send(files);
    }
}

fn poll(lists: &Receiver<Vec<PathBuf>>, changed: impl Fn(&[&Path])) {
    let mut seen: HashMap<PathBuf, Option<Identity>> = HashMap::new();
    loop {
        match lists.recv_timeout(INTERVAL) {
            Ok(files) => {
                let known = files.into_iter().map(|file| {
                    let identity = seen.get(&file).copied();
                    let identity = identity.unwrap_or_else(|| Identity::of(&file));
                    (file, identity)
                });
                seen = known.collect();
            }
            Err(RecvTimeoutError::Timeout) => {
                let mut files = Vec::new();
                for (file, before) in &mut seen {
                    let now = Identity::of(file);
                    if std::mem::replace(before, now) != now {
                        files.push(file.as_path());
                    }
                }
                // The state was recorded first: a change while the file is read is found next time.
                if !files.is_empty() {
                    files.sort_unstable();
                    changed(&files);
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Differs after a file was replaced by a rename, through a symbolic link on its path (as Kubernetes
/// does), or written in place.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// The inode's change time in the same form; unlike `modified`, it can't be set by programs.
    changed: (i64, i64),
    /// Of a directory: a digest of its files.
    files: u64,
}

impl Identity {
    /// `None` if the file's metadata can't be read; it counts as changed once it can.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let identity = Self::from(&metadata);
        if !metadata.is_dir() {
            return Some(identity);
        }
        let files = fs::read_dir(path).ok()?.flatten().filter_map(|entry| {
            let (name, file) = (entry.file_name(), fs::metadata(entry.path()).ok()?);
            let mut digest = DefaultHasher::new();
            (&name, Self::from(&file)).hash(&mut digest);
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            (file.is_file() && !is_hidden).then(|| digest.finish())
        });
        // In any order.
        let files = files.fold(0, u64::wrapping_add);
        Some(Self { files, ..identity })
    }
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            files: 0,
        }
    }
}

#[cfg(test)]
mod tests;
