//! A unix socket as the public listener, and its file.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};

/// The file of a socket of this process, removed on drop: later clients are refused.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Its device and inode: another process may have put another one in its place.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    fn new(path: &Path) -> Self {
        Self {
            identity: identity(path),
            path: path.to_owned(),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && self.identity == identity(&self.path) {
            // The next start replaces one that is left.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let file = fs::symlink_metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

/// Listens on a socket whose file gets these permission bits. The file of a process that has ended is replaced.
///
/// # Errors
/// Another process listens there, a file is in the way, or the operating system's.
pub(super) fn listen(path: &Path, mode: u32, backlog: i32) -> io::Result<(Socket, SocketFile)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(path)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_stale(path, &address)?;
            socket.bind(&address)?;
        }
        bound => bound?,
    }
    let file = SocketFile::new(path);
    // Until it listens, clients are refused.
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    socket.listen(backlog)?;
    Ok((socket, file))
}

/// Removes the file of a socket that no process has any more.
fn remove_stale(path: &Path, address: &SockAddr) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::other("there is a file that is not a socket"));
    }
    let client = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Or it would wait for a place in the queue of a process that accepts nothing.
    client.set_nonblocking(true)?;
    match client.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        Ok(()) | Err(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another process listens there",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use super::*;

    const MODE: u32 = 0o620;

    fn kind(path: &Path) -> io::ErrorKind {
        listen(path, MODE, 1).expect_err("it is in use").kind()
    }

    #[test]
    fn a_file_that_no_process_listens_on_is_replaced_and_no_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let (socket, file) = listen(&path, MODE, 1).expect("the path is free");
        let mode = fs::metadata(&path).expect("its file").mode();
        assert_eq!(mode & 0o777, MODE);
        assert_eq!(kind(&path), io::ErrorKind::AddrInUse);
        // A full queue is in use, too.
        let address = SockAddr::unix(&path).expect("a path");
        let connected = || {
            let client = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            client.set_nonblocking(true)?;
            client.connect(&address).map(|()| client)
        };
        let clients: Vec<Socket> = std::iter::from_fn(|| connected().ok()).take(10).collect();
        assert!(clients.len() < 10, "it is full");
        assert_eq!(kind(&path), io::ErrorKind::AddrInUse);
        drop((clients, socket));
        // Its process has ended without a chance to remove it.
        std::mem::forget(file);
        let (socket, file) = listen(&path, MODE, 1).expect("nobody listens");
        drop(file);
        assert!(!path.exists());
        drop(socket);

        let other = UnixDatagram::bind(&path).expect("the path is free");
        assert_eq!(kind(&path), io::ErrorKind::AddrInUse);
        drop(other);
        fs::remove_file(&path).expect("it is there");
        fs::write(&path, "kept").expect("the path is free");
        assert_eq!(kind(&path), io::ErrorKind::Other);
        assert_eq!(fs::read(&path).expect("it is there"), b"kept");
        assert_eq!(
            kind(&directory.path().join("none/socket")),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn the_file_of_another_process_is_not_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let (_socket, file) = listen(&path, MODE, 1).expect("the path is free");
        fs::rename(&path, directory.path().join("moved")).expect("ours");
        let _other = UnixListener::bind(&path).expect("the path is free");
        drop(file);
        assert!(path.exists());
    }
}
