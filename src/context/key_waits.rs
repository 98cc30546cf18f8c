//! Requests of one worker whose tokens name a key that has to be fetched first. They hold nothing that other
//! requests need; the worker's tick ends their waits, as the fetching threads must not wake its tasks.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
    time::Instant,
};

use crate::auth::UnknownKey;

/// The waits in progress.
#[derive(Default)]
pub(crate) struct KeyWaits(RefCell<Vec<Rc<Wait>>>);

struct Wait {
    key: Rc<UnknownKey>,
    /// The fetches that had ended when it began.
    changes: u64,
    /// The generation of the snapshot that lacks the key.
    generation: u64,
    until: Instant,
    over: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl KeyWaits {
    /// Waits until a fetch of the key's set has ended since `changes`, a newer snapshot is active, or `until`.
    pub(crate) async fn change(
        &self,
        key: &Rc<UnknownKey>,
        changes: u64,
        generation: u64,
        until: Instant,
    ) {
        let wait = Rc::new(Wait {
            key: Rc::clone(key),
            changes,
            generation,
            until,
            over: Cell::new(false),
            waker: Cell::new(None),
        });
        self.0.borrow_mut().push(Rc::clone(&wait));
        poll_fn(|context| {
            if wait.over.get() {
                return Poll::Ready(());
            }
            wait.waker.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Ends the waits that are over. `generation` is that of the active snapshot.
    pub(crate) fn tick(&self, now: Instant, generation: u64) {
        self.end(|wait| {
            wait.generation != generation || wait.changes != wait.key.changes() || wait.until <= now
        });
    }

    /// Ends all waits.
    pub(crate) fn end_all(&self) {
        self.end(|_| true);
    }

    fn end(&self, is_over: impl Fn(&Wait) -> bool) {
        self.0.borrow_mut().retain(|wait| {
            let over = is_over(wait);
            if over {
                wait.over.set(true);
                if let Some(waker) = wait.waker.take() {
                    waker.wake();
                }
            }
            !over
        });
    }
}
