//! The client's address in the header fields that proxies add: `X-Forwarded-For`, and `Forwarded`
//! (RFC 7239).

use std::net::{IpAddr, SocketAddr};

use super::head::{field_values, is_token_byte};

/// The client of a request that a trusted proxy has sent; `None`: the proxy itself. It is the last hop that
/// is not trusted, or the first hop if all are. A hop that is malformed or hides its address ends the search,
/// as what is before it may be the client's invention; then it is the last hop behind that one.
///
/// Where both fields are there and do not agree, one of them may be the client's own, as many proxies
/// add one field and pass on the other: the client is then the proxy.
///
/// `head` is a complete and valid head; addresses are never IPv4-mapped.
pub fn client(head: &[u8], is_trusted: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let mut listed = Search::new(&is_trusted);
    for value in field_values(head, "x-forwarded-for") {
        let members = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        // Empty members do not count (RFC 9110 section 5.6.1).
        for member in members.filter(|member| !member.is_empty()) {
            listed.add(address(member));
        }
    }
    let mut forwarded = Search::new(&is_trusted);
    for value in field_values(head, "forwarded") {
        let mut rest = value;
        while !rest.is_empty() {
            let (hop, len) = element(rest);
            match hop {
                Element::Empty => {}
                Element::Address(address) => forwarded.add(Some(address)),
                Element::Malformed => forwarded.add(None),
            }
            rest = &rest[len..];
        }
    }
    match (listed.hops, forwarded.hops) {
        (_, 0) => listed.client,
        (0, _) => forwarded.client,
        _ if listed.client == forwarded.client => listed.client,
        _ => None,
    }
}

/// The search from the last hop to the first, done in the order of the field's text.
struct Search<F> {
    is_trusted: F,
    /// The client by the hops so far.
    client: Option<IpAddr>,
    hops: usize,
}

impl<F: Fn(IpAddr) -> bool> Search<F> {
    fn new(is_trusted: F) -> Self {
        Self {
            is_trusted,
            client: None,
            hops: 0,
        }
    }

    /// The next hop, nearer to the server than those so far; `None` if its address is unknown.
    fn add(&mut self, hop: Option<IpAddr>) {
        self.hops += 1;
        self.client = match hop {
            Some(hop) if (self.is_trusted)(hop) => self.client.or(Some(hop)),
            other => other,
        };
    }
}

/// An address, with or without a port; an IPv6 address may be in brackets, and must be before a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address = text.parse().ok().or_else(|| bracketed().map(IpAddr::V6));
    let address = address.or_else(|| text.parse().ok().map(|it: SocketAddr| it.ip()));
    address.map(|it| it.to_canonical())
}

/// One element of `Forwarded`.
enum Element {
    /// Nothing between two commas.
    Empty,
    /// With this address in its parameter `for`.
    Address(IpAddr),
    /// Not what RFC 7239 section 4 allows, or without an address: `unknown`, or an obfuscated name.
    Malformed,
}

/// The first element of a list, and its length with the comma.
fn element(list: &[u8]) -> (Element, usize) {
    let mut quoted = false;
    let mut escaped = false;
    let end = list.iter().position(|&byte| {
        let literal = std::mem::take(&mut escaped);
        match byte {
            b'"' if !literal => quoted = !quoted,
            b'\\' if quoted && !literal => escaped = true,
            _ => {}
        }
        byte == b',' && !quoted
    });
    let (text, len) = match end {
        Some(end) => (&list[..end], end + 1),
        None => (list, list.len()),
    };
    let text = text.trim_ascii();
    let element = if text.is_empty() {
        Element::Empty
    } else {
        pairs(text).map_or(Element::Malformed, Element::Address)
    };
    (element, len)
}

/// The address of the only `for` of an element, all of whose pairs must be well formed: where one is
/// not, a quote in it may hide where the next one starts.
fn pairs(mut rest: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    loop {
        let equals = rest.iter().position(|&byte| !is_token_byte(byte))?;
        let (name, value) = (&rest[..equals], rest[equals..].strip_prefix(b"=")?);
        let (value, after) = if let [b'"', quoted @ ..] = value {
            let end = quoted
                .iter()
                .position(|&byte| matches!(byte, b'"' | b'\\'))?;
            // An address has no use for an escape, and nor does a host.
            (&quoted[..end], quoted[end..].strip_prefix(b"\"")?)
        } else {
            let end = value.iter().position(|&byte| !is_token_byte(byte));
            value.split_at(end.unwrap_or(value.len()))
        };
        if name.is_empty() || value.is_empty() {
            return None;
        }
        if name.eq_ignore_ascii_case(b"for") && found.replace(address(value)?).is_some() {
            return None;
        }
        rest = match after.trim_ascii() {
            [] => return found,
            [b';', more @ ..] => more.trim_ascii_start(),
            _ => return None,
        };
    }
}
