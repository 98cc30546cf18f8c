//! Whether a file of keys is another one than before.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

/// Between two looks at the files.
const INTERVAL: Duration = Duration::from_secs(1);

/// A thread that looks at files; it ends with this.
pub(super) struct KeyFiles(Sender<Vec<PathBuf>>);

impl KeyFiles {
    /// Looks at none yet; `changed` is called on a thread of its own, which may wait for a slow disk.
    pub(super) fn watch(changed: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (sender, lists) = mpsc::channel();
        thread::Builder::new()
            .name("ringest-keys".to_owned())
            .spawn(move || look(&lists, changed))?;
        Ok(Self(sender))
    }

    /// Looks at these from now on. What has happened to one that was among the last is not missed.
    pub(super) fn set(&self, files: &[PathBuf]) {
        // The thread ends with us, no earlier.
        let _ = self.0.send(files.to_vec());
    }
}

fn look(lists: &Receiver<Vec<PathBuf>>, changed: impl Fn()) {
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
                let mut any = false;
                for (file, before) in &mut seen {
                    let now = Identity::of(file);
                    any |= std::mem::replace(before, now) != now;
                }
                // Seen already: whatever is changed while it is read is found the next time.
                if any {
                    changed();
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// What differs between a file and the one that takes its place, or the same one written anew: by a
/// rename, by a symbolic link on the way to it that leads elsewhere (as Kubernetes does it), in
/// place.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// The same of the last change of anything about it: nobody can set that one back.
    changed: (i64, i64),
}

impl Identity {
    /// `None` for a file that can't be looked at, which is another one as soon as it can.
    fn of(file: &Path) -> Option<Self> {
        let metadata = fs::metadata(file).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests;
