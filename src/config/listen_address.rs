//! The address of the public listener, as `listen.address` has it.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Before the path of a unix socket, as nginx and systemd's tools have it.
const UNIX: &str = "unix:";

/// Where the public listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and a port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A unix socket, by the absolute path of its file.
    Unix(PathBuf),
}

/// Neither of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddressError;

impl ListenAddress {
    /// The longest path of a unix socket, in bytes (`unix(7)`).
    pub const PATH_BYTES_MAX: usize = 107;

    /// Whether only processes of this machine reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        let Some(path) = text.strip_prefix(UNIX) else {
            let address = text.parse().map_err(|_| ListenAddressError)?;
            return Ok(Self::Tcp(address));
        };
        let is_file = Path::new(path).is_absolute() && !path.ends_with('/');
        if is_file && path.len() <= Self::PATH_BYTES_MAX && !path.contains('\0') {
            Ok(Self::Unix(path.into()))
        } else {
            Err(ListenAddressError)
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_they_are_read() {
        for text in ["127.0.0.1:4000", "[::1]:0", "unix:/run/ringest/ingest.sock"] {
            let address: ListenAddress = text.parse().expect(text);
            assert_eq!(address.to_string(), text);
        }
        let longest = format!("unix:/{}", "a".repeat(106));
        assert!(longest.parse::<ListenAddress>().is_ok());
        for text in [
            "",
            "localhost:4000",
            "127.0.0.1",
            "unix:",
            "unix:ingest.sock",
            "unix://",
            "unix:/run/",
            "unix:@ringest",
            "unix:/a\0b",
            "/run/ringest/ingest.sock",
            &format!("{longest}a"),
        ] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_network_reaches_addresses_beyond_loopback() {
        for (text, is_local) in [
            ("127.0.0.2:4000", true),
            ("[::1]:4000", true),
            ("unix:/ingest.sock", true),
            ("0.0.0.0:4000", false),
            ("[::]:4000", false),
        ] {
            let address: ListenAddress = text.parse().expect(text);
            assert_eq!(address.is_local(), is_local, "{text}");
        }
    }
}
