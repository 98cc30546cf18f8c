//! The cost of a request in its worker, from parsing its head to librdkafka's queue: head, route,
//! permit, freeze, validate, enqueue. Excludes the socket, the delivery report and the response.

#[path = "fixtures/bodies.rs"]
mod bodies;
#[path = "fixtures/settings.rs"]
mod settings;
#[path = "fixtures/sink.rs"]
mod sink;

use bodies::{EVENT, array, nested};
use criterion::Throughput;
use ringest::model::Rules;
use ringest::{
    admission::Holder,
    buffer::ReadBuffer,
    http::{Framing, HeadLimits, HeadParser},
    produce::Delivery,
    validate::{Format, Validator},
};
use sink::{LIMITS, PATH, Sink};

struct Pipeline<'s> {
    sink: &'s Sink,
    parser: HeadParser,
    validator: Validator,
}

impl Pipeline<'_> {
    fn run(&mut self, buffer: &mut ReadBuffer) -> Delivery {
        let Self {
            sink,
            parser,
            validator,
        } = self;
        let request = buffer.bytes(0..buffer.filled());
        parser.reset();
        let head = parser
            .parse(request)
            .expect("a valid head")
            .expect("a complete head");
        let Framing::Length(len) = head.framing else {
            unreachable!("every request has a length")
        };
        let route = sink
            .routes
            .find(head.path.of(request))
            .expect("a known path");
        let end = head.len + usize::try_from(len).expect("it fits");
        let permit = sink
            .admission
            .admit(Holder::UNKNOWN, buffer.capacity())
            .expect("room");
        let body = buffer.freeze(head.len..end);
        let records = validator
            .validate(body.bytes(), Format::Json, &Rules::any())
            .expect("valid");
        sink.enqueue(route, (body, permit), &records)
    }
}

fn request(body: &str) -> Vec<u8> {
    let len = body.len();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: ingest.example.com:4000\r\n\
         User-Agent: python-requests/2.32.5\r\nAccept-Encoding: gzip, deflate\r\n\
         Accept: */*\r\nContent-Type: application/json\r\nContent-Length: {len}\r\n\r\n"
    );
    (head + body).into_bytes()
}

fn main() {
    let mut criterion = settings::criterion();
    let sink = Sink::open();
    let limits = HeadLimits {
        head_bytes_max: 16_384,
        headers_max: 100,
    };
    let mut pipeline = Pipeline {
        sink: &sink,
        parser: HeadParser::new(limits),
        validator: Validator::new(LIMITS),
    };
    let mut group = criterion.benchmark_group("pipeline");
    let bodies = [
        ("293 B", EVENT.to_owned(), 1_000, 1),
        ("1 KiB", nested(1 << 10), 1_000, 1),
        ("10 KiB", nested(10 << 10), 250, 1),
        ("array of 1000", array(EVENT), 4, 1_000),
    ];
    for (name, body, at_once, records) in bodies {
        let request = request(&body);
        group.throughput(Throughput::Elements(records));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let prepare = || sink.received(&request);
                sink.time(count, at_once, prepare, |mut buffer| {
                    pipeline.run(&mut buffer)
                })
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
