//! A JWKS endpoint with a configurable response.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use crate::support::{
    server::{Request, Server, write_with},
    wait::await_that,
};

/// How an endpoint responds to a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A complete response: status, header fields, body.
    Whole(u16, Vec<String>, Vec<u8>),
    /// The connection closes.
    Nothing,
    /// The connection stays open.
    Silence,
    /// The set of these keys, once that is so.
    Late(Arc<AtomicBool>, Vec<&'static str>),
}

impl Answer {
    /// The set of these keys, with these header fields.
    pub(crate) fn keys(ids: &[&str], fields: &[&str]) -> Self {
        Self::status(200, fields, set(ids).as_bytes())
    }

    pub(crate) fn status(status: u16, fields: &[&str], body: &[u8]) -> Self {
        let fields = fields.iter().map(|&field| field.to_owned()).collect();
        Self::Whole(status, fields, body.to_vec())
    }

    fn give(&self, stream: &mut (impl Read + Write)) {
        match self {
            Self::Whole(status, fields, body) => {
                let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
                write_with(stream, *status, &fields, body);
            }
            Self::Nothing => {}
            Self::Silence => {
                let _ = stream.read(&mut [0]);
            }
            Self::Late(once, ids) => {
                await_that("it is never asked for", || once.load(Relaxed));
                Self::keys(ids, &[]).give(stream);
            }
        }
    }
}

/// Sends the same response until another one is configured.
pub(crate) struct Endpoint {
    server: Server,
    answer: Arc<Mutex<Answer>>,
}

impl Endpoint {
    /// Serves a set of these keys.
    pub(crate) fn start(ids: &[&str]) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a port"), ids)
    }

    /// As [`Endpoint::start`], on an existing listener.
    pub(crate) fn on(listener: TcpListener, ids: &[&str]) -> Self {
        let answer = Arc::new(Mutex::new(Answer::keys(ids, &[])));
        let current = Arc::clone(&answer);
        let respond = move |_: &Request, stream: &mut TcpStream| {
            let answer = current
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            answer.give(stream);
        };
        Self {
            server: Server::on(listener, |stream| stream, respond),
            answer,
        }
    }

    /// Sets the response.
    pub(crate) fn answer(&self, answer: Answer) {
        *self.answer.lock().expect("nobody panics with it") = answer;
    }

    /// Serves a set of these keys from now on.
    pub(crate) fn serve(&self, ids: &[&str]) {
        self.answer(Answer::keys(ids, &[]));
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/jwks.json", self.server.url)
    }

    /// The number of requests.
    pub(crate) fn request_count(&self) -> usize {
        self.server.requests().len()
    }

    /// The times of the requests.
    pub(crate) fn request_times(&self) -> Vec<Instant> {
        self.requests().iter().map(|request| request.at).collect()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.server.requests()
    }
}

/// A set of secrets for HS256, each derived from its `kid`.
pub(crate) fn set(ids: &[&str]) -> String {
    let keys = ids.iter().map(|id| {
        let secret = BASE64_URL_SAFE_NO_PAD.encode(secret(id));
        json!({ "kty": "oct", "alg": "HS256", "kid": id, "k": secret })
    });
    json!({ "keys": keys.collect::<Vec<_>>() }).to_string()
}

/// The secret of a key: 32 bytes, as many as HS256 needs.
pub(crate) fn secret(id: &str) -> [u8; 32] {
    let mut secret = [b'.'; 32];
    secret[..id.len()].copy_from_slice(id.as_bytes());
    secret
}
