//! Runs the table of cases, shuffled and repeated, among requests with valid credentials.

use std::{collections::HashMap, fmt::Write as _};

use super::{
    Rig, ask,
    case::{Case, Expected, names_error, post},
    cases,
    descriptions::described,
    empty, hygiene, issuers,
    token::now,
};
use crate::support::http::{Answer, Http};

/// The seed of the order of the cases.
const SEED: u64 = 7_519;

/// How often the table is run: in the first round most of the valid tokens are new.
const ROUNDS: usize = 2;

/// How often a case occurs in one round, not counting immediate repetitions.
const TIMES: usize = 2;

/// Concurrent connections; each belongs to one worker, and so to one cache.
const CONNECTIONS: usize = 4;

#[test]
fn every_case_again_and_again() {
    let rig = Rig::start_with(|builder| issuers::configure(builder).set("log.filter", "trace"));
    let mut run = Run::new(&rig);
    let begun = now();
    let cases = cases::all();
    assert!(cases.len() > 500, "{}", cases.len());
    for round in 0..ROUNDS {
        for index in run.random.shuffled(cases.len() * TIMES) {
            run.attempt(&cases[index % cases.len()], round);
        }
    }
    let seconds = now() - begun;
    println!("{} requests in {seconds} s", run.requests);
    let rejections = run.rejections;
    run.finish(&cases);
    hygiene::nothing_but_allowed_records(&rig, &cases);
    hygiene::nothing_secret_in_the_log(&rig, &cases);
    hygiene::reasons_in_the_log(&rig);
    hygiene::rejections_are_counted(&rig, rejections);
}

/// Entries are evicted all the time.
#[test]
fn with_hardly_a_cache() {
    let rig = Rig::start_with(|builder| {
        issuers::configure(builder)
            .set("auth.cache_entries", "2")
            .set("workers", "1")
    });
    let mut run = Run::new(&rig);
    let cases = cases::all();
    let some: Vec<&Case> = cases.iter().step_by(4).collect();
    for index in run.random.shuffled(some.len()) {
        run.attempt(some[index], 0);
    }
    run.finish(&[]);
}

/// The results so far.
struct Run<'r> {
    rig: &'r Rig,
    connections: Vec<Http>,
    good: Vec<(&'static str, Vec<u8>)>,
    random: Random,
    /// The answer to no credential, and to a bad one.
    unauthorized: [Answer; 2],
    first: HashMap<String, Answer>,
    /// Failures by case, so that each is reported once.
    wrong: HashMap<String, String>,
    requests: usize,
    rejections: u64,
}

impl<'r> Run<'r> {
    fn new(rig: &'r Rig) -> Self {
        let mut http = rig.ringest.connect();
        let unauthorized = [&b""[..], b"Authorization: Bearer x.y.z\r\n"]
            .map(|lines| ask(&rig.ringest, &mut http, &post(super::EVENT, lines, b"[]")));
        let good = issuers::good()
            .into_iter()
            .map(|(name, token)| (name, empty(&token)));
        Self {
            rig,
            connections: (0..CONNECTIONS).map(|_| rig.ringest.connect()).collect(),
            good: good.collect(),
            random: Random(SEED),
            unauthorized,
            first: HashMap::new(),
            wrong: HashMap::new(),
            requests: 0,
            rejections: 2,
        }
    }

    /// A good credential, the case, the case once more now and then, a good one again, all on one
    /// connection; now and then the case on another one.
    fn attempt(&mut self, case: &Case, round: usize) {
        let connection = self.random.below(CONNECTIONS);
        self.good_one(connection, &case.name);
        self.bad_one(connection, case, round);
        if self.random.below(2) == 0 {
            self.bad_one(connection, case, round);
        }
        self.good_one(connection, &case.name);
        if self.random.below(4) == 0 {
            let another = self.random.below(CONNECTIONS);
            self.bad_one(another, case, round);
        }
    }

    fn good_one(&mut self, connection: usize, around: &str) {
        let (name, request) = &self.good[self.random.below(self.good.len())];
        let answer = ask(
            &self.rig.ringest,
            &mut self.connections[connection],
            request,
        );
        self.requests += 1;
        if answer.status != 200 {
            let what = format!("refused beside the case {around:?}: {answer:?}");
            self.wrong.entry(format!("good: {name}")).or_insert(what);
        }
    }

    fn bad_one(&mut self, connection: usize, case: &Case, round: usize) {
        let answer = ask(
            &self.rig.ringest,
            &mut self.connections[connection],
            &case.request,
        );
        self.requests += 1;
        self.rejections += u64::from(answer.status == 401);
        let head_only = case.request.starts_with(b"HEAD ");
        let what = if !case.expected.allows(&answer) {
            format!("expected {:?}, got {answer:?}", case.expected)
        } else if answer.status == 401 && !self.is_the_one(&answer, head_only) {
            format!("another 401: {answer:?}")
        } else {
            let first = self
                .first
                .entry(case.name.clone())
                .or_insert_with(|| clone(&answer));
            if same(first, &answer) {
                return;
            }
            format!("first {first:?}, then {answer:?}")
        };
        let what = format!("round {round}: {what}");
        self.wrong.entry(case.name.clone()).or_insert(what);
    }

    /// Every 401 of a kind has the same bytes, but for what the bearer of an authentic token learns.
    fn is_the_one(&self, answer: &Answer, head_only: bool) -> bool {
        let (answer, _) = described(answer);
        let mut one = clone(&self.unauthorized[usize::from(names_error(&answer))]);
        if head_only {
            one.body.clear();
        }
        same(&one, &answer)
    }

    /// Panics with all failures, if any.
    fn finish(self, cases: &[Case]) {
        for case in cases.iter().filter(|case| case.expected == Expected::Open) {
            let status = self.first.get(&case.name).map(|it| it.status);
            println!("left open: {:?} is answered {status:?}", case.name);
        }
        let mut wrong: Vec<_> = self.wrong.iter().collect();
        wrong.sort();
        let mut told = String::new();
        for (name, what) in &wrong {
            writeln!(told, "{name:?}: {what}").expect("a String takes all");
        }
        assert!(wrong.is_empty(), "{} cases:\n{told}", wrong.len());
    }
}

fn clone(answer: &Answer) -> Answer {
    Answer {
        status: answer.status,
        headers: answer.headers.clone(),
        body: answer.body.clone(),
    }
}

/// Whether two answers have the same bytes, except for the fields about time and connection, and for what
/// identifies the request.
pub(crate) fn same(one: &Answer, other: &Answer) -> bool {
    let headers = |answer: &Answer| -> Vec<(String, String)> {
        let kept = answer.headers.iter().filter(|(name, _)| {
            !["date", "connection", "keep-alive", "x-request-id"]
                .contains(&name.to_lowercase().as_str())
        });
        kept.cloned().collect()
    };
    let body = |answer: &Answer| {
        let id = answer.header("x-request-id").expect("each has one");
        String::from_utf8_lossy(&answer.body).replace(id, "")
    };
    one.status == other.status && headers(one) == headers(other) && body(one) == body(other)
}

/// splitmix64: small, and the same on every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("small");
        usize::try_from(self.next() % end).expect("small")
    }

    /// 0 to `count - 1`, in some order.
    fn shuffled(&mut self, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..count).collect();
        for end in (1..count).rev() {
            all.swap(end, self.below(end + 1));
        }
        all
    }
}
