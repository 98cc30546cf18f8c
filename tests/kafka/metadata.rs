//! Brokers that are slow with metadata and with nothing else.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::support::{
    event::{PATH, RECORD},
    jars::Jars,
    kafka::Kafka,
    ringest::Ringest,
    wait::await_that,
};

/// Kafka's API key of requests for metadata.
const METADATA: [u8; 2] = [0, 3];

/// Longer than ringest waits for it.
const DELAY: Duration = Duration::from_secs(4);

const CLIENTS: usize = 8;
const RECORDS_PER_CLIENT: usize = 50;
const ROUNDS: usize = 3;

pub(crate) fn is_slow_alone(jars: &Jars) {
    // Clients reach the broker through a proxy only: it is advertised.
    let listener = TcpListener::bind(("127.0.0.2", 0)).expect("loopback has free ports");
    let proxy = listener.local_addr().expect("it is bound").to_string();
    let advertised = format!("CLIENT://{proxy}");
    let kafka = Kafka::start_with(jars, &[("advertised.listeners", &advertised)], &[]);
    let is_slow = Arc::new(AtomicBool::new(false));
    let (broker, slow) = (kafka.cluster().brokers().to_owned(), Arc::clone(&is_slow));
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(broker)) = (client, TcpStream::connect(&broker)) else {
                continue;
            };
            forward(client, broker, &slow);
        }
    });

    let topic = kafka.cluster().create_topic("slow", 3, &[]);
    let ringest = Ringest::builder(&proxy)
        .model("Event", "1.0", &topic)
        .set("workers", "1")
        .start();
    await_that("nothing is accepted", || {
        let answer = ringest.connect().post(PATH, RECORD).expect("an answer");
        answer.status == 200
    });
    let first = kafka.cluster().read(&topic).len();
    is_slow.store(true, Ordering::Relaxed);
    await_that("metadata is there", || {
        ringest
            .log()
            .contains("no Kafka broker answers requests for metadata")
    });
    for _ in 0..ROUNDS {
        // So long that the last report is no evidence any more.
        thread::sleep(Duration::from_millis(1_500));
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut http = ringest.connect();
                    for _ in 0..RECORDS_PER_CLIENT {
                        let answer = http.post(PATH, RECORD).expect("an answer");
                        assert_eq!(answer.status, 200, "{answer:?}");
                    }
                });
            }
        });
    }
    is_slow.store(false, Ordering::Relaxed);
    let count = kafka.cluster().read(&topic).len();
    assert_eq!(count, first + ROUNDS * CLIENTS * RECORDS_PER_CLIENT);
}

/// Forwards a connection's bytes both ways; requests for metadata wait while that is slow.
fn forward(client: TcpStream, broker: TcpStream, is_slow: &Arc<AtomicBool>) {
    let answers = (broker.try_clone(), client.try_clone());
    let is_slow = Arc::clone(is_slow);
    thread::spawn(move || forward_requests(client, broker, &is_slow));
    if let (Ok(mut broker), Ok(mut client)) = answers {
        thread::spawn(move || io::copy(&mut broker, &mut client));
    }
}

fn forward_requests(
    mut client: TcpStream,
    mut broker: TcpStream,
    is_slow: &AtomicBool,
) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        client.read_exact(&mut request)?;
        if request.starts_with(&METADATA) && is_slow.load(Ordering::Relaxed) {
            thread::sleep(DELAY);
        }
        broker.write_all(&[&length, &request[..]].concat())?;
    }
}
