//! A head reads the same whole and split where the input's first bytes say, and whatever its connection had before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringest::http::{HeadLimits, HeadParser};

fuzz_target!(|data: &[u8]| {
    let [seed, tight, request @ ..] = data else {
        return;
    };
    let usual = HeadLimits {
        head_bytes_max: 16_384,
        headers_max: 100,
    };
    let tight = HeadLimits {
        head_bytes_max: usize::from(*tight),
        headers_max: usize::from(*seed % 8),
    };
    for limits in [usual, tight] {
        let whole = HeadParser::new(limits).parse(request);
        let mut parser = HeadParser::new(limits);
        let mut end = 0;
        let split = loop {
            match parser.parse(&request[..end]) {
                Ok(None) if end < request.len() => {
                    end = (end + 1 + end * usize::from(*seed) % 7).min(request.len());
                }
                decided => break decided,
            }
        };
        assert_eq!(whole, split);
        // After itself, and after itself with another byte.
        for change in [0, 1] {
            let mut before = request.to_vec();
            let len = before.len();
            if let Some(byte) = before.get_mut(usize::from(*seed) % len.max(1)) {
                *byte ^= change;
            }
            let mut parser = HeadParser::new(limits);
            let _ = parser.parse(&before);
            parser.reset();
            assert_eq!(parser.parse(request), whole);
        }
        if let Ok(Some(head)) = whole {
            assert!(head.len <= request.len() && head.len <= limits.head_bytes_max);
            assert!(head.path.of(request).len() < head.len);
            // The head alone is the same head.
            assert_eq!(HeadParser::new(limits).parse(&request[..head.len]), whole);
        }
    }
});
