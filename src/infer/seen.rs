//! What was seen of the values in one place of the records.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    fmt,
};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::formats::{FORMATS, Formats};

/// Different texts of a place that are counted.
const DIFFERENT_MAX: usize = 1_000;
/// Members of an object that are looked at each for itself.
const MEMBERS_MAX: usize = 1_000;

/// From here on a 64-bit float does not hold each integer.
const EXACT_MAX: u64 = 1 << 53;

/// The values in one place: how many of each kind, and what their parts were.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) times: u64,
    pub(super) nulls: u64,
    pub(super) booleans: u64,
    pub(super) integers: u64,
    /// Integers beyond 63 bits.
    pub(super) large: u64,
    pub(super) negative: u64,
    pub(super) fractions: u64,
    /// Numbers that are whole and beyond 2^53: a `Float64` rounds them where they are integers.
    pub(super) rounded: u64,
    pub(super) texts: u64,
    pub(super) different: BTreeSet<String>,
    /// Of each of the formats, whether a text has not been in it.
    pub(super) is_not: [bool; FORMATS.len()],
    /// The most digits of a second's fraction, of texts that may be times.
    pub(super) digits: usize,
    pub(super) arrays: u64,
    pub(super) elements: Option<Box<Seen>>,
    pub(super) objects: u64,
    /// In the order of their first appearance.
    pub(super) members: Vec<(String, Seen)>,
    index: HashMap<String, usize>,
    /// Members beyond those.
    pub(super) others: Option<Box<Seen>>,
}

impl Seen {
    fn member(&mut self, name: String) -> &mut Self {
        let next = self.members.len();
        let index = match self.index.get(&name) {
            Some(index) => *index,
            None if next == MEMBERS_MAX => return self.others.get_or_insert_default(),
            None => {
                self.index.insert(name.clone(), next);
                self.members.push((name, Self::default()));
                next
            }
        };
        &mut self.members[index].1
    }
}

/// Reads a value, and notes it.
pub(super) struct Place<'s> {
    pub(super) seen: &'s mut Seen,
    pub(super) formats: &'s RefCell<Formats>,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.seen.times += 1;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.seen.nulls += 1;
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.seen.booleans += 1;
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.seen.integers += 1;
        self.seen.negative += u64::from(value < 0);
        self.seen.rounded += u64::from(value.unsigned_abs() > EXACT_MAX);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.seen.integers += 1;
        self.seen.large += u64::from(i64::try_from(value).is_err());
        self.seen.rounded += u64::from(value > EXACT_MAX);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.seen.fractions += 1;
        // Beyond 2^53 there are no fractions.
        self.seen.rounded += u64::from(value.abs() > 9_007_199_254_740_992.0);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        let seen = self.seen;
        seen.texts += 1;
        if seen.different.len() < DIFFERENT_MAX && !seen.different.contains(text) {
            seen.different.insert(text.to_owned());
        }
        self.formats.borrow_mut().rule_out(text, &mut seen.is_not);
        let (_, fraction) = text.rsplit_once('.').unwrap_or_default();
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        seen.digits = seen.digits.max(digits);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        self.seen.arrays += 1;
        let seen = self.seen.elements.get_or_insert_default();
        let formats = self.formats;
        while array.next_element_seed(Place { seen, formats })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        self.seen.objects += 1;
        while let Some(name) = object.next_key()? {
            let (seen, formats) = (self.seen.member(name), self.formats);
            object.next_value_seed(Place { seen, formats })?;
        }
        Ok(())
    }
}
