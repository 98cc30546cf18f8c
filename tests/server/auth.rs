//! Attacks on authentication over HTTP, compared with the RFCs and the manual: a table of credentials, what
//! unauthenticated clients can learn, expiry, floods. Everything is repeated among requests with valid
//! credentials, to detect confusion in the cache.

mod bodies;
mod case;
mod cases;
mod crowds;
mod descriptions;
mod flood;
mod hygiene;
mod issuers;
mod keys;
mod reload;
mod senders;
mod shared_address;
mod table;
mod times;
mod token;
mod unauthenticated;
mod variations;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{
    http::{Answer, Http},
    mock::Mock,
    ringest::{Builder, Ringest},
    wait::{PATIENCE, eventually},
};

const EVENT: &str = "/ingest/Event/1.0";
const EVENT_2: &str = "/ingest/Event/2.0";
const ORDER: &str = "/ingest/Order/1.0";
const AUDIT: &str = "/ingest/Audit/1.0";

/// A broker and a server with four routes.
struct Rig {
    mock: Mock,
    ringest: Ringest,
}

impl Rig {
    /// A server with the [`issuers`].
    fn start() -> Self {
        Self::start_with(issuers::configure)
    }

    fn start_with(configure: impl FnOnce(Builder) -> Builder) -> Self {
        let mock = Mock::with_topics(&["events", "events-2", "orders", "audit", "signed"]);
        let builder = Ringest::builder(&mock.brokers())
            .model("Event", "1.0", "events")
            .model("Event", "2.0", "events-2")
            .model("Order", "1.0", "orders")
            .model("Audit", "1.0", "audit")
            .set("workers", "2");
        let ringest = configure(builder).start();
        Self { mock, ringest }
    }
}

/// Signals threads that the test is over, also if it fails; otherwise joining them would block.
struct Ending<'o>(&'o AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends a request and reads its answer; retries while the answer is `authentication_busy`. Reconnects
/// after an answer that closes the connection.
fn ask(ringest: &Ringest, http: &mut Http, request: &[u8]) -> Answer {
    let answered = eventually(PATIENCE, || {
        let answer = ask_once(ringest, http, request);
        (answer.status != 503).then_some(answer)
    });
    answered.expect("a verification slot")
}

fn ask_once(ringest: &Ringest, http: &mut Http, request: &[u8]) -> Answer {
    http.send(request).expect("ringest reads");
    let answer = if request.starts_with(b"HEAD ") {
        http.answer_to_head()
    } else {
        http.answer()
    };
    let answer = answer.unwrap_or_else(|error| {
        panic!("{error} to {:?}", String::from_utf8_lossy(request));
    });
    // A trailer that must not be there is seen only behind the answer, and ends the connection.
    let chunked = request.windows(7).any(|it| it == b"chunked");
    if answer.closes() || chunked {
        *http = ringest.connect();
    }
    answer
}

/// A request of no record with this credential.
fn empty(token: &str) -> Vec<u8> {
    case::post(EVENT, &case::bearer(token), b"[]")
}
