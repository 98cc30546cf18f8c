//! A token endpoint with a configurable response, and what ringest makes of it.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ringest::{
    metrics::{ProcessMetrics, TokenFetchResult},
    oauth::{TokenEndpoint, TokenRefresher, TokenSettings, TokenSource},
    produce::BrokerAccess,
};
use serde_json::json;

use crate::support::{
    server::{Request, Server, write_with},
    wait::await_that,
};

/// How an endpoint responds to a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A complete response: status and body.
    Whole(u16, String),
    /// The connection closes.
    Nothing,
    /// The connection stays open.
    Silence,
}

impl Answer {
    /// A token that lives so many seconds.
    pub(crate) fn token(token: &str, seconds: u64) -> Self {
        let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": seconds});
        Self::Whole(200, body.to_string())
    }

    pub(crate) fn ok(body: &str) -> Self {
        Self::Whole(200, body.to_owned())
    }

    fn give(&self, stream: &mut (impl Read + Write)) {
        match self {
            Self::Whole(status, body) => write_with(stream, *status, &[], body.as_bytes()),
            Self::Nothing => {}
            Self::Silence => {
                let _ = stream.read(&mut [0]);
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
    pub(crate) fn start(answer: Answer) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a port"), answer)
    }

    pub(crate) fn on(listener: TcpListener, answer: Answer) -> Self {
        let answer = Arc::new(Mutex::new(answer));
        let current = Arc::clone(&answer);
        let respond = move |_: &Request, stream: &mut TcpStream| {
            let answer = current.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = answer.clone();
            answer.give(stream);
        };
        Self {
            server: Server::on(listener, |stream| stream, respond),
            answer,
        }
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.answer.lock().expect("nobody panics with it") = answer;
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.server.requests()
    }

    pub(crate) fn settings(&self) -> TokenSettings {
        settings(&format!("{}/token", self.server.url))
    }
}

/// For a client whose identifier and secret have characters that are to be encoded.
pub(crate) fn settings(url: &str) -> TokenSettings {
    TokenSettings {
        source: TokenSource::Endpoint(TokenEndpoint {
            url: url.to_owned(),
            client_id: "me:1".to_owned(),
            client_secret: "s3cret é".to_owned(),
            scope: Some("a b".to_owned()),
            parameters: vec![("audience".to_owned(), "kafka & more+=".to_owned())],
        }),
        extensions: Vec::new(),
    }
}

/// A JWT without a signature that ends after so long.
pub(crate) fn jwt(lifetime: Duration) -> String {
    let ends = SystemTime::now() + lifetime;
    let ends = ends.duration_since(UNIX_EPOCH).expect("after 1970");
    let part = |json: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let claims = part(json!({"sub": "ringest", "exp": ends.as_secs_f64()}));
    format!("{}.{claims}.", part(json!({"alg": "none"})))
}

/// A refresher under test.
pub(crate) struct Rig {
    pub(crate) access: Arc<BrokerAccess>,
    pub(crate) metrics: Arc<ProcessMetrics>,
    refresher: TokenRefresher,
}

impl Rig {
    pub(crate) fn start(settings: &TokenSettings) -> Self {
        let access = BrokerAccess::new([]);
        let metrics = Arc::new(ProcessMetrics::default());
        let refresher = TokenRefresher::new(&access, &metrics);
        let mut rig = Self {
            access,
            metrics,
            refresher,
        };
        rig.follow(settings);
        rig
    }

    /// Uses other settings, or tries again, as after a reload.
    pub(crate) fn follow(&mut self, settings: &TokenSettings) {
        self.refresher
            .follow(Some(settings), || {})
            .expect("a thread");
    }

    pub(crate) fn count(&self, result: TokenFetchResult) -> u64 {
        self.metrics.tokens.count_of(result)
    }

    #[track_caller]
    pub(crate) fn await_count(&self, result: TokenFetchResult, count: u64) {
        await_that(&format!("not {count} that are {result:?}"), || {
            self.count(result) >= count
        });
    }
}
