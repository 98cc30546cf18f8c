//! The client's address behind proxies: headers of the PROXY protocol, and the fields that proxies add.

use std::net::IpAddr;

use proptest::{collection::vec, prelude::*, sample::select};
use ringest::http::{
    ConnectionStart::{self, Incomplete, Other, Proxy},
    HeadError, PROXY_HEADER_BYTES_MAX, ProxyHeader, client, proxy_header,
};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn address(text: &str) -> IpAddr {
    text.parse().expect(text)
}

/// A complete header of this length.
fn header(len: usize, source: Option<&str>) -> ConnectionStart {
    let source = source.map(address);
    Proxy(ProxyHeader { len, source })
}

/// A header of version 2.
fn version_2(command: u8, transport: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    [SIGNATURE, &[command, transport], &length, rest].concat()
}

#[test]
fn headers_of_version_1() {
    for (line, source) in [
        (
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443",
            Some("192.0.2.1"),
        ),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 0",
            Some("255.255.255.255"),
        ),
        ("PROXY TCP6 2001:db8::1 ::1 1 2", Some("2001:db8::1")),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2", Some("192.0.2.1")),
        ("PROXY UNKNOWN", None),
        ("PROXY UNKNOWN what ever", None),
        (
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
             ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            None,
        ),
    ] {
        let bytes = format!("{line}\r\nPOST / HTTP/1.1\r\n");
        assert_eq!(
            proxy_header(bytes.as_bytes()),
            Ok(header(line.len() + 2, source)),
            "{line}"
        );
    }
    for line in [
        "PROXY ",
        "PROXY TCP4",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 ",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 1",
        "PROXY  TCP4 192.0.2.1 198.51.100.1 56324 443",
        "PROXY TCP4 192.0.2.1  198.51.100.1 56324 443",
        "PROXY TCP4 192.0.2.01 198.51.100.1 56324 443",
        "PROXY TCP4 192.0.2 198.51.100.1 56324 443",
        "PROXY TCP4 192.0.2.1 198.51.100.1 056324 443",
        "PROXY TCP4 192.0.2.1 198.51.100.1 +56324 443",
        "PROXY TCP4 192.0.2.1 198.51.100.1 65536 443",
        "PROXY TCP4 ::1 ::1 1 2",
        "PROXY TCP6 192.0.2.1 198.51.100.1 1 2",
        "PROXY TCP6 fe80::1%1 ::1 1 2",
        "PROXY UDP4 192.0.2.1 198.51.100.1 1 2",
        "PROXY UNKNOWNS",
        "PROXY tcp4 192.0.2.1 198.51.100.1 1 2",
        "PROXY / HTTP/1.1",
    ] {
        let bytes = format!("{line}\r\n\r\n");
        assert_eq!(
            proxy_header(bytes.as_bytes()),
            Err(HeadError::ProxyHeader),
            "{line}"
        );
    }
    // A bare LF is no end of a line, and no line is longer than the longest that is valid.
    let line = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\n";
    assert_eq!(proxy_header(line), Ok(Incomplete));
    let long = [b"PROXY UNKNOWN ", &[b'x'; 91][..], b"\r\n"].concat();
    assert_eq!(proxy_header(&long), Ok(header(107, None)));
    let long = [b"PROXY UNKNOWN ", &[b'x'; 92][..], b"\r\n"].concat();
    assert_eq!(proxy_header(&long), Err(HeadError::ProxyHeader));
}

#[test]
fn headers_of_version_2() {
    let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 220, 4, 1, 187];
    let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[0; 20]].concat();
    let mapped = [&[0; 10][..], &[255, 255, 192, 0, 2, 1], &[0; 20]].concat();
    // A TLV that keeps the addresses aligned.
    let with_tlv = [&v4[..], &[4, 0, 1, 0]].concat();
    for (command, transport, rest, source) in [
        (0x21, 0x11, &v4[..], Some("192.0.2.1")),
        (0x21, 0x11, &with_tlv, Some("192.0.2.1")),
        (0x21, 0x21, &v6, Some("2001:db8::1")),
        (0x21, 0x21, &mapped, Some("192.0.2.1")),
        // Datagrams, Unix sockets and UNSPEC: as the specification's UNSPEC.
        (0x21, 0x12, &v4, None),
        (0x21, 0x31, &[0; 216], None),
        (0x21, 0x00, &[], None),
        (0x21, 0x00, &v4, None),
        // LOCAL: the family does not matter.
        (0x20, 0x00, &[], None),
        (0x20, 0x11, &v4, None),
        (0x20, 0xff, &[], None),
    ] {
        let mut bytes = version_2(command, transport, rest);
        let len = bytes.len();
        bytes.extend_from_slice(b"POST / HTTP/1.1\r\n");
        assert_eq!(proxy_header(&bytes), Ok(header(len, source)), "{bytes:x?}");
    }
    let most = vec![0; PROXY_HEADER_BYTES_MAX - 16];
    assert_eq!(
        proxy_header(&version_2(0x21, 0x00, &most)),
        Ok(header(PROXY_HEADER_BYTES_MAX, None))
    );
    for (command, transport, rest) in [
        (0x11, 0x11, &v4[..]),
        (0x31, 0x11, &v4),
        (0x22, 0x11, &v4),
        (0x21, 0x13, &v4),
        (0x21, 0x41, &v4),
        (0x21, 0x11, &v4[1..]),
        (0x21, 0x21, &v4),
        (0x21, 0x31, &[0; 215]),
        (0x21, 0x00, &vec![0; PROXY_HEADER_BYTES_MAX - 15]),
    ] {
        let bytes = version_2(command, transport, rest);
        assert_eq!(
            proxy_header(&bytes),
            Err(HeadError::ProxyHeader),
            "{bytes:x?}"
        );
    }
}

#[test]
fn what_is_no_header_is_seen_at_the_first_byte_that_differs() {
    for (bytes, expected) in [
        (&b""[..], Incomplete),
        (b"P", Incomplete),
        (b"PROXY", Incomplete),
        (b"PO", Other),
        (b"PROXYS / HTTP/1.1", Other),
        (b"proxy TCP4", Other),
        (b"\r\n\r\n\0\r\nQUIT", Incomplete),
        (b"\r\n\r\n\0\r\nQUIT\r", Other),
        (b"\r\nP", Other),
        (b"\x16\x03\x01", Other),
    ] {
        assert_eq!(proxy_header(bytes), Ok(expected), "{bytes:x?}");
    }
}

/// Bytes that are nearly a header.
fn any_start() -> impl Strategy<Value = Vec<u8>> {
    let line = select(vec![
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n",
        "PROXY TCP6 ::1 ::2 1 2\r\n",
        "PROXY UNKNOWN\r\n",
        "POST / HTTP/1.1\r\n",
    ]);
    let binary = (
        0x1f_u8..0x23,
        any::<u8>(),
        0..300_u16,
        vec(any::<u8>(), 0..400),
    );
    let binary = binary.prop_map(|(command, transport, length, rest)| {
        let transport = transport & 0x33;
        [
            SIGNATURE,
            &[command, transport],
            &length.to_be_bytes(),
            &rest,
        ]
        .concat()
    });
    let start = prop_oneof![line.prop_map(|line| line.as_bytes().to_vec()), binary];
    (start, any::<prop::sample::Index>(), any::<Option<u8>>()).prop_map(|(mut bytes, at, byte)| {
        if let Some(byte) = byte {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    /// A result does not change with the bytes that follow, and is there as soon as it can be.
    #[test]
    fn a_header_is_the_same_however_it_arrives(bytes in any_start()) {
        let whole = proxy_header(&bytes);
        for end in 0..bytes.len() {
            let so_far = proxy_header(&bytes[..end]);
            if so_far != Ok(Incomplete) {
                prop_assert_eq!(so_far, whole);
            }
            if let Ok(Proxy(header)) = whole {
                prop_assert_eq!(so_far == Ok(Incomplete), end < header.len);
            }
        }
    }
}

/// The client of a request with these lines, whose proxy is 10.0.0.1; `10.0.0.0/8` and `fd00::1` are trusted.
fn client_by(lines: &str) -> String {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let is_trusted =
        |it| matches!(it, IpAddr::V4(v4) if v4.octets()[0] == 10) || it == address("fd00::1");
    let client = client(head.as_bytes(), is_trusted);
    client.unwrap_or(address("10.0.0.1")).to_string()
}

#[test]
fn the_client_is_the_last_hop_that_is_not_trusted() {
    for (hops, expected) in [
        ("", "10.0.0.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.9, 192.0.2.1", "192.0.2.1"),
        ("192.0.2.9, 192.0.2.1, 10.1.1.1,10.2.2.2", "192.0.2.1"),
        // All are trusted: the first hop is the client.
        ("10.3.3.3, 10.2.2.2", "10.3.3.3"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711, fd00::1", "2001:db8::1"),
        ("192.0.2.1:80", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:10.9.9.9", "10.9.9.9"),
        (",, 192.0.2.1 ,\t, ", "192.0.2.1"),
        // What is malformed ends the search.
        ("192.0.2.1, unknown", "10.0.0.1"),
        ("192.0.2.1, unknown, 10.2.2.2", "10.2.2.2"),
        ("192.0.2.1, 192.0.2, 10.3.3.3, 10.2.2.2", "10.3.3.3"),
        ("unknown, 192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, \"192.0.2.2\"", "10.0.0.1"),
        ("192.0.2.1, 192.0.2.2 192.0.2.3", "10.0.0.1"),
        ("192.0.2.1, [192.0.2.2]", "10.0.0.1"),
        ("192.0.2.1, 192.0.2.2:99999", "10.0.0.1"),
        ("192.0.2.1, fe80::1%eth0", "10.0.0.1"),
        ("192.0.2.1, \u{e9}", "10.0.0.1"),
    ] {
        assert_eq!(
            client_by(&format!("X-Forwarded-For: {hops}\r\n")),
            expected,
            "{hops}"
        );
    }
    // Several lines are one list.
    assert_eq!(
        client_by("x-forwarded-for: 192.0.2.9\r\nX: y\r\nX-FORWARDED-FOR: 192.0.2.1, 10.2.2.2\r\n"),
        "192.0.2.1"
    );
}

#[test]
fn the_same_by_rfc_7239() {
    for (elements, expected) in [
        ("for=192.0.2.1", "192.0.2.1"),
        ("For=\"192.0.2.1:4711\"", "192.0.2.1"),
        ("FOR=\"[2001:db8::1]:4711\"", "2001:db8::1"),
        (
            "for=\"[2001:db8::1]\";proto=https ; by=203.0.113.43",
            "2001:db8::1",
        ),
        (
            "proto=http;by=\"_a,b\";for=192.0.2.1, for=10.2.2.2",
            "192.0.2.1",
        ),
        ("for=192.0.2.9, for=192.0.2.1,, for=10.2.2.2 ,", "192.0.2.1"),
        ("host=\"a;b=,\";for=192.0.2.1", "192.0.2.1"),
        ("for=192.0.2.1, for=unknown", "10.0.0.1"),
        ("for=192.0.2.1, for=_hidden, for=10.2.2.2", "10.2.2.2"),
        ("for=192.0.2.1, proto=http", "10.0.0.1"),
        ("for=192.0.2.1, for=10.2.2.2;for=10.2.2.3", "10.0.0.1"),
        ("for=192.0.2.1, for = 10.2.2.2", "10.0.0.1"),
        ("for=192.0.2.1, for=", "10.0.0.1"),
        ("for=192.0.2.1, for=10.2.2.2;", "10.0.0.1"),
        ("for=192.0.2.1, for", "10.0.0.1"),
        ("for=192.0.2.1, for=10.2.2.2 x", "10.0.0.1"),
        ("for=192.0.2.1, 10.2.2.2", "10.0.0.1"),
        // A quote that the client leaves open does not hide the proxy's element.
        ("for=192.0.2.1;a=\", for=192.0.2.2", "10.0.0.1"),
        ("for=192.0.2.1;a=\", for=\"[2001:db8::1]:4711\"", "10.0.0.1"),
        (
            "for=192.0.2.1;a=\"\\, for=\"[2001:db8::1]:4711\"",
            "10.0.0.1",
        ),
        ("for=192.0.2.1;a=\"\\\", for=\"192.0.2.2\"", "10.0.0.1"),
    ] {
        assert_eq!(
            client_by(&format!("Forwarded: {elements}\r\n")),
            expected,
            "{elements}"
        );
    }
    assert_eq!(
        client_by("Forwarded: for=192.0.2.9;a=\"\r\nForwarded: for=192.0.2.1, for=10.2.2.2\r\n"),
        "192.0.2.1"
    );
}

/// A proxy adds one of the fields; the other may be from the client.
#[test]
fn fields_that_contradict_each_other_are_not_believed() {
    for (listed, element, expected) in [
        ("192.0.2.1", "for=192.0.2.1", "192.0.2.1"),
        (
            "192.0.2.2, 192.0.2.1",
            "for=192.0.2.1, for=10.2.2.2",
            "192.0.2.1",
        ),
        ("192.0.2.1", "for=192.0.2.2", "10.0.0.1"),
        ("192.0.2.1", "for=unknown", "10.0.0.1"),
        ("192.0.2.1", "", "192.0.2.1"),
        (" , ", "for=192.0.2.1", "192.0.2.1"),
    ] {
        let lines = format!("Forwarded: {element}\r\nX-Forwarded-For: {listed}\r\n");
        assert_eq!(client_by(&lines), expected, "{lines}");
    }
}
