//! The header that a proxy sends before the first byte of HTTP, with the client's address: the PROXY
//! protocol, versions 1 and 2 (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::HeadError;

/// A header at the start of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Bytes of the header.
    pub len: usize,
    /// The client's address; `None`: the proxy speaks for itself (`LOCAL`), or does not know it
    /// (`UNKNOWN`, `UNSPEC`, a socket without an IP address).
    pub source: Option<IpAddr>,
}

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionStart {
    /// Either, by the bytes so far.
    Incomplete,
    /// A header of the PROXY protocol.
    Proxy(ProxyHeader),
    /// Something else.
    Other,
}

/// Most bytes of a version 2 header, with its extensions (TLVs). They are skipped; proxies send less
/// than 536 bytes unless they add a client certificate's names.
pub const PROXY_HEADER_BYTES_MAX: usize = 4_096;

/// Section 2.1: the longest header of version 1, its CRLF included.
const V1_BYTES_MAX: usize = 107;

const V1_START: &[u8] = b"PROXY ";

/// Section 2.2: no request of HTTP starts like this.
const V2_START: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of version 2 before the addresses: the signature, version and command, family and
/// transport, and the length of the rest.
const V2_FIXED_BYTES: usize = V2_START.len() + 4;

/// Reads what a connection begins with. `bytes` contains everything received so far.
///
/// # Errors
/// [`HeadError::ProxyHeader`] as soon as the bytes so far determine it; more bytes never change it.
pub fn proxy_header(bytes: &[u8]) -> Result<ConnectionStart, HeadError> {
    let starts = |start: &[u8]| {
        let len = bytes.len().min(start.len());
        bytes[..len] == start[..len]
    };
    if starts(V1_START) {
        if bytes.len() < V1_START.len() {
            return Ok(ConnectionStart::Incomplete);
        }
        return version_1(bytes);
    }
    if starts(V2_START) {
        return version_2(bytes);
    }
    Ok(ConnectionStart::Other)
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n`
fn version_1(bytes: &[u8]) -> Result<ConnectionStart, HeadError> {
    let window = &bytes[..bytes.len().min(V1_BYTES_MAX)];
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if window.len() == V1_BYTES_MAX {
            Err(HeadError::ProxyHeader)
        } else {
            Ok(ConnectionStart::Incomplete)
        };
    };
    let line = str::from_utf8(&window[V1_START.len()..end]).map_err(|_| HeadError::ProxyHeader)?;
    let source = if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        None
    } else {
        Some(version_1_source(line).ok_or(HeadError::ProxyHeader)?)
    };
    let len = end + 2;
    Ok(ConnectionStart::Proxy(ProxyHeader { len, source }))
}

/// Protocol, source and destination address, source and destination port.
fn version_1_source(line: &str) -> Option<IpAddr> {
    let mut parts = line.split(' ');
    let mut part = || parts.next();
    let (protocol, source, destination) = (part()?, part()?, part()?);
    let (source_port, destination_port) = (part()?, part()?);
    let are_ports = [source_port, destination_port].into_iter().all(is_port);
    if !are_ports || part().is_some() {
        return None;
    }
    match protocol {
        "TCP4" => {
            let _: Ipv4Addr = destination.parse().ok()?;
            Some(IpAddr::V4(source.parse().ok()?))
        }
        "TCP6" => {
            let _: Ipv6Addr = destination.parse().ok()?;
            Some(IpAddr::V6(source.parse().ok()?).to_canonical())
        }
        _ => None,
    }
}

/// 0 to 65535, without leading zeros.
fn is_port(text: &str) -> bool {
    let is_canonical = text == "0" || !text.starts_with(['0', '+']);
    is_canonical && text.parse::<u16>().is_ok()
}

fn version_2(bytes: &[u8]) -> Result<ConnectionStart, HeadError> {
    let rest = bytes.get(V2_START.len()..).unwrap_or_default();
    // Each byte is checked as it arrives: waiting for the others would only delay the error.
    let is_local = match rest.first() {
        None => return Ok(ConnectionStart::Incomplete),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(HeadError::ProxyHeader),
    };
    let address_bytes = match rest.get(1) {
        None => return Ok(ConnectionStart::Incomplete),
        _ if is_local => 0,
        // UNSPEC, TCP and UDP over IPv4, over IPv6, and Unix sockets.
        Some(0x00..=0x02) => 0,
        Some(0x10..=0x12) => 12,
        Some(0x20..=0x22) => 36,
        Some(0x30..=0x32) => 216,
        Some(_) => return Err(HeadError::ProxyHeader),
    };
    let &[_, transport, high, low, ref rest @ ..] = rest else {
        return Ok(ConnectionStart::Incomplete);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let len = V2_FIXED_BYTES + length;
    if length < address_bytes || len > PROXY_HEADER_BYTES_MAX {
        return Err(HeadError::ProxyHeader);
    }
    if bytes.len() < len {
        return Ok(ConnectionStart::Incomplete);
    }
    let source = match transport {
        _ if is_local => None,
        0x11 => rest.first_chunk::<4>().map(|it| IpAddr::from(*it)),
        0x21 => rest.first_chunk::<16>().map(|it| IpAddr::from(*it)),
        _ => None,
    };
    let source = source.map(|it| it.to_canonical());
    Ok(ConnectionStart::Proxy(ProxyHeader { len, source }))
}
