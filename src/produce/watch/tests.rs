use rdkafka::ClientConfig;

use super::*;

/// The events that `client` has for us reach that count, or fall to it.
fn await_events(client: &BaseProducer<Silent>, there: impl Fn(i32) -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !there(client.in_flight_count()) {
        assert!(Instant::now() < until, "{}", client.in_flight_count());
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn events_do_not_pile_up_while_no_broker_answers() {
    let client: BaseProducer<Silent> = ClientConfig::new()
        // Nobody listens there.
        .set("bootstrap.servers", "127.0.0.1:1")
        .set("statistics.interval.ms", "10")
        .create_with_context(Silent)
        .expect("a client");
    let watch = BrokerWatch::new(&BrokerAccess::new([]));
    watch.suspect(); // so that it does not wait for long
    thread::scope(|scope| {
        scope.spawn(|| watch.run(&client, 0, &mut Reminder::new()));
        await_events(&client, |events| events > 20);
        watch.stop();
        await_events(&client, |events| events < 10);
    });
    assert!(!watch.reachable());
}
