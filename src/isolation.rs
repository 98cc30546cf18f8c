//! One panicking task must not take its thread with it: monoio would let it.

use std::{any::Any, future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt;

/// A task, or a thread, panicked. Our fault, always.
#[derive(Debug, thiserror::Error)]
#[error("a panic: {message}")]
pub struct Panicked {
    /// What the panic said, if it said anything in words.
    pub message: String,
}

/// Runs `task` to its end, or to its panic.
///
/// Deadlines belong inside `task`: what it holds is then dropped under the same protection. What
/// it shares with other tasks must be fit for use after a panic, as no destructor of `task` is
/// skipped but nothing else is undone.
///
/// # Errors
/// The panic's message. The panic hook has run by then.
pub async fn isolated<T: Future>(task: T) -> Result<T::Output, Panicked> {
    AssertUnwindSafe(task)
        .catch_unwind()
        .await
        .map_err(Panicked::from)
}

impl From<Box<dyn Any + Send>> for Panicked {
    fn from(payload: Box<dyn Any + Send>) -> Self {
        Self {
            message: message(payload.as_ref()),
        }
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(message) = payload.downcast_ref::<&str>() {
        (*message).to_owned()
    } else if let Some(message) = payload.downcast_ref::<String>() {
        message.clone()
    } else {
        "no message".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc, time::Duration};

    use super::*;

    fn run<T: Future>(main: T) -> T::Output {
        monoio::RuntimeBuilder::<monoio::LegacyDriver>::new()
            .enable_timer()
            .build()
            .expect("epoll")
            .block_on(main)
    }

    #[test]
    fn a_panic_before_and_after_a_pause_ends_its_task_only() {
        for pause in [None, Some(Duration::from_millis(1))] {
            let dropped = Rc::new(Cell::new(false));
            let (ended, after) = run({
                let dropped = Rc::clone(&dropped);
                async move {
                    let task = monoio::spawn(isolated(async move {
                        let _guard = SetOnDrop(dropped);
                        if let Some(pause) = pause {
                            monoio::time::sleep(pause).await;
                        }
                        panic!("number {}", 7);
                    }));
                    let ended: Result<(), Panicked> = task.await;
                    (ended, monoio::spawn(async { 5 }).await)
                }
            });
            assert_eq!(ended.expect_err("it panicked").message, "number 7");
            assert_eq!(after, 5);
            assert!(dropped.get(), "its guards are released");
        }
    }

    #[test]
    fn a_task_that_ends_well_gives_its_value() {
        assert_eq!(run(isolated(async { 3 })).expect("no panic"), 3);
    }

    #[test]
    fn a_panic_without_words_is_still_caught() {
        let ended = run(isolated(async { std::panic::panic_any(1_u8) }));
        let ended: Result<(), Panicked> = ended;
        assert_eq!(ended.expect_err("it panicked").message, "no message");
    }

    struct SetOnDrop(Rc<Cell<bool>>);

    impl Drop for SetOnDrop {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
}
