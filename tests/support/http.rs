//! One HTTP/1.1 connection that sends exactly the bytes it is given and reads one answer at a time.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, Stream};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

/// No answer of ringest is ever later than this; a read that waits longer fails.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// One connection; answers arrive in the order of the requests.
#[derive(Debug)]
pub(crate) struct Http {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    unread: Vec<u8>,
}

/// One answer, its body read in full.
pub(crate) struct Answer {
    /// From the status line.
    pub(crate) status: u16,
    /// Without the colon, as sent.
    pub(crate) headers: Vec<(String, String)>,
    /// Its `Content-Length` bytes.
    pub(crate) body: Vec<u8>,
}

impl Http {
    /// Connects, with `TCP_NODELAY` so that each `send` leaves at once.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::new(TcpStream::connect(address)?)
    }

    /// Connects with a receive buffer as small as the system allows, for a client that does not
    /// read what it is sent.
    pub(crate) fn connect_narrow(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_recv_buffer_size(1)?;
        socket.connect(&address.into())?;
        Self::new(socket.into())
    }

    /// Connects from another address of this machine, such as any in 127.0.0.0/8.
    pub(crate) fn connect_from(source: IpAddr, address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket.connect(&address.into())?;
        Self::new(socket.into())
    }

    /// Connects to a unix socket.
    pub(crate) fn connect_unix(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        // Any stream socket, but for the options of TCP.
        Self::of(OwnedFd::from(stream).into())
    }

    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Self::of(stream)
    }

    fn of(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        stream.set_write_timeout(Some(READ_TIMEOUT))?;
        Ok(Self {
            stream,
            tls: None,
            unread: Vec::new(),
        })
    }

    /// From now on over TLS, to a server of this name: the handshake is done with the first bytes.
    pub(crate) fn secured(mut self, config: &Arc<ClientConfig>, name: &str) -> Self {
        let name = name.to_owned().try_into().expect("a name");
        let tls = ClientConnection::new(Arc::clone(config), name).expect("good");
        self.tls = Some(Box::new(tls));
        self
    }

    /// Does the TLS handshake now.
    pub(crate) fn handshake(&mut self) -> io::Result<()> {
        let tls = self.tls();
        tls.0.complete_io(tls.1).map(|_| ())
    }

    /// The TLS session, and the socket below it.
    pub(crate) fn tls(&mut self) -> (&mut ClientConnection, &mut TcpStream) {
        (self.tls.as_mut().expect("over TLS"), &mut self.stream)
    }

    /// The same connection, for a thread that sends while another reads.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Self::new(self.stream.try_clone()?)
    }

    /// Sends these bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            None => self.stream.write_all(bytes),
            Some(tls) => {
                let mut stream = Stream::new(&mut **tls, &mut self.stream);
                stream.write_all(bytes)?;
                stream.flush()
            }
        }
    }

    /// Sends these bytes, one `write` for each part.
    pub(crate) fn send_in_parts<'a>(
        &mut self,
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> io::Result<()> {
        parts.into_iter().try_for_each(|part| self.send(part))
    }

    /// Says that nothing more will be sent; answers can still be read.
    pub(crate) fn half_close(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Posts JSON and reads the answer.
    pub(crate) fn post(&mut self, path: &str, body: &[u8]) -> io::Result<Answer> {
        self.send(&request(path, "application/json", body))?;
        self.answer()
    }

    /// Reads one answer. `UnexpectedEof` when the connection ends before or within it.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let (mut answer, head_length) = self.head()?;
        let length = head_length + answer.content_length()?;
        while self.unread.len() < length {
            self.fill()?;
        }
        answer.body = self.unread[head_length..length].to_vec();
        self.unread.drain(..length);
        Ok(answer)
    }

    /// Reads an answer that ends with its head, whatever its `Content-Length` says.
    pub(crate) fn answer_to_head(&mut self) -> io::Result<Answer> {
        let (answer, head_length) = self.head()?;
        self.unread.drain(..head_length);
        Ok(answer)
    }

    /// The head of the next answer, which stays unread, and its length.
    fn head(&mut self) -> io::Result<(Answer, usize)> {
        let length = loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                break end + 4;
            }
            self.fill()?;
        };
        let answer = Answer::parse(&String::from_utf8_lossy(&self.unread[..length]))?;
        Ok((answer, length))
    }

    /// Whether nothing arrives for so long, not even the end of the connection.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        self.stream
            .set_read_timeout(Some(time))
            .expect("not a time of zero");
        let received = self.fill();
        self.stream
            .set_read_timeout(Some(READ_TIMEOUT))
            .expect("not a time of zero");
        received.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether the server closes the connection without sending anything more.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.fill() {
            Ok(()) => false,
            Err(error) => matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
            ),
        }
    }

    /// Reads to the end of the connection, quicker than any parser; how many bytes there were.
    pub(crate) fn discard(&mut self) -> usize {
        let mut chunk = vec![0; 1 << 20];
        let mut count = 0;
        while let Ok(read @ 1..) = self.stream.read(&mut chunk) {
            count += read;
        }
        count
    }

    /// Whether a part of an answer has been read.
    pub(crate) fn is_within_answer(&self) -> bool {
        !self.unread.is_empty()
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        let read = match &mut self.tls {
            None => self.stream.read(&mut chunk),
            Some(tls) => Stream::new(&mut **tls, &mut self.stream).read(&mut chunk),
        };
        match read? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.unread.extend_from_slice(&chunk[..count]);
                Ok(())
            }
        }
    }
}

impl Answer {
    /// The value of a header field, its name in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether the server will close the connection after it.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// A member of the body that is a string, `""` where it is absent.
    pub(crate) fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_default().to_owned()
    }

    fn parse(head: &str) -> io::Result<Self> {
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, head.to_owned());
        let mut lines = head.trim_end().split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 "))
            .and_then(|line| line.get(..3)?.parse().ok())
            .ok_or_else(malformed)?;
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_owned(), value.trim().to_owned()))
            })
            .collect::<Option<_>>()
            .ok_or_else(malformed)?;
        Ok(Self {
            status,
            headers,
            body: Vec::new(),
        })
    }

    /// RFC 9112 section 6.3; an answer that may have a body must say how long it is.
    fn content_length(&self) -> io::Result<usize> {
        if matches!(self.status, 100..=199 | 204 | 304) {
            return Ok(0);
        }
        self.header("content-length")
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{self:?}")))
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "{} {:?} {body}", self.status, self.headers)
    }
}

/// The bytes of a POST with a `Content-Length`.
pub(crate) fn request(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: ringest\r\nContent-Type: {content_type}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// The bytes of a POST whose body is [`chunked`].
pub(crate) fn chunked_request(path: &str, body: &[u8], chunk: usize) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: ringest\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    [head.into_bytes(), chunked(body, chunk)].concat()
}

/// A body in chunks of this size; the last one may be smaller.
pub(crate) fn chunked(body: &[u8], chunk: usize) -> Vec<u8> {
    let mut chunks = Vec::new();
    for chunk in body.chunks(chunk) {
        chunks.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunks.extend_from_slice(chunk);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    chunks
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
