//! Paths and methods: what is behind them is told to those who may send, and to nobody else
//! ([`crate::auth::unauthenticated`] compares unauthenticated answers).

use crate::auth::{
    EVENT,
    case::{
        Cases,
        Expected::{self, Accepted, Denied, NoCredential, Status},
        bearer,
    },
    issuers::ED,
};

pub(crate) fn add(cases: &mut Cases) {
    let good = bearer(&ED.jwt().token());
    let bad = bearer("x.y.z");
    let mut row = |method: &str, path: &str, who: &str, expected: Expected| {
        let line: &[u8] = match who {
            "good" => &good,
            "bad" => &bad,
            _ => b"",
        };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: ringest\r\n");
        let request = [head.as_bytes(), line, b"\r\n"].concat();
        cases.request(
            &format!("{method} {path}, credential: {who}"),
            request,
            expected,
        );
    };
    for method in [
        "GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "BREW", "post", "options", "OPTIONSX",
    ] {
        row(method, EVENT, "good", Status(405));
        row(method, "/ingest/Nothing", "good", Status(404));
        for path in [EVENT, "/ingest/Nothing", "/ingest/", "/ingest"] {
            row(method, path, "none", NoCredential);
            row(method, path, "bad", Denied);
        }
    }
    for path in [
        "/INGEST/EVENT/1.0",
        "/%69ngest/Event/1.0",
        "/ingest/%45vent/1%2E0",
        "/ingest/Event/1.0/",
        "/ingest/Event/1.0?x=1",
        "/ingest/Event/1.0;x=1",
        "/ingest//Event/1.0",
        "/ingest/./Event/1.0",
        "/ingest/Event/../Event/1.0",
        "//ingest/Event/1.0",
        "/health/../ingest/Event/1.0",
        "/ingest/Event/1.0%00",
        "/ingest/../health",
    ] {
        row("POST", path, "none", NoCredential);
        row("POST", path, "bad", Denied);
    }
    for (method, path) in [
        ("GET", "/health"),
        ("HEAD", "/health"),
        ("GET", "/health?access_token=x"),
    ] {
        for who in ["none", "good", "bad"] {
            row(method, path, who, Status(200));
        }
    }
    let old = [
        b"POST /ingest/Event/1.0 HTTP/1.0\r\n",
        good.as_slice(),
        b"Content-Length: 2\r\n\r\n[]",
    ];
    cases.request("HTTP/1.0, good", old.concat(), Accepted);
    let old = b"POST /ingest/Event/1.0 HTTP/1.0\r\nContent-Length: 2\r\n\r\n[]";
    cases.request("HTTP/1.0, no credential", old.to_vec(), NoCredential);
}
