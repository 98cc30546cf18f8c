//! An HTTP server as small as can be: a request a connection.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Duration,
};

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    fields: Vec<String>,
}

impl Request {
    fn read(stream: &mut impl Read) -> Option<Self> {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let line = lines.next()?;
        let path = line.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")?;
        Some(Self {
            path: path.to_owned(),
            fields: lines.take_while(|line| !line.is_empty()).collect(),
        })
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

    /// `wrap` is what lies between TCP and HTTP.
    pub(crate) fn over<S: Read + Write>(
        wrap: impl Fn(TcpStream) -> S + Send + Sync + 'static,
        respond: impl Fn(&Request, &mut S) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
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
    let location = if (300..400).contains(&status) {
        format!("Location: {body}\r\n")
    } else {
        String::new()
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status} -\r\n{location}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.flush();
}

fn locked(requests: &Mutex<Vec<Request>>) -> MutexGuard<'_, Vec<Request>> {
    requests.lock().expect("no reader panicked")
}
