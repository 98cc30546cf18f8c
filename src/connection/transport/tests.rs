use std::{
    io::Write,
    net::{TcpListener, TcpStream as StdStream},
    rc::Rc,
};

use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

use super::*;
use crate::{
    buffer::Pool,
    deadline::Deadlines,
    http::{HeadLimits, HeadParser},
};

/// Runs `test` with a client on epoll and, where there is one, on a ring.
fn run<T: Future<Output = ()>>(test: impl Fn(StdStream, Transport) -> T) {
    let mut epoll = RuntimeBuilder::<LegacyDriver>::new()
        .build()
        .expect("epoll");
    epoll.block_on(async { with_client(&test, true).await });
    if let Ok(mut ring) = RuntimeBuilder::<IoUringDriver>::new().build() {
        ring.block_on(async { with_client(&test, false).await });
    }
}

async fn with_client<T: Future<Output = ()>>(
    test: impl Fn(StdStream, Transport) -> T,
    nonblocking: bool,
) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = StdStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    let (accepted, _) = listener.accept().expect("a client");
    accepted.set_nonblocking(nonblocking).expect("a socket");
    let deadline = Rc::new(Deadlines::default()).watch(accepted.as_raw_fd(), None);
    let stream = TcpStream::from_std(accepted).expect("a socket");
    let input = Rc::new(Pool::default()).take(0);
    test(client, Transport::new(stream, deadline, input)).await;
}

fn request(framing: &str, body_bytes: usize) -> Vec<u8> {
    let head = format!("POST / HTTP/1.1\r\nHost: ringest\r\n{framing}\r\n\r\n");
    [head.into_bytes(), vec![b' '; body_bytes]].concat()
}

fn sized(body_bytes: usize) -> Vec<u8> {
    request(&format!("Content-Length: {body_bytes}"), body_bytes)
}

/// Takes in the request that the client sends; the next one is awaited.
async fn exchange(client: &mut StdStream, transport: &mut Transport, request: &[u8]) {
    client.write_all(request).expect("room");
    let mut parser = HeadParser::new(HeadLimits {
        head_bytes_max: 1_000,
        headers_max: 10,
    });
    transport.receive(usize::MAX).await.expect("a client");
    let head = parser.parse(transport.rest()).expect("a request");
    transport.begin_request(&head.expect("all of its head"));
    let mut left = request.len() - transport.input().filled();
    while left > 0 {
        transport.start = transport.input().filled();
        transport.release_input(0);
        left -= transport.receive(left).await.expect("a client");
    }
    transport.start = transport.input().filled();
    transport.shrink_input();
    assert_eq!(transport.input().capacity(), SEGMENT_BYTES_MIN);
}

#[test]
fn a_request_like_the_last_one_is_received_at_once() {
    run(async |mut client, mut transport| {
        let request = sized(10_000);
        for _ in 0..2 {
            exchange(&mut client, &mut transport, &request).await;
            client.write_all(&request).expect("room");
            let received = transport.receive_expected().await;
            received.expect("a client");
            assert_eq!(transport.rest(), request);
            transport.start = request.len();
            transport.shrink_input();
        }
    });
}

#[test]
fn no_other_request_is_expected() {
    run(async |mut client, mut transport| {
        let others = [
            sized(SEGMENT_BYTES_MIN / 2),
            sized(INPUT_BYTES),
            request("Transfer-Encoding: chunked", 10_000),
        ];
        for request in others {
            exchange(&mut client, &mut transport, &request).await;
            let received = transport.receive_expected().await;
            received.expect("no wait");
            assert_eq!(transport.input().filled(), 0);
        }
    });
}

#[test]
fn at_the_end_of_the_stream_no_large_segment_is_kept() {
    run(async |mut client, mut transport| {
        exchange(&mut client, &mut transport, &sized(10_000)).await;
        drop(client);
        let received = transport.receive_expected().await;
        received.expect("the next read finds the end");
        assert_eq!(transport.input().capacity(), SEGMENT_BYTES_MIN);
        assert_eq!(transport.receive(usize::MAX).await.expect("no error"), 0);
    });
}
