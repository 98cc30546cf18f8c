//! Keeps a panic in one task from ending its thread, as it would under monoio.

use std::{any::Any, future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt;

/// A task or a thread panicked: always a bug in ringest.
#[derive(Debug, thiserror::Error)]
#[error("panicked: {message}")]
pub struct PanicError {
    /// The message of the panic, if it is a string.
    pub message: String,
}

/// Runs `task` until it completes or panics.
///
/// Put deadlines inside `task`, so that its values are dropped under the same protection. Whatever
/// `task` shares with other tasks must stay usable after a panic: its destructors run, but nothing
/// else is undone.
///
/// # Errors
/// The message of the panic, after the panic hook has run.
pub fn isolated<T: Future>(task: T) -> impl Future<Output = Result<T::Output, PanicError>> {
    // Not an async fn, which would hold the task twice: as its argument, and as what it awaits.
    AssertUnwindSafe(task)
        .catch_unwind()
        .map(|ended| ended.map_err(PanicError::from))
}

impl From<Box<dyn Any + Send>> for PanicError {
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
    fn a_panic_before_or_after_a_pause_ends_only_its_task() {
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
                    let ended: Result<(), PanicError> = task.await;
                    (ended, monoio::spawn(async { 5 }).await)
                }
            });
            assert_eq!(ended.expect_err("it panicked").message, "number 7");
            assert_eq!(after, 5);
            assert!(dropped.get(), "its guard was not dropped");
        }
    }

    #[test]
    fn a_task_that_completes_returns_its_value() {
        assert_eq!(run(isolated(async { 3 })).expect("no panic"), 3);
    }

    #[test]
    fn a_panic_without_a_message_is_caught() {
        let ended = run(isolated(async { std::panic::panic_any(1_u8) }));
        let ended: Result<(), PanicError> = ended;
        assert_eq!(ended.expect_err("it panicked").message, "no message");
    }

    struct SetOnDrop(Rc<Cell<bool>>);

    impl Drop for SetOnDrop {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
}
