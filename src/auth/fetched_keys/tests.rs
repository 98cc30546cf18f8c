use std::{collections::HashMap, sync::atomic::AtomicUsize};

use jsonwebtoken::Algorithm;
use proptest::prelude::*;

use super::*;

/// A day: no fetch is scheduled before the end of a test.
const LATER: Duration = Duration::from_hours(24);
const MOMENT: Duration = Duration::from_millis(1);

fn keys() -> VerificationKeys {
    VerificationKeys::from_secret(&[7; 32], &[Algorithm::HS256]).expect("long enough")
}

/// Keys that were fetched, and how often the fetching thread was woken.
struct Issuer {
    fetched: Arc<FetchedKeys>,
    woken: Arc<AtomicUsize>,
    now: Instant,
}

impl Issuer {
    fn new() -> Self {
        let woken = Arc::new(AtomicUsize::new(0));
        let wakes = Arc::clone(&woken);
        let fetched = FetchedKeys::new(move || {
            wakes.fetch_add(1, Ordering::Relaxed);
        });
        let mut this = Self {
            fetched: Arc::new(fetched),
            woken,
            now: Instant::now() + LATER,
        };
        this.fetch(Some(keys()));
        this
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    /// A fetch that takes a moment and succeeds.
    fn fetch(&mut self, keys: Option<VerificationKeys>) {
        self.fetched.begin(self.now);
        self.wait(MOMENT);
        self.fetched.succeeded(keys, self.now + LATER);
        self.wait(MOMENT);
    }

    /// The wanted fetch, if one is due now.
    fn fetch_if_wanted(&mut self) -> bool {
        let is_due = self.fetched.wanted().is_some_and(|at| at <= self.now);
        if is_due {
            self.fetch(None);
        }
        is_due
    }

    fn key(&self, kid: &str, token: &str) -> UnknownKey {
        let keys = self.fetched.keys().expect("they were fetched");
        UnknownKey::new(&self.fetched, &keys, Some(kid), token)
    }

    /// The answer to a token that arrives now, after the fetch that it causes, if any.
    fn ask(&mut self, kid: &str, token: &str) -> (LookUp, bool) {
        let (key, since) = (self.key(kid, token), self.now);
        self.wait(MOMENT);
        let first = key.look_up(since, self.now);
        if first == LookUp::Awaited && self.fetch_if_wanted() {
            return (key.look_up(since, self.now), true);
        }
        (first, false)
    }
}

#[test]
fn a_key_is_lacking_only_in_a_set_fetched_after_the_arrival() {
    let mut issuer = Issuer::new();
    let key = issuer.key("new", "token");
    // The fetch began before, and ends after the arrival.
    issuer.fetched.begin(issuer.now);
    issuer.wait(MOMENT);
    let since = issuer.now;
    assert_eq!(key.look_up(since, issuer.now), LookUp::Awaited);
    issuer.wait(MOMENT);
    let changes = key.changes();
    issuer.fetched.succeeded(None, issuer.now + LATER);
    assert_ne!(key.changes(), changes);
    assert_eq!(key.look_up(since, issuer.now), LookUp::Awaited);
    assert!(issuer.fetch_if_wanted());
    assert_eq!(key.look_up(since, issuer.now), LookUp::Lacking);
}

#[test]
fn newer_keys_are_awaited_until_they_are_active() {
    let mut issuer = Issuer::new();
    let (key, since) = (issuer.key("new", "token"), issuer.now);
    issuer.wait(MOMENT);
    issuer.fetch(Some(keys()));
    assert_eq!(key.look_up(since, issuer.now), LookUp::Awaited);
    assert_eq!(issuer.fetched.wanted(), None, "nothing has to be fetched");
    // With the snapshot that has them.
    let key = issuer.key("new", "token");
    assert_eq!(key.look_up(since, issuer.now), LookUp::Lacking);
    issuer.fetched.expire();
    assert_eq!(key.look_up(since, issuer.now), LookUp::Awaited);
}

#[test]
fn one_fetch_is_for_all_that_wait() {
    let mut issuer = Issuer::new();
    let since = issuer.now;
    let tokens: Vec<_> = (0..100)
        .map(|n| issuer.key(&n.to_string(), "token"))
        .collect();
    for key in &tokens {
        issuer.wait(MOMENT);
        assert_eq!(key.look_up(since, issuer.now), LookUp::Awaited);
    }
    assert_eq!(issuer.woken.load(Ordering::Relaxed), 1);
    issuer.fetched.begin(issuer.now);
    issuer.wait(MOMENT);
    for key in &tokens {
        assert_eq!(key.look_up(since, issuer.now), LookUp::Awaited);
    }
    issuer.fetched.succeeded(None, issuer.now + LATER);
    assert_eq!(issuer.fetched.wanted(), None);
    for key in &tokens {
        assert_eq!(key.look_up(since, issuer.now), LookUp::Lacking);
    }
}

#[test]
fn a_flood_of_keys_causes_few_fetches_and_does_not_hide_a_new_one() {
    let mut issuer = Issuer::new();
    for n in 0..BURST {
        let kid = n.to_string();
        assert_eq!(issuer.ask(&kid, &kid), (LookUp::Lacking, true));
    }
    for n in 0..10_000 {
        let kid = format!("more {n}");
        assert_eq!(issuer.ask(&kid, &kid), (LookUp::NotSoon, false));
        if n % 100 == 99 {
            assert_eq!(issuer.ask("new", "new").0, LookUp::NotSoon, "never lacking");
        }
        issuer.now -= MOMENT;
    }
    issuer.wait(REFILL);
    assert_eq!(issuer.ask("new", "new"), (LookUp::Lacking, true));
    assert!(issuer.fetched.lock().remembered.len() <= REMEMBERED_MAX.get());
}

#[test]
fn remembered_keys_leave_a_fetch_to_new_ones() {
    let mut issuer = Issuer::new();
    for n in 1..BURST {
        let token = n.to_string();
        assert_eq!(issuer.ask("old", &token), (LookUp::Lacking, true));
        // The same token is rejected without a fetch.
        assert_eq!(issuer.ask("old", &token), (LookUp::Lacking, false));
    }
    // Another one is not rejected without a fetch.
    assert_eq!(issuer.ask("old", "another"), (LookUp::NotSoon, false));
    assert_eq!(issuer.ask("new", "new"), (LookUp::Lacking, true));
    let mut decided = 0;
    for _ in 0..20 {
        issuer.wait(REFILL);
        decided += u32::from(issuer.ask("old", "1") == (LookUp::Lacking, true));
    }
    assert_eq!(decided, 19, "all but the first, for which one is left");
    assert_eq!(issuer.ask("newer", "newer"), (LookUp::Lacking, true));
}

#[test]
fn after_a_failure_only_the_schedule_causes_a_fetch() {
    let mut issuer = Issuer::new();
    let (key, since) = (issuer.key("new", "token"), issuer.now);
    for (retry, expected) in [(BEGINS_WITHIN, LookUp::Awaited), (LATER, LookUp::NotSoon)] {
        issuer.fetched.begin(issuer.now);
        issuer.fetched.failed(issuer.now + retry);
        assert_eq!(key.look_up(since, issuer.now), expected);
        assert_eq!(issuer.fetched.wanted(), None);
        issuer.wait(retry);
    }
    issuer.fetch(None);
    assert_eq!(key.look_up(since, issuer.now), LookUp::Lacking);
}

#[derive(Clone, Debug)]
enum Step {
    /// A token with this key, of this number.
    Arrive(u8, u8),
    /// All that wait look again.
    Look,
    Pass(u32),
    Begin,
    /// With new keys, or the same; the next is scheduled in so many milliseconds.
    Succeed(bool, u32),
    Fail(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..20_u8, 0..3_u8).prop_map(|(kid, token)| Step::Arrive(kid, token)),
        4 => Just(Step::Look),
        4 => (1..3_000_u32).prop_map(Step::Pass),
        2 => Just(Step::Begin),
        3 => (prop::bool::weighted(0.1), 1..60_000_u32).prop_map(|(new, at)| Step::Succeed(new, at)),
        1 => (1..30_000_u32).prop_map(Step::Fail),
    ]
}

proptest! {
    /// Whatever happens in which order: a token is rejected only if a set was fetched after its arrival, or
    /// it was rejected so a moment ago; and tokens cause no more fetches than the bucket allows.
    #[test]
    fn tokens_are_not_rejected_early_and_cause_few_fetches(
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let mut issuer = Issuer::new();
        let start = issuer.now;
        let mut waiting: Vec<(Instant, (u8, u8))> = Vec::new();
        let mut rejected: HashMap<(u8, u8), Instant> = HashMap::new();
        let (mut running, mut fetched) = (None, None::<Instant>);
        let (mut scheduled, mut caused) = (issuer.now + LATER, 0);
        for step in steps {
            match step {
                Step::Arrive(kid, token) => waiting.push((issuer.now, (kid, token))),
                Step::Look => {
                    issuer.wait(MOMENT);
                    let now = issuer.now;
                    waiting.retain(|(since, name @ (kid, token))| {
                        // With the snapshot that is active now.
                        let key = issuer.key(&kid.to_string(), &format!("{kid} {token}"));
                        if key.look_up(*since, now) != LookUp::Lacking {
                            return true;
                        }
                        let recent = rejected.get(name).is_some_and(|at| now - *at < TOKEN_MEMORY);
                        let late = fetched.filter(|at| at > since);
                        assert!(late.is_some() || recent, "rejected too early");
                        rejected.extend(late.map(|at| (*name, at)));
                        false
                    });
                }
                Step::Pass(milliseconds) => issuer.wait(milliseconds * MOMENT),
                Step::Begin if running.is_none() => {
                    let is_wanted = issuer.fetched.wanted().is_some_and(|at| at <= issuer.now);
                    if is_wanted || scheduled <= issuer.now {
                        caused += u32::from(scheduled > issuer.now);
                        issuer.fetched.begin(issuer.now);
                        running = Some(issuer.now);
                    }
                }
                Step::Succeed(new, next) => if let Some(begun) = running.take() {
                    scheduled = issuer.now + next * MOMENT;
                    issuer.fetched.succeeded(new.then(keys), scheduled);
                    fetched = Some(begun);
                },
                Step::Fail(next) => if running.take().is_some() {
                    scheduled = issuer.now + next * MOMENT;
                    issuer.fetched.failed(scheduled);
                },
                Step::Begin => {}
            }
            let refilled = (issuer.now - start).as_secs() / REFILL.as_secs();
            prop_assert!(u64::from(caused) <= u64::from(BURST) + refilled);
        }
    }
}
