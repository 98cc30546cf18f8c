//! How long requests take, as `/metrics` shows it.

use std::time::Duration;

use ringest::metrics::Class;

use super::rig::Rig;

#[test]
fn durations_are_those_of_all_workers_by_how_requests_ended() {
    let rig = Rig::start();
    let ms = Duration::from_millis;
    for (index, worker) in rig.workers.iter().enumerate() {
        let row = rig.row(index, 0);
        worker.answered(Some(&row), Class::Accepted, ms(5));
        worker.answered(Some(&row), Class::Accepted, ms(6));
        worker.answered(Some(&row), Class::Failed, ms(10_000));
        worker.answered(None, Class::Rejected, ms(1));
    }
    let series = rig.scrape();
    let user = r#"route="/ingest/UserEvent/1.0""#;
    for (key, value) in [
        (r#"request_duration_seconds_count{result="accepted"}"#, 4.0),
        (r#"request_duration_seconds_sum{result="accepted"}"#, 0.022),
        (
            r#"request_duration_seconds_bucket{le="0.005",result="accepted"}"#,
            2.0,
        ),
        (
            r#"request_duration_seconds_bucket{le="0.01",result="accepted"}"#,
            4.0,
        ),
        (
            r#"request_duration_seconds_bucket{le="0.0005",result="rejected"}"#,
            0.0,
        ),
        (
            r#"request_duration_seconds_bucket{le="0.001",result="rejected"}"#,
            2.0,
        ),
        (
            r#"request_duration_seconds_bucket{le="5.0",result="failed"}"#,
            0.0,
        ),
        (
            r#"request_duration_seconds_bucket{le="10.0",result="failed"}"#,
            2.0,
        ),
        (
            &format!("route_request_duration_seconds_count{{{user}}}"),
            4.0,
        ),
        (
            &format!("route_request_duration_seconds_sum{{{user}}}"),
            0.022,
        ),
        (
            &format!(r#"route_request_duration_seconds_bucket{{le="0.005",{user}}}"#),
            2.0,
        ),
        (
            &format!(r#"route_request_duration_seconds_bucket{{le="0.01",{user}}}"#),
            4.0,
        ),
        (
            &format!(r#"route_request_duration_seconds_bucket{{le="+Inf",{user}}}"#),
            4.0,
        ),
    ] {
        let found = series.get(&format!("ringest_{key}")).copied();
        assert_eq!(found, Some(value), "{key} in {series:#?}");
    }
    let of_routes = (series.keys()).filter(|key| key.starts_with("ringest_route_request_duration"));
    assert_eq!(
        of_routes.count(),
        8 + 2,
        "a route without requests has none"
    );
}

#[test]
fn a_request_belongs_to_the_class_of_its_status() {
    for (status, class) in [
        (200, Some(Class::Accepted)),
        (207, Some(Class::Accepted)),
        (400, Some(Class::Rejected)),
        (431, Some(Class::Rejected)),
        (500, Some(Class::Failed)),
        (503, Some(Class::Failed)),
        (100, None),
        (302, None),
    ] {
        assert_eq!(Class::of_status(status), class, "{status}");
    }
}
