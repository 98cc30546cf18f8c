use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use proptest::prelude::*;

use super::*;
use crate::{
    auth::{Auth, AuthMode, Grant, KeyHash, Scope, Validity},
    route::RouteTable,
};

mod reloads;

/// The set that everything here is verified with.
static KEYS: LazyLock<Arc<KeySet>> = LazyLock::new(|| {
    let auth = Auth {
        mode: AuthMode::Required,
        cache_entries: 1,
        issuers: Vec::new(),
        api_keys: Vec::new(),
        certificates: Vec::new(),
        key_files: Vec::new(),
    };
    KeySet::new(&auth, &[], &Arc::new(RouteTable::new(&[])))
});

fn insert(
    cache: &mut Cache,
    token: &[u8],
    (name, from_ms, until_ms): (&str, u64, u64),
) -> Principal {
    let grant = Grant {
        name: Some(name.into()),
        scope: Scope::All,
        validity: Validity { from_ms, until_ms },
        subject_header: None,
        origins: None,
        allowance: None,
    };
    let proof = Proof::Hash(KeyHash::sha256(token));
    cache.insert(token, Verified { grant, proof }, &KEYS)
}

fn find(cache: &mut Cache, token: &[u8], hint: &Cell<Hint>, now_ms: u64) -> Option<Principal> {
    let found = cache.find(token, hint, &KEYS, now_ms)?;
    Some(found.expect("its key set is the same"))
}

/// The byte count matches the entries.
fn assert_counted(cache: &Cache) {
    let counted: usize = cache.entries.iter().map(|(_, entry)| entry.bytes).sum();
    assert_eq!(cache.bytes, counted);
    assert!(cache.bytes <= cache.bytes_max && cache.len() <= cache.entries_max);
}

#[test]
fn tokens_are_compared_by_their_bytes() {
    let token = b"a-token-that-was-verified.and-has-two-parts";
    let mut cache = Cache::new(8);
    let hint = Cell::default();
    assert!(find(&mut cache, token, &hint, 1).is_none());
    insert(&mut cache, token, ("it", 0, 100));
    for _ in 0..2 {
        let found = find(&mut cache, token, &hint, 1).expect("it was verified");
        assert_eq!(found.name(), Some("it"));
        // The hint now refers to this token; other tokens must not match nevertheless.
        for at in 0..token.len() {
            let mut other = token.to_vec();
            other[at] ^= 1;
            assert!(find(&mut cache, &other, &hint, 1).is_none());
            assert!(find(&mut cache, &token[..at], &hint, 1).is_none());
            assert!(find(&mut cache, &token[at + 1..], &hint, 1).is_none());
        }
        assert!(find(&mut cache, &[&token[..], b"x"].concat(), &hint, 1).is_none());
    }
}

#[test]
fn a_matching_hash_is_not_enough() {
    let mut cache = Cache::new(8);
    insert(&mut cache, b"verified", ("it", 0, 100));
    let hash = cache.hash(b"verified");
    let entry = cache.entries.pop(&hash).expect("it was inserted");
    // Simulates a hash collision.
    let other = cache.hash(b"another");
    cache.entries.push(other, entry);
    assert!(find(&mut cache, b"another", &Cell::default(), 1).is_none());
    assert!(find(&mut cache, b"another", &Cell::new(Hint(other)), 1).is_none());
}

#[test]
fn two_caches_hash_differently() {
    assert_ne!(Cache::new(1).hash(b"token"), Cache::new(1).hash(b"token"));
}

#[test]
fn the_least_recently_used_entry_is_evicted() {
    let mut cache = Cache::new(2);
    insert(&mut cache, b"one", ("1", 0, 100));
    insert(&mut cache, b"two", ("2", 0, 100));
    let hint = Cell::default();
    assert!(find(&mut cache, b"one", &hint, 1).is_some());
    // By the hint, which counts as a use as well.
    assert!(find(&mut cache, b"two", &Cell::default(), 1).is_some());
    assert!(find(&mut cache, b"one", &hint, 1).is_some());
    insert(&mut cache, b"three", ("3", 0, 100));
    assert!(find(&mut cache, b"two", &hint, 1).is_none());
    assert!(find(&mut cache, b"one", &hint, 1).is_some());
    assert_counted(&cache);
}

/// A failed look-up through a hint does not mark the hinted entry as used.
#[test]
fn a_wrong_hint_is_not_a_use_of_its_entry() {
    let mut cache = Cache::new(2);
    insert(&mut cache, b"one", ("1", 0, 100));
    insert(&mut cache, b"two", ("2", 0, 100));
    let hint = Cell::default();
    assert!(find(&mut cache, b"one", &hint, 1).is_some());
    assert!(find(&mut cache, b"two", &Cell::default(), 1).is_some());
    assert!(find(&mut cache, b"strange", &hint, 1).is_none());
    insert(&mut cache, b"three", ("3", 0, 100));
    assert!(find(&mut cache, b"one", &hint, 1).is_none());
    assert!(find(&mut cache, b"two", &hint, 1).is_some());
}

#[test]
fn bytes_are_limited() {
    let mut cache = Cache::new(4);
    let long = vec![b'x'; Cache::bytes_max(4)];
    let principal = insert(&mut cache, &long, ("long", 0, 100));
    assert_eq!(principal.name(), Some("long"));
    assert!(
        cache.is_empty(),
        "an entry larger than the limit is not cached"
    );
    for index in 0..16_u8 {
        insert(&mut cache, &vec![index; 2_000], ("long", 0, 100));
        assert_counted(&cache);
    }
    assert_eq!(cache.len(), 2);
    insert(&mut cache, &[15; 2_000], ("again", 0, 100));
    assert_counted(&cache);
    assert_eq!(cache.len(), 2);
    assert!(cache.contains(&[15; 2_000]));
    cache.remove(&[15; 2_000]);
    cache.remove(&[15; 2_000]);
    assert_counted(&cache);
    assert!(!cache.contains(&[15; 2_000]));
    assert!(find(&mut cache, &[15; 2_000], &Cell::default(), 1).is_none());
    assert_eq!(cache.len(), 1);
}

proptest! {
    /// Compared with an unbounded map: a look-up finds only the last grant of the same bytes, only within
    /// its validity period, whatever the hints are.
    #[test]
    fn look_ups_agree_with_an_unbounded_map(
        entries_max in 1_usize..6,
        steps in prop::collection::vec((0_u8..8, 0_u8..3, any::<bool>(), 0_u64..50, 0_u64..50), 1..200),
    ) {
        let mut cache = Cache::new(entries_max);
        let mut verified: BTreeMap<u8, (u64, u64, usize)> = BTreeMap::new();
        let hints: [Cell<Hint>; 3] = Default::default();
        for (step, (token, connection, inserts, a, b)) in steps.into_iter().enumerate() {
            let name = step.to_string();
            if inserts {
                insert(&mut cache, &[token], (&name, a, b));
                verified.insert(token, (a, b, step));
            } else {
                let found = find(&mut cache, &[token], &hints[usize::from(connection)], a);
                if let Some(found) = found {
                    let (from, until, step) = verified[&token];
                    prop_assert!(from <= a && a < until);
                    let step = step.to_string();
                    prop_assert_eq!(found.name(), Some(&*step));
                }
            }
            assert_counted(&cache);
        }
    }
}
