//! An error planted anywhere in a record is reported at its position, however it is nested and written.

use proptest::{collection::vec, prelude::*, sample::Index};
use ringest::model::{Field, Kind, Object, Rules, Type, UnknownFields};
use ringest::validate::ErrorCode;
use serde_json::Value;

use super::typed::validate;

/// No other number looks like it.
const PLANTED: &str = "98765432101234567";

/// What is around a value.
#[derive(Clone, Debug)]
enum Around {
    /// Elements before and after.
    Array(usize, usize),
    /// The name of the field, and the names of others with any values.
    Object(String, Vec<(String, String)>),
    /// The value's key, and keys of others.
    Map(String, Vec<String>),
}

/// A value in a record, with and without the error.
#[derive(Clone, Debug)]
struct Nested {
    kind: Kind,
    good: String,
    bad: String,
}

fn around() -> impl Strategy<Value = Around> {
    // Others start with a tilde, so that no two keys are the same.
    let name = "[a-zA-Z_0-9 '\"\\\\.é😀\n\u{1}-]{0,6}";
    let other = "~[a-z'é]{0,4}";
    prop_oneof![
        (0..3_usize, 0..3_usize).prop_map(|(before, after)| Around::Array(before, after)),
        (name, vec((other, super::any_json()), 0..4))
            .prop_map(|(name, others)| Around::Object(name, others)),
        (name, vec(other, 0..3)).prop_map(|(key, others)| Around::Map(key, others)),
    ]
}

fn type_(kind: Kind) -> Type {
    let text = "a type".to_owned();
    Type { kind, text }
}

/// A JSON string of this text, every nth character escaped.
fn escaped(text: &str, nth: usize) -> String {
    let mut units = [0; 2];
    let mut escaped = String::new();
    for (place, char) in text.chars().enumerate() {
        if place % nth == 0 {
            let units = char.encode_utf16(&mut units).iter();
            escaped.extend(units.map(|unit| format!("\\u{unit:04x}")));
        } else {
            let quoted = serde_json::to_string(&char).expect("a string");
            escaped += &quoted[1..quoted.len() - 1];
        }
    }
    format!("\"{escaped}\"")
}

impl Nested {
    fn leaf() -> Self {
        Self {
            kind: Kind::Integer {
                signed: false,
                bits: 8,
            },
            good: "7".to_owned(),
            bad: PLANTED.to_owned(),
        }
    }

    fn within(self, around: &Around, place: Index, nth: usize, space: &str) -> Self {
        match around {
            Around::Array(before, after) => {
                let array = |value: &str| {
                    let others = |count: &usize| vec![self.good.clone(); *count];
                    let all = [others(before), vec![value.to_owned()], others(after)].concat();
                    format!("[{space}{}{space}]", all.join(&format!("{space},")))
                };
                Self {
                    good: array(&self.good),
                    bad: array(&self.bad),
                    kind: Kind::Array(Box::new(type_(self.kind))),
                }
            }
            Around::Object(name, others) => {
                let others = others
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()));
                let (good, bad) =
                    self.members(name, &others.collect::<Vec<_>>(), place, nth, space);
                let field = |name: &str, type_, has_default| {
                    Field::declared(name.to_owned(), type_, has_default)
                };
                let fields = vec![
                    field("~~declared and left out", type_(Kind::String), true),
                    field(name, type_(self.kind), false),
                ];
                let unknown_fields = None;
                Self {
                    good,
                    bad,
                    kind: Kind::Object(Object {
                        fields,
                        unknown_fields,
                    }),
                }
            }
            Around::Map(key, others) => {
                let mut others = others.clone();
                others.sort();
                others.dedup();
                let others = others.iter().map(|key| (key.as_str(), self.good.as_str()));
                let (good, bad) = self.members(key, &others.collect::<Vec<_>>(), place, nth, space);
                let key = Box::new(type_(Kind::String));
                Self {
                    good,
                    bad,
                    kind: Kind::Map(key, Box::new(type_(self.kind))),
                }
            }
        }
    }

    /// An object with the value somewhere among others.
    fn members(
        &self,
        name: &str,
        others: &[(&str, &str)],
        place: Index,
        nth: usize,
        space: &str,
    ) -> (String, String) {
        let place = place.index(others.len() + 1);
        let object = |value: &str| {
            let mut members = others.to_vec();
            members.insert(place, (name, value));
            let members = members.iter().map(|(name, value)| {
                format!("{space}{}{space}:{space}{value}", escaped(name, nth))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        };
        (object(&self.good), object(&self.bad))
    }
}

/// The value that a path leads to.
fn follow<'v>(path: &str, mut value: &'v Value) -> Option<&'v Value> {
    let mut rest = path.strip_prefix('$')?;
    while !rest.is_empty() {
        if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            value = value.get(&name[..end])?;
            rest = &name[end..];
        } else if let Some(quoted) = rest.strip_prefix("['") {
            let mut name = String::new();
            let mut chars = quoted.char_indices();
            rest = loop {
                match chars.next()? {
                    (end, '\'') => break quoted[end + 1..].strip_prefix(']')?,
                    (_, '\\') => name.push(match chars.next()?.1 {
                        'n' => '\n',
                        'u' => {
                            let digits: String = chars.by_ref().take(4).map(|it| it.1).collect();
                            char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                        }
                        same => same,
                    }),
                    (_, char) => name.push(char),
                }
            };
            value = value.get(&name)?;
        } else {
            let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
            value = value.get(index.parse::<usize>().ok()?)?;
            rest = after;
        }
    }
    Some(value)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_error_is_reported_at_its_position(
        arounds in vec((around(), any::<Index>(), 1..4_usize), 0..6),
        (name, place, nth) in ("[a-z.' ]{1,6}", any::<Index>(), 1..4_usize),
        space in "[ \n\t]{0,2}",
        before in 0..3_usize,
    ) {
        let mut nested = Nested::leaf();
        for (around, place, nth) in &arounds {
            nested = nested.within(around, *place, *nth, &space);
        }
        let record = Around::Object(name, vec![("~x".to_owned(), "[{},[]]".to_owned())]);
        let nested = nested.within(&record, place, nth, &space);
        let Kind::Object(object) = &nested.kind else { unreachable!() };
        let rules = Rules::compile(&object.fields, UnknownFields::Forward);

        let body = |last: &str| {
            let good = vec![nested.good.clone(); before];
            format!("[{}]", [good, vec![last.to_owned()]].concat().join(",\n"))
        };
        prop_assert_eq!(validate(&rules, &body(&nested.good)).map_err(|it| it.errors), Ok(before + 1));
        let body = body(&nested.bad);
        let rejection = validate(&rules, &body).expect_err("an error");
        prop_assert_eq!(rejection.errors_total, 1);
        let error = &rejection.errors[0];
        prop_assert_eq!((error.index, error.code), (before, ErrorCode::OutOfRange));
        prop_assert_eq!(Some(error.offset), body.find(PLANTED));
        let value: Value = serde_json::from_str(&nested.bad).expect("JSON");
        let found = follow(&error.path, &value).map(Value::to_string);
        prop_assert_eq!(found.as_deref(), Some(PLANTED), "{}", &error.path);
    }

    /// Fields are validated in any order.
    #[test]
    fn the_order_of_fields_does_not_matter(
        names in prop::collection::btree_set("[a-c]{0,3}|[a-z]{8}|aaaaaaaa[a-b]{3}aaaaaaaa", 1..90),
        seed: u64,
        (bad, absent) in (any::<Index>(), any::<Index>()),
    ) {
        let fields: Vec<_> = names.iter().map(|name| super::typed::field(name, "UInt8")).collect();
        let rules = Rules::compile(&fields, UnknownFields::Reject);
        let mut shuffled: Vec<_> = names.iter().enumerate().collect();
        shuffled.sort_by_key(|(index, _)| (*index as u64 + 1).wrapping_mul(seed | 1));
        let (bad, absent) = (bad.index(names.len()), absent.index(names.len()));
        let record = |bad: Option<usize>, absent: Option<usize>| {
            let members = shuffled.iter().filter(|(index, _)| Some(*index) != absent);
            let members = members.map(|(index, name)| {
                let value = if Some(*index) == bad { "256" } else { "255" };
                format!("\"{name}\":{value}")
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        };
        prop_assert!(validate(&rules, &record(None, None)).is_ok());
        let reported = |record: &str| {
            let rejection = validate(&rules, record).expect_err("an error");
            rejection.errors.iter().map(|it| (it.code, it.path.clone())).collect::<Vec<_>>()
        };
        let path = |index: usize| {
            let name = names.iter().nth(index).expect("a name");
            if name.is_empty() { "$['']".to_owned() } else { format!("$.{name}") }
        };
        prop_assert_eq!(reported(&record(Some(bad), None)), vec![(ErrorCode::OutOfRange, path(bad))]);
        prop_assert_eq!(reported(&record(None, Some(absent))), vec![(ErrorCode::MissingField, path(absent))]);
    }
}
