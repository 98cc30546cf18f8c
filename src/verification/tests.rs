use std::future::Future;

use futures_util::future::{join, join_all};

use super::*;

fn run<T: Future>(main: T) -> T::Output {
    monoio::RuntimeBuilder::<monoio::LegacyDriver>::new()
        .enable_timer()
        .build()
        .expect("epoll")
        .block_on(main)
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// As a verification does that takes so long.
fn end(turn: Turn, took: Duration, failed: bool) {
    let mut turn = turn;
    turn.failed = failed;
    turn.began -= took;
}

const PBKDF2: Duration = Duration::from_micros(170);

/// Many strangers at once, all good: each gets its turn, and others get theirs in between.
#[test]
fn good_ones_wait_for_each_other_and_none_is_sent_away() {
    let verifications = Rc::new(Verifications::new());
    let served = Cell::new(0);
    let steps = run(async {
        let strangers = join_all((0..100).map(|_| async {
            let turn = verifications.turn(Some(address(1))).await.expect("a place");
            end(turn, PBKDF2, false);
            served.set(served.get() + 1);
        }));
        let others = async {
            let mut steps = 0;
            while served.get() < 100 {
                sleep(STEP).await;
                steps += 1;
            }
            steps
        };
        join(strangers, others).await.1
    });
    // Two of them begin within 300 µs, so there are at most two in a step.
    assert!(steps >= 40, "{steps} steps for 100 verifications");
}

/// What fails takes a twentieth of the time at most, however much of it comes.
#[test]
fn junk_gets_its_share_and_no_more() {
    let verifications = Rc::new(Verifications::new());
    let began = Instant::now();
    let spent = Cell::new(Duration::ZERO);
    let busy = Cell::new(0);
    run(join_all((0..200_u8).map(|number| {
        let (verifications, spent, busy) = (&verifications, &spent, &busy);
        async move {
            while began.elapsed() < Duration::from_millis(500) {
                match verifications.turn(Some(address(number))).await {
                    Ok(turn) => {
                        end(turn, PBKDF2, true);
                        spent.set(spent.get() + PBKDF2);
                    }
                    Err(Denial::Busy) => busy.set(busy.get() + 1),
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
    })));
    let allowed = began.elapsed() / FAILED_SHARE + FAILED_AHEAD_MAX + 2 * PBKDF2;
    assert!(spent.get() <= allowed, "{:?} of {allowed:?}", spent.get());
    assert!(spent.get() > Duration::ZERO);
}

/// Whoever fails too often waits behind all others, for fewer places.
#[test]
fn a_failing_peer_comes_last() {
    let verifications = Rc::new(Verifications::new());
    let order = RefCell::new(Vec::new());
    run(async {
        for _ in 0..=FAILURES_MAX {
            let turn = verifications.turn(Some(address(1))).await.expect("a turn");
            end(turn, Duration::ZERO, true);
        }
        assert_eq!(
            verifications
                .0
                .borrow()
                .peer(Some(address(1)), Instant::now()),
            Peer::Failing
        );
        let wait = async |last: u8| {
            let turn = verifications
                .turn(Some(address(last)))
                .await
                .expect("a place");
            order.borrow_mut().push(last);
            end(turn, PBKDF2, false);
        };
        let held = verifications.turn(Some(address(2))).await.expect("a turn");
        let release = async { drop(held) };
        join(join_all([1, 1, 1, 3, 4, 5].map(wait)), release).await;
        assert_eq!(*order.borrow(), [3, 4, 5, 1, 1, 1]);
        // But for what was known before.
        let known = verifications.turn(None).await.expect("a turn");
        end(known, PBKDF2, false);

        let held = verifications.turn(Some(address(2))).await.expect("a turn");
        let is_sent_away = async |_| verifications.turn(Some(address(1))).await.is_err();
        let waits = join_all((0..=WAITING_MAX[1]).map(is_sent_away));
        let release = async { drop(held) };
        let (sent_away, ()) = join(waits, release).await;
        assert_eq!(
            sent_away
                .iter()
                .filter(|is_sent_away| **is_sent_away)
                .count(),
            1
        );
    });
}

/// Many of a flood come before their address is known for it: whoever comes later does not wait for
/// all of them.
#[test]
fn those_who_were_new_when_they_came_are_not_when_they_are_called() {
    let verifications = Rc::new(Verifications::new());
    let order = RefCell::new(Vec::new());
    let wait = async |last: u8| {
        let turn = verifications
            .turn(Some(address(last)))
            .await
            .expect("a place");
        order.borrow_mut().push(last);
        end(turn, Duration::ZERO, last == 1);
    };
    run(async {
        let held = verifications.turn(None).await.expect("a turn");
        let release = async { drop(held) };
        let flood = (0..100).map(|_| 1).chain([2]);
        join(join_all(flood.map(wait)), release).await;
    });
    let place = order.borrow().iter().position(|last| *last == 2);
    assert_eq!(place, Some(FAILURES_MAX as usize + 1));
    assert_eq!(order.borrow().len(), 101);
}

/// A turn in which the core was somebody else's does not count for more than it can have cost.
#[test]
fn a_pause_of_the_worker_is_nobodys_fault() {
    let verifications = Rc::new(Verifications::new());
    run(async {
        let turn = verifications.turn(Some(address(1))).await.expect("a turn");
        end(turn, Duration::from_secs(3), true);
        assert!(verifications.turn(Some(address(2))).await.is_ok());
    });
}

/// A turn that nobody gives back in time: those who wait are told so.
#[test]
fn nobody_waits_for_ever() {
    let verifications = Rc::new(Verifications::new());
    run(async {
        let _held = verifications.turn(Some(address(1))).await.expect("a turn");
        let turn = verifications.turn(Some(address(2))).await;
        assert!(matches!(turn, Err(Denial::Busy)));
    });
}

#[test]
fn a_host_has_all_addresses_of_its_subnet() {
    let network = |text: &str| network(text.parse().expect("an address"));
    assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
    assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
    assert_eq!(network("::ffff:192.0.2.1"), address(1));
    assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
}
