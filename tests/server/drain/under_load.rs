//! A drain while clients send.

use super::*;

/// How a client under load has fared.
#[derive(Debug, Default)]
struct Tally {
    accepted: Vec<usize>,
    refused: usize,
    /// Requests that had no answer, though they were sent soon after the one before.
    cut: usize,
}

/// Posts numbered records, without a pause, until the server says that it ends.
fn client(address: SocketAddr, numbers: impl Iterator<Item = usize>) -> Tally {
    let mut tally = Tally::default();
    let mut http = Http::connect(address).expect("ringest accepts");
    let mut answered = Instant::now();
    for number in numbers {
        let sent = http.send(&request(PATH, "application/json", &numbered(number)));
        let was_prompt = answered.elapsed() < Duration::from_millis(250);
        match sent.and_then(|()| http.answer()) {
            Ok(answer) if answer.status == 200 => {
                answered = Instant::now();
                tally.accepted.push(number);
                if answer.closes() {
                    return tally;
                }
            }
            Ok(answer) => {
                assert_eq!(answer.status, 503, "{answer:?}");
                assert_eq!(answer.text("code"), "draining", "{answer:?}");
                assert_eq!(answer.text("persisted"), "no", "{answer:?}");
                assert!(answer.closes(), "{answer:?}");
                tally.refused += 1;
                return tally;
            }
            // On a busy machine a client can be held up for longer than idle connections are
            // kept during a drain.
            Err(_) => {
                tally.cut += usize::from(was_prompt);
                return tally;
            }
        }
    }
    tally
}

#[test]
fn under_load_no_request_is_cut() {
    const CLIENTS: usize = 20;
    let (mock, mut ringest) = start(|it| it.set("workers", "2"));
    let address = ringest.address();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client_number| {
            thread::spawn(move || client(address, (client_number..).step_by(CLIENTS)))
        })
        .collect();
    await_that("the clients do nothing", || {
        ringest.count("ringest_records_delivered_total") > 1_000
    });
    ringest.begin_drain();
    assert_eq!(ringest.exited().code(), DRAINED);
    assert_last_line(&ringest, 0, 0);
    let tallies: Vec<Tally> = clients
        .into_iter()
        .map(|client| client.join().expect("only answers that may be"))
        .collect();
    let cut: usize = tallies.iter().map(|tally| tally.cut).sum();
    assert_eq!(cut, 0, "{tallies:?}");
    let accepted: usize = tallies.iter().map(|tally| tally.accepted.len()).sum();
    let topic = mock.cluster().read(TOPIC);
    // And the one of the start. The mock keeps the last 5 MiB, which this does not fill.
    assert_eq!(topic.len(), accepted + 1, "what was acknowledged is there");
}
