//! A header of the PROXY protocol reads the same however it arrives, and the client's address is one
//! that a field or the proxy has.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use ringest::http::{
    ConnectionStart, HeadLimits, HeadParser, PROXY_HEADER_BYTES_MAX, client, proxy_header,
};

const LIMITS: HeadLimits = HeadLimits {
    head_bytes_max: 16_384,
    headers_max: 100,
};

fuzz_target!(|data: &[u8]| {
    let whole = proxy_header(data);
    for end in 0..data.len().min(300) {
        let so_far = proxy_header(&data[..end]);
        assert!(so_far == Ok(ConnectionStart::Incomplete) || so_far == whole);
    }
    let mut request = data;
    if let Ok(ConnectionStart::Proxy(header)) = whole {
        assert!(header.len <= data.len() && header.len <= PROXY_HEADER_BYTES_MAX);
        assert_eq!(proxy_header(&data[..header.len]), whole);
        request = &data[header.len..];
    }
    if let Ok(Some(head)) = HeadParser::new(LIMITS).parse(request) {
        let head = &request[..head.len];
        let is_trusted = |it: IpAddr| matches!(it, IpAddr::V4(it) if it.octets()[0] == 10);
        // Without a hop that is trusted, the client is the last hop or the proxy.
        let found = client(head, is_trusted);
        let nearest = client(head, |_| false);
        assert!(found == nearest || found.is_none() || nearest.is_none_or(is_trusted));
        let furthest = client(head, |_| true);
        assert_eq!(furthest, furthest.map(|it| it.to_canonical()));
    }
});
