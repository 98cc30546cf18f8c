//! What is drawn, character by character, and what is computed from made-up answers.

use std::time::Duration;

use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::KeyCode,
    style::{Color, Modifier},
};
use serde_json::{Value, json};

use super::{
    figures::{Figures, Series},
    numbers::float,
    screen::{Screen, Theme},
    source::Kept,
    status::Status,
    view::View,
};

const START_S: u64 = 1_796_000_000;

/// `(path, topic)` of what a small server has.
const ROUTES: [(&str, &str); 4] = [
    ("/ingest/Order/1.0", "orders"),
    ("/ingest/PageView/1.0", "PageView_1_0"),
    ("/ingest/RawEvent/1.0", "RawEvent_1_0"),
    ("/ingest/SensorReading/2.1", "SensorReading_2_1"),
];

/// An answer after so many seconds of steady load: each route has twice the requests of the one before.
fn answer(second: u64, routes: &[(&str, &str)]) -> Value {
    let requests = |index: usize| second * (10 << index.min(4));
    let route = |(index, (path, topic)): (usize, &(&str, &str))| {
        let (accepted, refused) = (requests(index), second * (index as u64 % 2));
        json!({
            "path": path, "model": "Model", "version": "1.0", "topic": topic,
            "requests": accepted + refused, "records": accepted * 3, "records_delivered": accepted * 2,
            "records_rejected": refused, "latency": {"buckets": [accepted / 2, accepted - accepted / 2, 0]},
        })
    };
    let worker = |index: u64| {
        json!({
            "worker": index, "state": "ready", "cpu_seconds": 0.25 * float(second), "connections_open": 3,
            "in_flight_bytes": 2_048, "lag": {"buckets": [second * 100, 0, 0]},
        })
    };
    let histogram = |count| json!({"buckets": [0, count, 0]});
    json!({
        "version": "0.1.0", "time_ms": (START_S + second) * 1_000, "ready": true, "reason": null, "detail": null,
        "degraded": null, "configuration": {"last_reload_successful": true},
        "process": {"started_seconds": START_S - 7_380, "resident_bytes": 67_108_864},
        "totals": {
            "accepted": second * 1_500, "rejected": second * 20, "failed": second / 2,
            "records_delivered": second * 4_500, "body_bytes": second * 1_500_000,
        },
        "refused": [
            {"code": "invalid_record", "status": 400, "count": second * 20},
            {"code": "broker_unavailable", "status": 503, "count": second / 2},
        ],
        "in_flight": {"bytes": 4_096, "bytes_max": 268_435_456},
        "connections": {"open": 6, "max": 10_000},
        "bucket_bounds_ms": [1.0, 2.0], "route_bucket_bounds_ms": [5.0, 10.0],
        "latency": {"accepted": histogram(second * 1_500), "rejected": histogram(second * 20),
                    "failed": histogram(0)},
        "workers": [worker(0), worker(1)],
        "brokers": [{"broker": 1, "address": "kafka-0:9092", "up": true, "batches_failed": 0,
                     "round_trip": histogram(second * 50)}],
        "routes": routes.iter().enumerate().map(route).collect::<Vec<_>>(),
    })
}

fn parsed(answer: &Value) -> Status {
    serde_json::from_str(&answer.to_string()).expect("a status")
}

/// After so many seconds with these routes.
fn screen(seconds: u64, routes: &[(&str, &str)]) -> Screen {
    let mut figures = Figures::default();
    for second in 0..seconds {
        figures.push(parsed(&answer(second, routes)));
    }
    Screen {
        address: "http://127.0.0.1:4001".to_owned(),
        figures,
        failure: None,
        age: Duration::ZERO,
        samples: None,
        view: View::default(),
        theme: Theme { has_colours: true },
    }
}

/// The lines without trailing blanks.
fn drawn(screen: &mut Screen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("no terminal fails");
    terminal
        .draw(|frame| screen.draw(frame))
        .expect("it is drawn");
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for row in 0..height {
        let mut line = String::new();
        let mut column = 0;
        while column < width {
            let symbol = buffer[(column, row)].symbol();
            line.push_str(symbol);
            let its = unicode_width::UnicodeWidthStr::width(symbol);
            column += u16::try_from(its.max(1)).expect("a cell");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn press(screen: &mut Screen, codes: &[KeyCode]) {
    for code in codes {
        screen.press((*code).into());
    }
}

#[track_caller]
fn assert_drawn(screen: &mut Screen, width: u16, height: u16, expected: &str) {
    let drawn = drawn(screen, width, height);
    assert!(
        drawn == expected,
        "drawn is\n{drawn}\nexpected is\n{expected}"
    );
}

#[test]
fn it_fits_terminals_of_each_size() {
    let mut screen = screen(40, &ROUTES);
    assert_drawn(&mut screen, 80, 24, include_str!("tests/80x24.txt"));
    assert_drawn(&mut screen, 40, 20, include_str!("tests/40x20.txt"));
    assert_drawn(&mut screen, 160, 50, include_str!("tests/160x50.txt"));
    for (width, height) in [
        (1, 1),
        (2, 3),
        (7, 5),
        (20, 6),
        (110, 8),
        (300, 12),
        (72, 100),
    ] {
        for codes in [
            &[][..],
            &[KeyCode::Tab],
            &[KeyCode::Char('1'), KeyCode::Enter],
            &[KeyCode::Char('?')],
        ] {
            press(&mut screen, codes);
            assert_eq!(
                drawn(&mut screen, width, height).lines().count(),
                usize::from(height)
            );
        }
        screen.view = View::default();
    }
}

#[test]
fn many_routes_are_scrolled_filtered_and_sorted() {
    let paths: Vec<_> = (0..300).map(|it| format!("/ingest/Event/{it}")).collect();
    let routes: Vec<_> = paths.iter().map(|it| (&**it, "events")).collect();
    let mut screen = screen(12, &routes);
    let first = |screen: &mut Screen| {
        let text = drawn(screen, 80, 24);
        let mut rows = text.lines().skip_while(|it| !it.contains("ROUTE")).skip(1);
        let fields = rows
            .next()
            .map(|it| it.split_whitespace().take(3).collect::<Vec<_>>().join(" "));
        (fields.unwrap_or_default(), text)
    };
    // Those with the most requests, refused ones included, by their path.
    assert_eq!(first(&mut screen).0, "> Event/101 161");
    press(&mut screen, &[KeyCode::End]);
    let (top, text) = first(&mut screen);
    assert_eq!(top, "Event/82 160 480", "{text}");
    assert!(text.contains("> Event/0 "), "{text}");
    assert!(text.contains("288 to 300 of 300"), "{text}");
    press(&mut screen, &[KeyCode::Char('s'); 4]);
    press(&mut screen, &[KeyCode::Char('r'), KeyCode::Home]);
    assert_eq!(
        first(&mut screen).0,
        "> Event/99 161",
        "by name, in reverse"
    );
    press(
        &mut screen,
        &[
            KeyCode::Char('/'),
            KeyCode::Char('T'),
            KeyCode::Char('/'),
            KeyCode::Char('7'),
        ],
    );
    let (top, text) = first(&mut screen);
    assert_eq!(top, "> Event/79 161");
    assert!(text.contains("11 routes by name, reversed"), "{text}");
    assert!(text.contains("filter: T/7_"), "{text}");
    press(&mut screen, &[KeyCode::Char('x'), KeyCode::Enter]);
    let text = drawn(&mut screen, 80, 24);
    assert!(
        text.contains("No route has \"T/7x\" in its path or topic."),
        "{text}"
    );
}

#[test]
fn without_routes_brokers_or_figures_it_says_so() {
    let mut none = screen(0, &[]);
    let text = drawn(&mut none, 60, 6);
    let lines = "ringest   http://127.0.0.1:4001\n\n\nwaiting for http://127.0.0.1:4001/status\n";
    assert!(text.starts_with(lines), "{text}");
    none.failure = Some("connection refused".to_owned());
    none.age = Duration::from_secs(3);
    let text = drawn(&mut none, 60, 6);
    assert!(
        text.contains("\nno answer for 3 s: connection refused\n"),
        "{text}"
    );

    let mut started = screen(1, &[]);
    let mut answer = answer(1, &[]);
    answer["brokers"] = json!([]);
    answer["refused"] = json!([]);
    answer["workers"] = json!([]);
    answer["ready"] = json!(false);
    answer["detail"] = json!("at least one worker has not started yet");
    answer["configuration"]["last_reload_successful"] = json!(false);
    started.figures.push(parsed(&answer));
    for (key, nothing) in [
        ('1', "There is no route."),
        ('2', "No request was refused."),
        ('3', "There is no worker."),
        ('4', "No broker is known."),
    ] {
        press(&mut started, &[KeyCode::Char(key)]);
        let text = drawn(&mut started, 100, 24);
        assert!(text.contains(nothing), "{text}");
        let state = "\nnot ready: at least one worker has not started yet; the last reload failed";
        assert!(text.contains(state), "{text}");
    }
    started.failure = Some("no response within 5 s".to_owned());
    started.age = Duration::from_secs(75);
    press(&mut started, &[KeyCode::Char('1')]);
    let text = drawn(&mut started, 80, 24);
    let stale = "\nno answer, figures are 1 min 15 s old: no response within 5 s\n";
    assert!(text.contains(stale), "{text}");
    assert!(text.contains("Requests/s"), "the figures stay: {text}");
}

#[test]
fn what_is_not_known_any_more_is_marked() {
    let mut screen = screen(12, &ROUTES);
    let fresh = drawn(&mut screen, 160, 50);
    assert!(
        fresh.contains("answers in time") && fresh.contains("0 ready"),
        "{fresh}"
    );
    assert!(!fresh.contains(" old"), "{fresh}");
    screen.failure = Some("connection refused".to_owned());
    screen.age = Duration::from_secs(7);
    // Of each table that is there, and of the figures above them.
    for (width, height, marks) in [(160, 50, 4 + 1), (80, 24, 1 + 1)] {
        for key in ['3', '4'] {
            press(&mut screen, &[KeyCode::Char(key)]);
            let text = drawn(&mut screen, width, height);
            assert_eq!(text.matches(" 7 s old").count(), marks, "{text}");
            assert!(text.contains(" not known "), "{text}");
            assert!(
                !text.contains("answers in time") && !text.contains("0 ready"),
                "{text}"
            );
        }
    }
}

/// What a narrower terminal shows of the routes, a wider one shows, too.
#[test]
fn a_wider_terminal_has_no_column_less() {
    let mut screen = screen(12, &ROUTES);
    let mut before = Vec::new();
    for width in 40..=240 {
        let text = drawn(&mut screen, width, 50);
        let head = text
            .lines()
            .find(|it| it.contains("ROUTE"))
            .unwrap_or_default();
        let columns: Vec<_> = head.split_whitespace().map(str::to_owned).collect();
        let missing = before.iter().find(|it| !columns.contains(it));
        assert_eq!(missing, None, "{width}: {text}");
        before = columns;
    }
    assert!(before.len() > 9, "{before:?}");
}

#[test]
fn the_foot_says_what_escape_does() {
    let mut screen = screen(12, &ROUTES);
    let mut foot = |codes: &[KeyCode]| {
        press(&mut screen, codes);
        let text = drawn(&mut screen, 80, 24);
        text.lines().last().unwrap_or_default().to_owned()
    };
    let filter = [KeyCode::Char('/'), KeyCode::Char('o'), KeyCode::Enter];
    assert!(foot(&filter).starts_with("filter: o  Esc clears it  q quit"));
    assert!(foot(&[KeyCode::Enter]).starts_with("Esc all routes  q quit"));
    assert!(foot(&[KeyCode::Esc]).starts_with("filter: o  Esc clears it"));
    assert!(foot(&[KeyCode::Esc]).starts_with("q quit  ? help"));
}

#[test]
fn names_can_be_long_wide_and_hostile() {
    let long = format!("/ingest/{}/1", "Long".repeat(100));
    let routes = [
        (&*long, "t"),
        ("/ingest/日本語日本語日本語日本語日本語日本語日本語/1", "t"),
        ("/ingest/\u{1b}[2J\u{9b}31m\r\n\u{202e}/1", "t"),
    ];
    let mut screen = screen(12, &routes);
    let text = drawn(&mut screen, 80, 24);
    for row in [
        "  LongLongLongLong",
        "日本語日本語日本語日本語日本語日…",
        "\\u{1b}[2J\\u{9b}31m\\r\\n",
    ] {
        assert!(text.contains(row), "{text}");
    }
    let columns = text.lines().filter(|it| it.ends_with(" ms"));
    for line in columns.skip_while(|it| !it.contains("Long")) {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
    }
    let all = super::text::text(&"127.0.0.1:1".parse().expect("an address"), &screen.figures);
    for text in [text, all] {
        let is_safe = |it: char| it == '\n' || !it.is_control() && it != '\u{202e}';
        assert!(text.chars().all(is_safe), "{text:?}");
    }
}

#[test]
fn a_route_opens_to_its_last_refused_records() {
    let mut screen = screen(12, &ROUTES);
    press(&mut screen, &[KeyCode::Down, KeyCode::Down, KeyCode::Enter]);
    let text = drawn(&mut screen, 80, 24);
    for line in [
        "/ingest/PageView/1.0",
        "model Model 1.0, topic PageView_1_0",
        "requests/s 21, records/s 60, refused requests/s 1.0",
        "latency of accepted requests p50 5.0 ms, p99 9.9 ms",
        "records 660, delivered 440, invalid 11",
        "Last refused records",
        "reading them",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}: {text}");
    }
    screen.samples = Some(Ok(Kept::Off));
    let text = drawn(&mut screen, 80, 24);
    assert!(
        text.contains("not kept; management.samples = true keeps some"),
        "{text}"
    );
    let samples = json!({"refused": [
        {"at": "Mon, 30 Nov 2026 03:00:00 GMT", "route": "/ingest/PageView/1.0", "index": 7,
         "faults": [{"path": "$.a", "code": "c", "message": "expected\u{7} Int8"}], "value": "{\"a\":\u{1b}]0;x}"},
        {"at": "", "route": "/ingest/Order/1.0", "index": 0, "faults": [], "value": "another"},
    ], "taken": []});
    screen.samples = Some(Ok(Kept::Some(
        serde_json::from_value(samples).expect("samples"),
    )));
    let text = drawn(&mut screen, 80, 24);
    let shown = "Mon, 30 Nov 2026 03:00:00 GMT, record 7 of its request\n{\"a\":\\u{1b}]0;x}\n\
                 $.a: expected\\u{7} Int8\n";
    assert!(text.contains(shown), "{text}");
    assert!(!text.contains("another"), "{text}");
    press(&mut screen, &[KeyCode::End]);
    assert!(
        drawn(&mut screen, 40, 14).contains("]0;x}"),
        "scrolled to its end"
    );
    screen.figures.push(parsed(&answer(20, &ROUTES[..1])));
    press(&mut screen, &[KeyCode::Home]);
    assert!(drawn(&mut screen, 80, 24).contains("/ingest/PageView/1.0 is no more"));
    press(&mut screen, &[KeyCode::Esc]);
    assert!(drawn(&mut screen, 80, 24).contains("> Order/1.0"));
}

#[test]
fn without_colours_there_are_none() {
    let mut screen = screen(12, &ROUTES);
    let mut colours = |has_colours| {
        screen.theme = Theme { has_colours };
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("no terminal fails");
        terminal
            .draw(|frame| screen.draw(frame))
            .expect("it is drawn");
        let cells = terminal.backend().buffer().content();
        let is_coloured = cells
            .iter()
            .any(|it| it.fg != Color::Reset || it.bg != Color::Reset);
        (
            is_coloured,
            cells
                .iter()
                .any(|it| it.modifier.contains(Modifier::REVERSED)),
        )
    };
    assert_eq!(
        (colours(true), colours(false)),
        ((true, true), (false, true))
    );
}

#[test]
fn rates_begin_anew_with_another_process() {
    let mut figures = Figures::default();
    let requests = |figures: &Figures| figures.now(Series::Requests).map(f64::round);
    figures.push(parsed(&answer(100, &ROUTES)));
    assert_eq!(requests(&figures), None, "nothing to compare with");
    figures.push(parsed(&answer(102, &ROUTES)));
    assert_eq!(requests(&figures), Some(1_521.0));
    // It did not answer for a minute.
    figures.push(parsed(&answer(162, &ROUTES)));
    assert_eq!(requests(&figures), Some(1_521.0));
    let mut restarted = answer(165, &ROUTES);
    restarted["process"]["started_seconds"] = json!(START_S + 163);
    restarted["totals"]["accepted"] = json!(5);
    figures.push(parsed(&restarted));
    assert_eq!(requests(&figures), None);
    assert_eq!(figures.uptime(), Some(Duration::from_secs(2)));
    // The clock was set back.
    restarted["time_ms"] = json!(START_S * 1_000);
    figures.push(parsed(&restarted));
    assert_eq!(requests(&figures), None);
    let history: Vec<_> = figures
        .history(Series::Requests)
        .iter()
        .map(Option::is_some)
        .collect();
    assert_eq!(history, [false, true, true, false, false]);
}
