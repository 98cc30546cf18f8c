//! Sets of names, looked up without hashing more than a few bytes.

/// Names in an order, such as the fields of an object or the members of an enum.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    list: Vec<Name>,
    /// Open addressing with linear probing: a power of two, filled to a quarter at most.
    slots: Vec<Slot>,
    /// The best of those tried: few names do not collide.
    seed: u64,
    /// Whether two names look the same to [`Probe`], so that all bytes must be hashed.
    hashes_all: bool,
}

#[derive(Clone, Debug)]
struct Name {
    probe: Probe,
    start: Start,
    /// As a member of an object begins: the name in quotation marks, and a colon.
    member: Box<str>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Bits of the hash that the index of the slot does not contain: they reject most unknown names.
    tag: u32,
    /// Which name; [`EMPTY`] is none.
    index: u32,
}

const EMPTY: u32 = u32::MAX;

/// Up to this many names, comparing all is faster than hashing.
const FEW: usize = 4;

/// Seeds that are tried.
const SEEDS: u64 = 64;

impl Names {
    /// Names in their order; of duplicates the first is found.
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let names = names.map(Name::new);
        let list: Vec<Name> = names.collect();
        let mut probes: Vec<_> = list.iter().map(|name| name.probe.words()).collect();
        probes.sort_unstable();
        let hashes_all = probes.windows(2).any(|pair| pair[0] == pair[1]);
        let unseeded = Self {
            list,
            hashes_all,
            ..Self::default()
        };
        let tables = (0..SEEDS).map(|seed| unseeded.table(seed));
        let best = tables.min_by_key(|(_, displacement)| *displacement);
        let (seeded, _) = best.unwrap_or_default();
        seeded
    }

    /// The table with this seed, and the total displacement of its slots.
    fn table(&self, seed: u64) -> (Self, usize) {
        let mask = (4 * self.list.len()).next_power_of_two() - 1;
        let empty = Slot {
            tag: 0,
            index: EMPTY,
        };
        let mut table = Self {
            slots: vec![empty; mask + 1],
            seed,
            ..self.clone()
        };
        let mut displacement = 0;
        for (index, name) in (0..EMPTY).zip(&self.list) {
            let (mut place, tag) = table.place(name.probe, name.text().as_bytes());
            while table.slots[place & mask].index != EMPTY {
                place += 1;
                displacement += 1;
            }
            table.slots[place & mask] = Slot { tag, index };
        }
        (table, displacement)
    }

    /// The name at `index`.
    pub(crate) fn text(&self, index: usize) -> &str {
        self.list[index].text()
    }

    /// All of them, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> + Clone {
        self.list.iter().map(Name::text)
    }

    /// The length of the quoted name at `index` and a colon, if `json` begins with them.
    #[inline]
    pub(crate) fn member_len(&self, index: usize, json: &[u8]) -> Option<usize> {
        let name = self.list.get(index)?;
        let len = name.member.len();
        let is_start = name.start.is_of(json)?;
        let rest =
            || json.get(Start::COVERED..len) == Some(&name.member.as_bytes()[Start::COVERED..]);
        (is_start && (len <= Start::COVERED || rest())).then_some(len)
    }

    /// The index of `key`: the likely ones are tried first.
    #[inline]
    pub(crate) fn find(&self, key: &[u8], likely: [usize; 2]) -> Option<usize> {
        let is_key = |index: usize| self.list.get(index).is_some_and(|name| name.is(key));
        if is_key(likely[0]) {
            Some(likely[0])
        } else if is_key(likely[1]) {
            Some(likely[1])
        } else {
            self.look_up(key)
        }
    }

    /// The index of `key`.
    #[inline(never)]
    pub(crate) fn look_up(&self, key: &[u8]) -> Option<usize> {
        if self.list.len() <= FEW {
            return self.list.iter().position(|name| name.is(key));
        }
        let mask = self.slots.len() - 1;
        let probe = Probe::of(key);
        let (mut place, tag) = self.place(probe, key);
        loop {
            let slot = self.slots[place & mask];
            if slot.index == EMPTY {
                return None;
            }
            let index = slot.index as usize;
            if slot.tag == tag && self.list[index].has(probe, key) {
                return Some(index);
            }
            place += 1;
        }
    }

    /// The slot of a name before probing, modulo their number, and its tag.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the two halves of the hash"
    )]
    #[inline]
    fn place(&self, probe: Probe, key: &[u8]) -> (usize, u32) {
        let mut hash = mix(probe.head ^ self.seed, probe.tail ^ probe.len as u64);
        if self.hashes_all {
            hash = mix_all(hash, key);
        }
        ((hash >> 32) as usize, hash as u32)
    }
}

/// The hash of a name of which others have the same [`Probe`].
#[cold]
fn mix_all(hash: u64, name: &[u8]) -> u64 {
    name.chunks(8).fold(hash, |hash, chunk| {
        let word = chunk
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
        mix(hash, word)
    })
}

/// Both halves of a product of what depends on each word.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the two halves of the product"
)]
fn mix(a: u64, b: u64) -> u64 {
    // Odd digits of pi, so that neither factor is 0 for the usual words.
    let product = u128::from(a ^ 0x243F_6A88_85A3_08D3) * u128::from(b ^ 0x1319_8A2E_0370_7345);
    product as u64 ^ (product >> 64) as u64
}

impl Name {
    fn new(text: &str) -> Self {
        let member = format!("\"{text}\":").into_boxed_str();
        Self {
            probe: Probe::of(text.as_bytes()),
            start: Start::of(text, &member),
            member,
        }
    }

    fn text(&self) -> &str {
        &self.member[1..self.member.len() - 2]
    }

    #[inline]
    fn is(&self, key: &[u8]) -> bool {
        // Most names that are not the expected one differ in this already.
        self.probe.len == key.len() && self.has(Probe::of(key), key)
    }

    /// Whether this is `key`, of which `probe` is made.
    #[inline]
    fn has(&self, probe: Probe, key: &[u8]) -> bool {
        // One branch for all: each alone would be mispredicted now and then.
        let difference = (self.probe.head ^ probe.head)
            | (self.probe.tail ^ probe.tail)
            | (self.probe.len ^ probe.len) as u64;
        difference == 0 && (probe.len <= Probe::COVERED || self.text().as_bytes() == key)
    }
}

/// The first bytes of a member, compared in one go.
#[derive(Clone, Copy, Debug)]
struct Start {
    bytes: u128,
    /// Bits of those that count.
    mask: u128,
}

impl Start {
    /// Members up to this many bytes are compared as a whole.
    const COVERED: usize = size_of::<u128>();

    fn of(name: &str, member: &str) -> Self {
        if name
            .bytes()
            .any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\'))
        {
            // Escaped in JSON: no text begins so.
            return Self { bytes: 1, mask: 0 };
        }
        let (mut bytes, mut mask) = ([0; Self::COVERED], [0; Self::COVERED]);
        for ((byte, mask), member) in bytes.iter_mut().zip(&mut mask).zip(member.bytes()) {
            (*byte, *mask) = (member, u8::MAX);
        }
        Self {
            bytes: u128::from_le_bytes(bytes),
            mask: u128::from_le_bytes(mask),
        }
    }

    /// `None` if there is too little to be compared.
    #[inline]
    fn is_of(self, json: &[u8]) -> Option<bool> {
        let bytes = u128::from_le_bytes(*json.first_chunk()?);
        Some(bytes & self.mask == self.bytes)
    }
}

/// A name's length, first and last bytes; all there is of a name of [`Probe::COVERED`] bytes.
#[derive(Clone, Copy, Debug)]
struct Probe {
    head: u64,
    tail: u64,
    len: usize,
}

impl Probe {
    /// Names up to this many bytes are equal if their probes are.
    const COVERED: usize = 16;

    #[inline]
    fn of(name: &[u8]) -> Self {
        let len = name.len();
        let (head, tail) = match (name.first_chunk(), name.last_chunk()) {
            (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
            _ => match (name.first_chunk(), name.last_chunk()) {
                (Some(head), Some(tail)) => (
                    u64::from(u32::from_le_bytes(*head)),
                    u64::from(u32::from_le_bytes(*tail)),
                ),
                _ => match *name {
                    [] => (0, 0),
                    [a] => (u64::from(a), 0),
                    [a, b] => (u64::from(a), u64::from(b)),
                    [a, b, .., c] => (u64::from(a), u64::from(b) << 8 | u64::from(c)),
                },
            },
        };
        Self { head, tail, len }
    }

    fn words(self) -> (u64, u64, usize) {
        (self.head, self.tail, self.len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn names(texts: &[&str]) -> Names {
        Names::new(texts.iter().copied())
    }

    #[test]
    fn none_is_found_among_none() {
        assert_eq!(names(&[]).find(b"a", [0, 0]), None);
    }

    #[test]
    fn names_that_differ_in_the_middle_only() {
        let texts: Vec<_> = (0..1_000)
            .map(|number| format!("customer_{number:04}_percentage"))
            .collect();
        let names = Names::new(texts.iter().map(String::as_str));
        assert!(names.hashes_all);
        for (index, text) in texts.iter().enumerate() {
            assert_eq!(names.find(text.as_bytes(), [0, 1]), Some(index), "{text}");
        }
        assert_eq!(names.look_up(b"customer_1000_percentage"), None);
    }

    #[test]
    fn few_names_have_a_slot_each() {
        let texts = [
            "eventId",
            "timestamp",
            "userId",
            "kind",
            "durationMs",
            "tags",
            "geo",
            "page",
            "referrer",
            "props",
        ];
        let names = names(&texts);
        let places: std::collections::BTreeSet<_> = names
            .list
            .iter()
            .map(|name| names.place(name.probe, name.text().as_bytes()).0 % names.slots.len())
            .collect();
        assert_eq!(places.len(), texts.len());
    }

    #[test]
    fn members_are_compared_as_a_whole() {
        let texts = [
            "",
            "a",
            "é",
            "of_13_bytes_x",
            "of_14_bytes_xy",
            "more_than_16_bytes",
            r#"a""#,
        ];
        let names = names(&texts);
        let rest = " ".repeat(16);
        for (index, text) in texts.iter().enumerate() {
            let member = format!("\"{text}\":");
            let expected = (!text.contains('"')).then_some(member.len());
            let len = |json: &str| names.member_len(index, json.as_bytes());
            assert_eq!(len(&format!("{member}{rest}")), expected, "{text}");
            for cut in 0..member.len() {
                assert_eq!(
                    len(&format!("{}{rest}", &member.get(..cut).unwrap_or_default())),
                    None
                );
            }
            assert_eq!(len(&format!("\"x{text}\":{rest}")), None);
            assert_eq!(len(&format!("\"{text}\" :{rest}")), None);
        }
        assert_eq!(
            names.member_len(1, br#""a":1}"#),
            None,
            "too short to be compared in one go"
        );
        assert_eq!(names.member_len(texts.len(), &[b' '; 32]), None);
    }

    proptest! {
        #[test]
        fn as_a_search_from_the_first(
            texts in vec("[ab]{0,5}|a{8,20}|[ab]{15,18}", 0..40),
            others in vec("[ab]{0,5}|a{8,20}|[ab]{15,18}", 0..40),
            likely: [u8; 2],
        ) {
            let mut unique: Vec<&str> = Vec::new();
            for text in &texts {
                if !unique.contains(&text.as_str()) {
                    unique.push(text);
                }
            }
            let names = Names::new(unique.iter().copied());
            for text in texts.iter().chain(&others) {
                let place = unique.iter().position(|it| it == text);
                prop_assert_eq!(names.find(text.as_bytes(), likely.map(usize::from)), place);
            }
        }
    }
}
