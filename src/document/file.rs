//! Reading files that may be anything.

use std::{fs::OpenOptions, io, io::Read, os::unix::fs::OpenOptionsExt, path::Path};

/// Why a file has no content. The operator's fault, or the system's.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Of the system.
    #[error("can't be read: {0}")]
    System(#[from] io::Error),
    /// A pipe, a device, a directory, …: reading it may wait for ever.
    #[error("is not a regular file")]
    NotRegular,
    /// It is longer than so many bytes.
    #[error("is longer than {0} bytes")]
    TooLong(u64),
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::System(error) => error,
            FileError::NotRegular | FileError::TooLong(_) => Self::other(format!("it {error}")),
        }
    }
}

/// The content of a regular file of at most `max` bytes. A pipe that nobody writes to does not delay it.
///
/// # Errors
/// [`FileError`].
pub fn read_file(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    let mut open = OpenOptions::new();
    let open = open.read(true).custom_flags(libc::O_NONBLOCK);
    let file = open.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(FileError::NotRegular);
    }
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(FileError::TooLong(max));
    }
    Ok(bytes)
}

/// The same of a file in UTF-8.
///
/// # Errors
/// [`FileError`].
pub fn read_text(path: &Path, max: u64) -> Result<String, FileError> {
    let bytes = read_file(path, max)?;
    String::from_utf8(bytes).map_err(|_| {
        let kind = io::ErrorKind::InvalidData;
        io::Error::new(kind, "stream did not contain valid UTF-8").into()
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, process::Command};

    use super::*;

    #[test]
    fn only_regular_files_within_the_limit_are_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        fs::write(path("text"), "é").expect("ours");
        symlink("text", path("link")).expect("ours");
        assert_eq!(read_text(&path("link"), 2).expect("two bytes"), "é");
        assert!(matches!(
            read_file(&path("text"), 1),
            Err(FileError::TooLong(1))
        ));
        assert!(matches!(
            read_file(&path("absent"), 1),
            Err(FileError::System(_))
        ));

        let made = Command::new("mkfifo").arg(path("pipe")).status();
        assert!(made.expect("mkfifo").success());
        symlink("/dev/zero", path("zero")).expect("ours");
        for name in ["pipe", "zero", "."] {
            let read = read_file(&path(name), 1);
            assert!(
                matches!(read, Err(FileError::NotRegular)),
                "{name}: {read:?}"
            );
        }
        fs::write(path("binary"), b"\xff").expect("ours");
        let read = read_text(&path("binary"), 1);
        assert!(matches!(read, Err(FileError::System(_))), "{read:?}");
    }
}
