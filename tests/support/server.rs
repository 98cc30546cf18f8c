//! An HTTP server as small as can be: a request a connection, GET or POST.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use socket2::{Domain, Socket, Type};

/// What [`Server::tls`] shows: a certificate for 127.0.0.1 that signs itself and is good from 2020 to
/// 2126.
pub(crate) const CERTIFICATE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/127.0.0.1.pem");

const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/127.0.0.1.key");

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) at: Instant,
    /// The body of a POST; of a GET it is empty.
    pub(crate) body: String,
    fields: Vec<String>,
}

impl Request {
    fn read(stream: &mut impl Read) -> Option<Self> {
        let mut stream = BufReader::new(stream);
        let mut lines = stream.by_ref().lines().map_while(Result::ok);
        let line = lines.next()?;
        let path = line
            .strip_prefix("GET ")
            .or_else(|| line.strip_prefix("POST "))?;
        let mut request = Self {
            path: path.strip_suffix(" HTTP/1.1")?.to_owned(),
            at: Instant::now(),
            body: String::new(),
            fields: lines.take_while(|line| !line.is_empty()).collect(),
        };
        if let Some(length) = request.field("Content-Length") {
            let length = length.parse().ok()?;
            stream.take(length).read_to_string(&mut request.body).ok()?;
        }
        Some(request)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Ends with the process.
pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers with a status and a body, which for 3xx is the `Location`.
    pub(crate) fn start(
        answer: impl Fn(&Request) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        Self::over(
            |stream| stream,
            move |request, stream| {
                let (status, body) = answer(request);
                write(stream, status, &body);
            },
        )
    }

    /// Takes the question and says nothing.
    pub(crate) fn silent() -> Self {
        Self::over(
            |stream| stream,
            |_, stream| {
                let _ = stream.read(&mut [0]);
            },
        )
    }

    /// Always has a byte more to say.
    pub(crate) fn dripping() -> Self {
        Self::over(
            |stream| stream,
            |_, stream| {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
                let mut written = stream.write_all(head);
                while written.is_ok() {
                    thread::sleep(Duration::from_millis(10));
                    written = stream.write_all(b" ");
                }
            },
        )
    }

    /// Its URL starts with `https`.
    pub(crate) fn tls(answer: impl Fn(&Request) -> (u16, String) + Send + Sync + 'static) -> Self {
        let certificate = CertificateDer::from_pem_file(CERTIFICATE).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(KEY).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("they are there")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("they go together");
        let config = Arc::new(config);
        let wrap = move |stream: TcpStream| {
            let connection =
                ServerConnection::new(Arc::clone(&config)).expect("a good configuration");
            StreamOwned::new(connection, stream)
        };
        let mut server = Self::over(wrap, move |request, stream| {
            let (status, body) = answer(request);
            write(stream, status, &body);
        });
        server.url = server.url.replace("http:", "https:");
        server
    }

    /// `wrap` is what lies between TCP and HTTP.
    pub(crate) fn over<S: Read + Write>(
        wrap: impl Fn(TcpStream) -> S + Send + Sync + 'static,
        respond: impl Fn(&Request, &mut S) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self::on(listener, wrap, respond)
    }

    /// As [`Server::over`], where somebody listens already.
    pub(crate) fn on<S: Read + Write>(
        listener: TcpListener,
        wrap: impl Fn(TcpStream) -> S + Send + Sync + 'static,
        respond: impl Fn(&Request, &mut S) + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("its address");
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let seen = Arc::clone(&requests);
        let (wrap, respond) = (Arc::new(wrap), Arc::new(respond));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (wrap, respond, seen) =
                    (Arc::clone(&wrap), Arc::clone(&respond), Arc::clone(&seen));
                thread::spawn(move || {
                    let mut stream = wrap(stream);
                    if let Some(request) = Request::read(&mut stream) {
                        locked(&seen).push(request.clone());
                        respond(&request, &mut stream);
                    }
                });
            }
        });
        Self {
            url: format!("http://{address}"),
            requests,
        }
    }

    /// All so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        locked(&self.requests).clone()
    }
}

/// Sends one answer; a client that has gone misses it.
pub(crate) fn write(stream: &mut impl Write, status: u16, body: &str) {
    let location = format!("Location: {body}");
    let is_redirect = (300..400).contains(&status);
    let fields: &[&str] = if is_redirect { &[&location] } else { &[] };
    write_with(stream, status, fields, body.as_bytes());
}

/// As [`write`], with these header fields.
pub(crate) fn write_with(stream: &mut impl Write, status: u16, fields: &[&str], body: &[u8]) {
    let mut head = format!("HTTP/1.1 {status} -\r\nConnection: close\r\n");
    for field in fields {
        head.push_str(field);
        head.push_str("\r\n");
    }
    let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(body);
    let _ = stream.flush();
}

/// Bound and not listening: the port refuses, and nobody else gets it as long as the socket lives.
pub(crate) fn refusing_address() -> (SocketAddr, Socket) {
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    bound.bind(&loopback.into()).expect("a port");
    let address = bound.local_addr().expect("its address").as_socket();
    (address.expect("an address of the Internet"), bound)
}

fn locked(requests: &Mutex<Vec<Request>>) -> MutexGuard<'_, Vec<Request>> {
    requests.lock().expect("no reader panicked")
}
