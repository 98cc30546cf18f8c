use std::{
    sync::{atomic::AtomicUsize, mpsc},
    time::Duration,
};

use super::*;
use crate::snapshot::Snapshot;

fn config() -> Config {
    Config::development("127.0.0.1:1", None, std::iter::empty()).expect("it is good")
}

#[test]
fn several_requests_during_a_load_cause_one_more() {
    let running = Arc::new(config());
    let published = Arc::new(Published::new(Snapshot::first(&running, &[])));
    let (sender, messages) = mpsc::channel();
    let (go, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let loads = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&loads);
    let load: Load = Box::new(move || {
        gate.lock().expect("nobody panicked").recv().expect("open");
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(config())
    });
    let mut reload = Reload::new(load, &running, &sender).expect("a thread");
    let patience = Duration::from_secs(30);
    for again in [true, false] {
        reload.begin(&running, &published, &sender);
        for _ in 0..50 * usize::from(again) {
            reload.begin(&running, &published, &sender);
        }
        go.send(()).expect("it waits");
        let Ok(Message::Loaded(loaded)) = messages.recv_timeout(patience) else {
            panic!("not loaded");
        };
        loaded.expect("it is good");
        assert_eq!(reload.ended(), again);
    }
    assert_eq!(loads.load(std::sync::atomic::Ordering::Relaxed), 2);
}

#[test]
fn a_panic_while_loading_is_reported() {
    let running = Arc::new(config());
    let published = Arc::new(Published::new(Snapshot::first(&running, &[])));
    let (sender, messages) = mpsc::channel();
    let load: Load = Box::new(|| panic!("a bug"));
    let mut reload = Reload::new(load, &running, &sender).expect("a thread");
    reload.begin(&running, &published, &sender);
    let loaded = messages.recv_timeout(Duration::from_secs(30));
    assert!(matches!(
        loaded,
        Ok(Message::Loaded(Err(ReloadError::Panicked(_))))
    ));
    assert!(!reload.ended());
}

#[test]
fn stale_topics_are_bounded() {
    let running = config();
    let mut crowded = running.clone();
    let model = &running.models[0];
    crowded.models = (0..=STALE_TOPICS_MAX)
        .map(|index| {
            let mut model = crate::model::Model::clone(model);
            model.name = format!("Model{index}");
            model.topic = format!("topic{index}");
            Arc::new(model)
        })
        .collect();
    let first = Snapshot::first(&crowded, &[]);
    let published = Published::new(first);
    let load: Load = Box::new(|| Ok(config()));
    let error = read(&load, &running, &published);
    assert!(matches!(error, Err(ReloadError::StaleTopics(stale)) if stale == STALE_TOPICS_MAX + 1));
    crowded.models.pop();
    let published = Published::new(Snapshot::first(&crowded, &[]));
    assert!(read(&load, &running, &published).is_ok());
}
