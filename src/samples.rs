//! The last invalid records of each route, and with `--dev` the last records that the broker took: for the page of
//! the management listener.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use serde_json::{Value, json};

use crate::{
    excerpt::excerpt,
    produce::dev_broker::TakenRecord,
    validate::{Rejection, ValidationError},
};

/// Invalid records that are kept of a route, and looked at of a request.
const OF_ROUTE_MAX: usize = 5;
/// Faults that are kept of a record.
const FAULTS_MAX: usize = 10;
/// Routes of which some are kept.
const ROUTES_MAX: usize = 200;
/// Records from the broker that are kept.
const TAKEN_MAX: usize = 50;
/// Characters of a value that are kept.
const VALUE_CHARS_MAX: usize = 1_000;

/// Bounded samples, shared by the workers. Values of clients are in them, cut to 1,000 characters.
#[derive(Default)]
pub struct Samples {
    kept: Mutex<Kept>,
    show: Option<Show>,
}

/// Is given each invalid record that is kept: its route, its faults, and its value, cut.
type Show = Box<dyn Fn(&str, &[&ValidationError], &str) + Send + Sync>;

#[derive(Default)]
struct Kept {
    refused: HashMap<String, VecDeque<Value>>,
    taken: VecDeque<Value>,
}

impl Samples {
    /// Also gives each invalid record that is kept to `show`, which must not block: a worker calls it.
    pub fn shown(show: impl Fn(&str, &[&ValidationError], &str) + Send + Sync + 'static) -> Self {
        Self {
            show: Some(Box::new(show)),
            ..Self::default()
        }
    }

    /// Keeps the first invalid records of a body that was posted to this path, unless another thread uses the
    /// samples: no worker waits for them.
    pub fn keep_invalid(&self, route: &str, rejection: &Rejection, body: &[u8]) {
        let Ok(mut kept) = self.kept.try_lock() else {
            return;
        };
        for (index, span) in rejection.invalid_records.iter().take(OF_ROUTE_MAX) {
            let faults = rejection.errors.iter().filter(|it| it.index == *index);
            let faults: Vec<_> = faults.take(FAULTS_MAX).collect();
            let value = excerpt(span.of(body), VALUE_CHARS_MAX);
            if let Some(show) = &self.show {
                show(route, &faults, &value);
            }
            kept.keep(route, invalid(route, *index, &faults, &value));
        }
    }

    /// Keeps a record that the broker took.
    pub fn keep_taken(&self, record: &TakenRecord<'_>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        push(&mut kept.taken, TAKEN_MAX, taken(record));
    }

    /// All of them as JSON, those of a route and those from the broker oldest first.
    pub fn json(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let refused: Vec<&Value> = kept.refused.values().flatten().collect();
        format!("{:#}\n", json!({ "refused": refused, "taken": kept.taken }))
    }
}

impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Samples").finish_non_exhaustive()
    }
}

impl Kept {
    fn keep(&mut self, route: &str, record: Value) {
        if !self.refused.contains_key(route) {
            // Mostly routes that are no more.
            if self.refused.len() >= ROUTES_MAX {
                self.refused.clear();
            }
            self.refused.insert(route.to_owned(), VecDeque::new());
        }
        if let Some(of_route) = self.refused.get_mut(route) {
            push(of_route, OF_ROUTE_MAX, record);
        }
    }
}

fn push(queue: &mut VecDeque<Value>, max: usize, value: Value) {
    if queue.len() == max {
        queue.pop_front();
    }
    queue.push_back(value);
}

fn invalid(route: &str, index: usize, faults: &[&ValidationError], value: &str) -> Value {
    let faults: Vec<_> = faults
        .iter()
        .map(|it| json!({ "path": it.path, "code": it.code.as_str(), "message": it.message }))
        .collect();
    json!({
        "at": httpdate::fmt_http_date(SystemTime::now()),
        "route": route,
        "index": index,
        "faults": faults,
        "value": value,
    })
}

fn taken(record: &TakenRecord<'_>) -> Value {
    json!({
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": record.key.map(|key| excerpt(key, VALUE_CHARS_MAX)),
        "value": excerpt(record.value, VALUE_CHARS_MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::Rules,
        validate::{Format, ValidateLimits, Validator},
    };

    #[test]
    fn what_is_kept_is_bounded_and_cut() {
        let samples = Samples::default();
        let mut validator = Validator::new(ValidateLimits {
            record_bytes_max: 10_000,
            records_max: 100,
            json_depth_max: 10,
        });
        let numbers: Vec<String> = (0..=OF_ROUTE_MAX).map(|it| it.to_string()).collect();
        let body = format!(
            "[\"{}\",{}]",
            "x".repeat(VALUE_CHARS_MAX),
            numbers.join(",")
        );
        let rejected = validator.validate(body.as_bytes(), Format::Json, &Rules::any());
        let rejection = rejected.expect_err("none is an object");
        for route in 0..=ROUTES_MAX {
            samples.keep_invalid(&format!("/{route}"), &rejection, body.as_bytes());
        }
        for offset in 0..=50 {
            samples.keep_taken(&TakenRecord {
                topic: "t",
                partition: 0,
                offset,
                key: None,
                value: b"\xff",
            });
        }
        let kept: Value = serde_json::from_str(&samples.json()).expect("JSON");
        let refused = kept["refused"].as_array().expect("a list");
        assert_eq!(refused.len(), OF_ROUTE_MAX, "those of the last route");
        let (first, last) = (&refused[0], &refused[OF_ROUTE_MAX - 1]);
        assert_eq!((&first["index"], &last["value"]), (&json!(0), &json!("3")));
        assert_eq!(first["faults"][0]["code"], "not_an_object");
        let value = first["value"].as_str().expect("a text");
        assert_eq!(
            value.chars().count(),
            VALUE_CHARS_MAX + 1,
            "with an ellipsis"
        );
        let taken = kept["taken"].as_array().expect("a list");
        assert_eq!(taken.len(), TAKEN_MAX);
        assert_eq!(
            (&taken[0]["offset"], &taken[0]["value"]),
            (&json!(1), &json!("\u{fffd}"))
        );
    }
}
