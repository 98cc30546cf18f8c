use std::sync::mpsc::TryRecvError;

use prost::Message as _;

use super::{
    message::{ExportTraceServiceRequest, Span, any_value::Value},
    otlp::Process,
    *,
};

const PARENT: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A sampler, and what it has queued; there is room for `room` requests.
fn sampler(ratio: f64, room: usize) -> (Sampler, Receiver<Box<TracedRequest>>) {
    let (queue, requests) = mpsc::sync_channel(room);
    let (stop, _) = mpsc::channel();
    let tracer = Tracer {
        threshold: threshold(ratio),
        queue,
        process: Arc::default(),
        stop,
    };
    (Sampler::new(&Arc::new(tracer)), requests)
}

fn request(context: SpanContext) -> TracedRequest {
    let ms = |time| Some(Duration::from_millis(time));
    TracedRequest {
        context,
        ended: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000),
        duration: Duration::from_millis(10),
        stages: [ms(1), ms(2), None, None],
        route: Some("/ingest/Event/1.0".into()),
        principal: Some(principal(&"x".repeat(1_000))),
        client: std::net::IpAddr::from([192, 0, 2, 1]).into(),
        request_id: "an-id".into(),
        status: 503,
        code: "queue_full",
        bytes: 12,
        records: 3,
    }
}

#[test]
fn a_request_is_sampled_as_its_parent_is_or_else_at_random() {
    let unsampled = [&PARENT[..PARENT.len() - 1], b"0"].concat();
    for (ratio, expected) in [(0.0, 0..=0), (1.0, 10_000..=10_000), (0.1, 800..=1_200)] {
        let (sampler, _requests) = sampler(ratio, 1);
        let begin = |parent| sampler.begin(parent, Method::Post);
        let count = (0..10_000).filter(|_| begin(None).is_some()).count();
        assert!(expected.contains(&count), "{ratio}: {count}");
        let span = begin(Some(PARENT)).expect("as its parent is");
        assert_eq!(span.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(span.parent_id.map(|it| it[7]), Some(0xb7));
        assert_eq!(begin(Some(&unsampled)), None);
        if ratio >= 1.0 {
            let span = begin(Some(b"00-malformed")).expect("as one without a parent");
            assert_eq!(span.parent_id, None);
        }
    }
    let (sampler, _requests) = sampler(1.0, 1);
    let ids: std::collections::HashSet<_> = (0..1_000)
        .filter_map(|_| sampler.begin(None, Method::Post))
        .map(|span| (span.trace_id, span.span_id))
        .collect();
    assert_eq!(ids.len(), 1_000);
}

#[test]
fn a_full_queue_drops_what_comes_and_counts_it() {
    let (sampler, requests) = sampler(1.0, 2);
    for _ in 0..5 {
        let span = sampler.begin(None, Method::Post).expect("all are sampled");
        sampler.end(request(*span));
    }
    assert_eq!(sampler.tracer.process.traces(TraceResult::Dropped), 3);
    assert_eq!(requests.iter().take(2).count(), 2);
    assert_eq!(requests.try_recv().map(|_| ()), Err(TryRecvError::Empty));
}

#[test]
fn a_request_is_a_span_with_one_for_each_stage_that_it_has_reached() {
    let (sampler, _requests) = sampler(1.0, 1);
    let context = *sampler.begin(Some(PARENT), Method::Post).expect("sampled");
    let message = Process::new("edge").encode(&[Box::new(request(context.clone()))]);
    let message = ExportTraceServiceRequest::decode(&*message).expect("it is one");
    let [resource] = &message.resource_spans[..] else {
        panic!("{message:?}");
    };
    let [scope] = &resource.scope_spans[..] else {
        panic!("{message:?}");
    };
    let shown = |span: &Span| {
        let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
        (
            span.name.clone(),
            span.kind,
            start / 1_000_000,
            end / 1_000_000,
        )
    };
    let shown: Vec<_> = scope.spans.iter().map(shown).collect();
    let expected = [
        ("POST /ingest/Event/1.0", 2, 999_990, 1_000_000),
        ("authenticate", 1, 999_990, 999_991),
        ("receive", 1, 999_991, 999_993),
    ];
    let expected = expected.map(|(name, kind, start, end)| (name.to_owned(), kind, start, end));
    assert_eq!(shown, expected);
    let [request, stages @ ..] = &scope.spans[..] else {
        panic!("no span");
    };
    assert_eq!(request.span_id, context.span_id);
    assert_eq!(
        request.parent_span_id,
        [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]
    );
    assert!(stages.iter().all(|it| it.parent_span_id == context.span_id));
    assert_ne!(stages[0].span_id, stages[1].span_id);
    assert!(scope.spans.iter().all(|it| it.trace_id == context.trace_id));
    let status = request.status.as_ref().expect("a fault of the server");
    assert_eq!((status.code, &*status.message), (2, "queue_full"));
    let value = |name: &str| {
        let mut found = request.attributes.iter().filter(|it| it.key == name);
        found.next()?.value.as_ref()?.value.clone()
    };
    let text = |text: &str| Some(Value::StringValue(text.to_owned()));
    assert_eq!(value("ringest.principal"), text(&"x".repeat(128)));
    assert_eq!(value("client.address"), text("192.0.2.1"));
    assert_eq!(
        value("http.response.status_code"),
        Some(Value::IntValue(503))
    );
}
