//! What the tests of all floors check.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use crate::listen::listen;

/// Time limit for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST: &[u8] =
    b"POST /ingest/Event/1.0 HTTP/1.1\r\nHost: a\r\nContent-Length: 14\r\n\r\n{\"accepted\":0}";
const BODY: &str = "{\"accepted\":1}";

/// Runs a server and checks its answers to requests that are cut, pipelined, large, invalid, and sent by
/// clients that do not read.
///
/// # Panics
/// Where an answer is wrong or missing.
pub fn check(serve: impl FnOnce(TcpListener) -> io::Result<()> + Send + 'static) {
    let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).expect("a listener");
    let server = listener.local_addr().expect("an address");
    thread::spawn(move || serve(listener).expect("it serves"));
    cut(server);
    pipelined(server);
    large(server);
    invalid(server);
    unread(server);
    // Connections that have ended make room for others.
    for _ in 0..50 {
        cut(server);
    }
}

/// A connection with a time limit.
fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("connected");
    stream.set_read_timeout(Some(TIMEOUT)).expect("set");
    stream.set_write_timeout(Some(TIMEOUT)).expect("set");
    stream.set_nodelay(true).expect("set");
    stream
}

/// Reads so many answers, and no more.
fn answers(stream: &mut TcpStream, count: usize) {
    let mut received = String::new();
    while received.matches(BODY).count() < count {
        let mut part = [0; 4_096];
        let read = stream.read(&mut part).expect("an answer");
        assert_ne!(read, 0, "closed after {received}");
        received.push_str(str::from_utf8(&part[..read]).expect("text"));
    }
    assert!(received.starts_with("HTTP/1.1 200 OK\r\n"), "{received}");
    assert!(received.ends_with(BODY), "{received}");
    assert_eq!(received.matches("HTTP/1.1 200 OK").count(), count);
}

fn cut(server: SocketAddr) {
    let mut stream = connect(server);
    for cut in [0, 1, 40, REQUEST.len() - 15, REQUEST.len() - 1] {
        stream.write_all(&REQUEST[..cut]).expect("sent");
        thread::sleep(Duration::from_millis(1));
        stream.write_all(&REQUEST[cut..]).expect("sent");
        answers(&mut stream, 1);
    }
}

fn pipelined(server: SocketAddr) {
    let mut stream = connect(server);
    stream.write_all(&REQUEST.repeat(100)).expect("sent");
    answers(&mut stream, 100);
    stream
        .write_all(&[REQUEST, &REQUEST[..50]].concat())
        .expect("sent");
    answers(&mut stream, 1);
    stream.write_all(&REQUEST[50..]).expect("sent");
    answers(&mut stream, 1);
}

fn large(server: SocketAddr) {
    let mut stream = connect(server);
    let body = vec![b' '; 300_000];
    let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
    for _ in 0..5 {
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(&body).expect("sent");
        answers(&mut stream, 1);
    }
}

fn invalid(server: SocketAddr) {
    let mut stream = connect(server);
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
    match stream.read(&mut [0; 100]) {
        Ok(read) => assert_eq!(read, 0, "an invalid request is answered"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

/// A client that sends without reading is not served without end, and disturbs no other.
fn unread(server: SocketAddr) {
    let mut stream = connect(server);
    stream.set_nonblocking(true).expect("set");
    let requests = REQUEST.repeat(1_000);
    for _ in 0..200 {
        if stream.write(&requests).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
    }
    cut(server);
}
