use std::{future::Future, net::IpAddr};

use futures_util::future::{join, join_all};

use super::{
    state::{
        FAILED_EXCESS_MAX, FAILED_IDLE_SHARE, FAILED_SHARE, FAILING_GRANTS, FAILURES_MAX,
        PeerClass, WAITERS_MAX,
    },
    *,
};

fn run<T: Future>(main: T) -> T::Output {
    monoio::RuntimeBuilder::<monoio::LegacyDriver>::new()
        .enable_timer()
        .build()
        .expect("epoll")
        .block_on(main)
}

fn address(last: u8) -> ClientAddress {
    IpAddr::from([192, 0, 2, last]).into()
}

thread_local! {
    /// The time that verifications took in this test.
    static SPENT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Releases the slot as after a verification that took this time.
fn release(slot: VerificationSlot, took: Duration, failed: bool) {
    let mut slot = slot;
    slot.failed = failed;
    SPENT.set(SPENT.get() + took);
}

/// The queue of a worker whose thread runs for verifications only.
fn idle_queue() -> Rc<VerificationQueue> {
    let queue = VerificationQueue::new();
    queue.0.borrow_mut().use_cpu_clock(|| SPENT.get());
    Rc::new(queue)
}

const PBKDF2: Duration = Duration::from_micros(170);

/// Many valid new credentials at once: each is granted the slot, and other tasks run in between.
#[test]
fn valid_credentials_wait_and_none_is_rejected() {
    let queue = idle_queue();
    let served = Cell::new(0);
    let intervals = run(async {
        let clients = join_all((0..100).map(|_| async {
            let slot = queue.acquire(Some(address(1))).await.expect("a slot");
            release(slot, PBKDF2, false);
            served.set(served.get() + 1);
        }));
        let others = async {
            let mut intervals = 0;
            while served.get() < 100 {
                sleep(INTERVAL).await;
                intervals += 1;
            }
            intervals
        };
        join(clients, others).await.1
    });
    // Two can start within 300 µs, so there are at most two per interval.
    assert!(
        intervals >= 40,
        "{intervals} intervals for 100 verifications"
    );
}

/// Failed verifications take at most a twentieth of a busy worker's time, at any load, and more where it
/// has nothing else to do.
#[test]
fn failed_verifications_get_their_share() {
    let second = Duration::from_secs(1);
    let busy = failed_verifications(INTERVAL);
    let share = second / FAILED_SHARE;
    let about =
        |share: Duration| share.saturating_sub(PBKDF2)..=share + FAILED_EXCESS_MAX + 2 * PBKDF2;
    assert!(about(share).contains(&busy), "{busy:?} of {share:?}");
    let idle = failed_verifications(Duration::ZERO);
    let share = share + second.saturating_sub(idle) / FAILED_IDLE_SHARE;
    assert!(about(share).contains(&idle), "{idle:?} of {share:?}");
    // PBKDF2 tokens that a core verifies beside its other work, at least.
    assert!(idle / 900 > PBKDF2, "{idle:?}");
}

/// The time that failed verifications take of a second if there are always some, in a worker that spends
/// `other` of each interval on other work.
fn failed_verifications(other: Duration) -> Duration {
    let mut state = State::new();
    state.use_cpu_clock(|| SPENT.get());
    let (mut now, mut failed) = (Instant::now(), Duration::ZERO);
    for _ in 0..1_000 {
        now += INTERVAL;
        SPENT.set(SPENT.get() + other);
        while state.acquire_at_once(PeerClass::Failing, now) {
            SPENT.set(SPENT.get() + PBKDF2);
            failed += PBKDF2;
            state.release(PBKDF2);
            state.count_failure(PBKDF2, None, now);
        }
    }
    failed
}

/// A peer that fails too often waits behind all others, but for a grant now and then. When its queue
/// is full, each later waiter replaces another one.
#[test]
fn a_failing_peer_is_served_last() {
    let queue = idle_queue();
    let order = RefCell::new(Vec::new());
    run(async {
        for _ in 0..=FAILURES_MAX {
            let slot = queue.acquire(Some(address(1))).await.expect("a slot");
            release(slot, Duration::ZERO, true);
        }
        assert_eq!(
            queue
                .0
                .borrow()
                .class(Some(Subnet::of(address(1))), Instant::now()),
            PeerClass::Failing
        );
        let wait = async |last: u8| {
            let slot = queue.acquire(Some(address(last))).await.expect("a slot");
            order.borrow_mut().push(last);
            release(slot, PBKDF2, false);
        };
        let held = queue.acquire(Some(address(2))).await.expect("a slot");
        let end = async { drop(held) };
        join(join_all([1, 1, 1, 3, 4, 5].map(wait)), end).await;
        order.borrow_mut()[..3].sort_unstable();
        assert_eq!(*order.borrow(), [3, 4, 5, 1, 1, 1]);

        order.borrow_mut().clear();
        let held = queue.acquire(Some(address(2))).await.expect("a slot");
        let end = async { drop(held) };
        let waiters = [1; 4].into_iter().chain(3..=30);
        join(join_all(waiters.map(wait)), end).await;
        let order = order.take();
        let failing = order.iter().enumerate().filter(|(_, last)| **last == 1);
        let places: Vec<_> = failing
            .map(|(place, _)| place / FAILING_GRANTS as usize)
            .collect();
        assert_eq!(places, [0, 1, 2, 3], "{order:?}");

        // Credentials that were cached before are not affected.
        let slot = queue.acquire(None).await.expect("a slot");
        release(slot, PBKDF2, false);

        let held = queue.acquire(Some(address(2))).await.expect("a slot");
        let is_rejected = async |_| queue.acquire(Some(address(1))).await.is_err();
        let waits = join_all((0..=WAITERS_MAX).map(is_rejected));
        let end = async { drop(held) };
        let (rejected, ()) = join(waits, end).await;
        assert_eq!(
            rejected.iter().filter(|is_rejected| **is_rejected).count(),
            1
        );
    });
}

/// Requests of a flood queue before their address has failed too often: a later request of another
/// peer does not wait for all of them.
#[test]
fn queued_peers_are_classified_again_when_granted() {
    let queue = idle_queue();
    let order = RefCell::new(Vec::new());
    let wait = async |last: u8| {
        let slot = queue.acquire(Some(address(last))).await.expect("a slot");
        order.borrow_mut().push(last);
        release(slot, Duration::ZERO, last == 1);
    };
    run(async {
        let held = queue.acquire(None).await.expect("a slot");
        let end = async { drop(held) };
        let flood = (0..100).map(|_| 1).chain([2]);
        join(join_all(flood.map(wait)), end).await;
    });
    let position = order.borrow().iter().position(|last| *last == 2);
    assert!(position <= Some(FAILURES_MAX as usize + 1), "{position:?}");
    assert_eq!(order.borrow().len(), 101);
}

/// The time for which other threads run during a verification is not charged.
#[test]
fn preemption_is_not_charged() {
    let queue = Rc::new(VerificationQueue::new());
    run(async {
        let mut slot = queue.acquire(Some(address(1))).await.expect("a slot");
        slot.failed = true;
        std::thread::sleep(10 * FAILED_EXCESS_MAX);
    });
    let excess = queue.0.borrow().failed_excess;
    assert!(excess < FAILED_EXCESS_MAX, "{excess:?}");
}

/// If the slot is not released in time, waiters fail.
#[test]
fn waiting_is_bounded() {
    let queue = idle_queue();
    run(async {
        let _held = queue.acquire(Some(address(1))).await.expect("a slot");
        let slot = queue.acquire(Some(address(2))).await;
        assert!(matches!(slot, Err(AuthError::Busy)));
    });
}
