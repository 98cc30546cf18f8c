//! The gateway that ringest is compared with, written in the conventional way: axum,
//! `serde_json::Value`, rdkafka's `FutureProducer`. `POST /ingest/{model}/{version}` accepts an
//! object or an array of objects, serialises and sends each, waits for every delivery report and
//! responds `200 {"accepted":N}`. The comparison favours this side: it has no tracing layer and no
//! validation beyond "is it an object". Tokens are required if the command line has keys for them.

mod authentication;

use std::{collections::HashMap, net::SocketAddr, path::PathBuf, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    routing::post,
    serve::ListenerExt,
};
use clap::Parser;
use rdkafka::{
    ClientConfig,
    error::{KafkaError, KafkaResult},
    producer::{FutureProducer, FutureRecord},
    types::RDKafkaErrorCode,
};
use serde::Serialize;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use authentication::{Authentication, Client};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes of a request's body, at most; ringest's default.
const BODY_BYTES_MAX: usize = 10_485_760;

/// Accepts JSON at /ingest/{model}/{version} and produces it to Kafka.
#[derive(Parser)]
struct Arguments {
    /// Address to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Bootstrap brokers, as `host:port,…`.
    #[arg(long)]
    brokers: String,
    /// tokio's worker threads.
    #[arg(long, default_value_t = 1)]
    worker_threads: usize,
    /// A route and its topic, as `model/version=topic`.
    #[arg(long, required = true, value_parser = route)]
    route: Vec<(String, String)>,
    /// Accept RS256 JWTs; PEM file with the issuer's public key.
    #[arg(long, requires_all = ["issuer", "audience"])]
    jwt_public_key: Option<PathBuf>,
    /// Required `iss` of the JWTs.
    #[arg(long, requires = "jwt_public_key")]
    issuer: Option<String>,
    /// Required `aud` of the JWTs.
    #[arg(long, requires = "jwt_public_key")]
    audience: Option<String>,
    /// Accept API keys `<password>.<salt>`; file with one PBKDF2 hash a line, in hex.
    #[arg(long)]
    api_key_hashes: Option<PathBuf>,
}

fn route(text: &str) -> Result<(String, String), &'static str> {
    let (path, topic) = text.split_once('=').ok_or("expected model/version=topic")?;
    Ok((path.to_owned(), topic.to_owned()))
}

struct Gateway {
    authentication: Option<Authentication>,
    producer: FutureProducer,
    topics: HashMap<String, String>,
}

#[derive(Serialize)]
struct Accepted {
    accepted: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(arguments.worker_threads)
        .enable_all()
        .build()?
        .block_on(serve(arguments))
}

async fn serve(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let jwt = arguments
        .jwt_public_key
        .as_deref()
        .zip(arguments.issuer.as_deref())
        .zip(arguments.audience.as_deref())
        .map(|((public_key, issuer), audience)| (public_key, issuer, audience));
    let gateway = Gateway {
        authentication: Authentication::new(jwt, arguments.api_key_hashes.as_deref())?,
        producer: producer(&arguments.brokers)?,
        topics: arguments.route.into_iter().collect(),
    };
    let router = Router::new()
        .route("/ingest/{model}/{version}", post(ingest))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(gateway));
    let listener = TcpListener::bind(arguments.listen).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = listener.tap_io(|stream| {
        // Without it small responses may wait for the client's acknowledgement. If it can't be set,
        // the connection still works.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await?;
    Ok(())
}

fn producer(brokers: &str) -> KafkaResult<FutureProducer> {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "1")
        .set("message.timeout.ms", "10000")
        .create()
}

async fn ingest(
    _client: Client,
    State(gateway): State<Arc<Gateway>>,
    Path((model, version)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Result<Json<Accepted>, StatusCode> {
    let topic = gateway
        .topics
        .get(&format!("{model}/{version}"))
        .ok_or(StatusCode::NOT_FOUND)?;
    let records = match body {
        Value::Array(records) => records,
        record => vec![record],
    };
    if !records.iter().all(Value::is_object) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let mut deliveries = Vec::with_capacity(records.len());
    for record in &records {
        let payload = serde_json::to_vec(record).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        let message = FutureRecord::<(), _>::to(topic).payload(&payload);
        let delivery = gateway
            .producer
            .send_result(message)
            .map_err(|(error, _)| failure(&error))?;
        deliveries.push(delivery);
    }
    for delivery in deliveries {
        delivery
            .await
            .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?
            .map_err(|(error, _)| failure(&error))?;
    }
    Ok(Json(Accepted {
        accepted: records.len(),
    }))
}

fn failure(error: &KafkaError) -> StatusCode {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull | RDKafkaErrorCode::MessageTimedOut) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
