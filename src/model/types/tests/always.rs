//! What holds for every text and every type.

use proptest::prelude::*;

use super::super::*;

/// Writes a type, with white space between its tokens as a list of choices has it.
struct Printer<'c> {
    text: String,
    choices: std::iter::Cycle<std::slice::Iter<'c, u8>>,
}

impl Printer<'_> {
    fn token(&mut self, token: &str) {
        let choice = self.choices.next().copied().unwrap_or_default();
        self.text += ["", " ", "\n\t", ""][usize::from(choice % 4)];
        self.text += token;
    }

    fn quoted(&mut self, text: &str, quote: char) {
        let choice = self.choices.next().copied().unwrap_or_default();
        let escaped = ["\\", &quote.to_string()][usize::from(choice % 2)].to_owned();
        let text = text
            .replace('\\', "\\\\")
            .replace(quote, &format!("{escaped}{quote}"));
        self.token(&format!("{quote}{text}{quote}"));
    }

    fn list<T>(&mut self, name: &str, items: &[T], print: impl Fn(&mut Self, &T)) {
        self.token(name);
        for (index, item) in items.iter().enumerate() {
            self.token(if index == 0 { "(" } else { "," });
            print(self, item);
        }
        self.token(")");
    }

    fn type_(&mut self, kind: &Kind) {
        match kind {
            Kind::String => self.token("String"),
            Kind::FixedString(bytes) => self.token(&format!("FixedString({bytes})")),
            Kind::Bool => self.token("Bool"),
            Kind::Integer { signed, bits } => {
                self.token(&format!("{}Int{bits}", if *signed { "" } else { "U" }));
            }
            Kind::Float => self.token("Float64"),
            Kind::Decimal => self.token("Decimal( 9 , 2 )"),
            Kind::Date => self.token("Date32"),
            Kind::DateTime => self.token("DateTime64( 3 , 'UTC' )"),
            Kind::Uuid => self.token("UUID"),
            Kind::Ipv4 => self.token("IPv4"),
            Kind::Ipv6 => self.token("IPv6"),
            Kind::Enum(members) => self.list("Enum", members, |printer, (name, number)| {
                printer.quoted(name, '\'');
                printer.token("=");
                printer.token(&number.to_string());
            }),
            Kind::Nullable(inner) => {
                self.list("Nullable", &[inner], |printer, it| printer.type_(&it.kind));
            }
            Kind::Array(inner) => {
                self.list("Array", &[inner], |printer, it| printer.type_(&it.kind));
            }
            Kind::Map(key, value) => {
                self.list("Map", &[key, value], |printer, it| printer.type_(&it.kind));
            }
            Kind::Tuple(types) => self.list("Tuple", types, |printer, it| printer.type_(&it.kind)),
            Kind::Object(object) => self.list("Nested", &object.fields, |printer, field| {
                printer.quoted(&field.name, '`');
                printer.type_(&field.type_.kind);
            }),
            Kind::Json(paths) if paths.is_empty() => self.token("JSON"),
            Kind::Json(paths) => self.list("JSON", paths, |printer, (path, type_)| {
                for (index, part) in path.iter().enumerate() {
                    if index > 0 {
                        printer.token(".");
                    }
                    printer.quoted(part, '"');
                }
                printer.type_(&type_.kind);
            }),
            Kind::Any | Kind::Number | Kind::WholeNumber { .. } | Kind::Literals(_) => {
                unreachable!("not of this language")
            }
        }
    }
}

fn untold(kind: Kind) -> Type {
    Type {
        kind,
        text: String::new(),
    }
}

fn scalar() -> impl Strategy<Value = Kind> {
    let members = prop::collection::btree_map("[a'\\\\é \n=,)]{0,4}", any::<i16>(), 1..4);
    let members = members.prop_filter_map("each number once", |members| {
        let numbers: std::collections::BTreeSet<_> = members.values().collect();
        (numbers.len() == members.len()).then(|| Kind::Enum(members.into_iter().collect()))
    });
    let bits = prop::sample::select(vec![8_u16, 16, 32, 64, 128, 256]);
    prop_oneof![
        Just(Kind::String),
        (1_usize..=16_777_215).prop_map(Kind::FixedString),
        (any::<bool>(), bits).prop_map(|(signed, bits)| Kind::Integer { signed, bits }),
        Just(Kind::Float),
        Just(Kind::Date),
        Just(Kind::DateTime),
        Just(Kind::Uuid),
        Just(Kind::Ipv4),
        Just(Kind::Ipv6),
        members,
    ]
}

fn names() -> impl Strategy<Value = std::collections::BTreeSet<String>> {
    prop::collection::btree_set("[a-z`\\\\é \"']{1,4}", 1..4)
}

fn any_kind() -> impl Strategy<Value = Kind> {
    let leaf = prop_oneof![
        4 => scalar(),
        1 => Just(Kind::Bool),
        1 => Just(Kind::Decimal),
        1 => Just(Kind::Json(Vec::new())),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        let inner = inner.boxed();
        let several = prop::collection::vec(inner.clone(), 4);
        prop_oneof![
            inner.clone().prop_map(|kind| match kind {
                Kind::Nullable(_) => kind,
                other => Kind::Nullable(Box::new(untold(other))),
            }),
            inner
                .clone()
                .prop_map(|kind| Kind::Array(Box::new(untold(kind)))),
            (scalar(), inner).prop_map(|(key, value)| {
                Kind::Map(Box::new(untold(key)), Box::new(untold(value)))
            }),
            prop::collection::vec(several.clone().prop_map(|mut it| it.remove(0)), 1..4)
                .prop_map(|kinds| Kind::Tuple(kinds.into_iter().map(untold).collect())),
            (names(), several.clone()).prop_map(|(names, kinds)| {
                let fields = names
                    .into_iter()
                    .zip(kinds)
                    .map(|(name, kind)| Field::declared(name, untold(kind), false));
                Kind::Object(Object {
                    fields: fields.collect(),
                    unknown_fields: None,
                })
            }),
            (names(), several).prop_map(|(names, kinds)| {
                // As long as one another and different, no path is the beginning of another.
                let paths = names.into_iter().zip(kinds);
                let path = |name: String| vec!["p".to_owned(), name];
                Kind::Json(
                    paths
                        .map(|(name, kind)| (path(name), untold(kind)))
                        .collect(),
                )
            }),
        ]
    })
}

/// The same without texts, which depend on white space.
fn without_texts(whole: Type) -> Type {
    let boxed = |it: Box<Type>| Box::new(without_texts(*it));
    untold(match whole.kind {
        Kind::Nullable(inner) => Kind::Nullable(boxed(inner)),
        Kind::Array(inner) => Kind::Array(boxed(inner)),
        Kind::Map(key, value) => Kind::Map(boxed(key), boxed(value)),
        Kind::Tuple(types) => Kind::Tuple(types.into_iter().map(without_texts).collect()),
        Kind::Object(mut object) => {
            for field in &mut object.fields {
                field.type_ = without_texts(field.type_.clone());
            }
            Kind::Object(object)
        }
        Kind::Json(paths) => {
            let paths = paths.into_iter();
            Kind::Json(paths.map(|(path, it)| (path, without_texts(it))).collect())
        }
        other => other,
    })
}

proptest! {
    #[test]
    fn a_printed_type_is_read_as_it_was(
        kind in any_kind(),
        choices in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let mut printer = Printer { text: String::new(), choices: choices.iter().cycle() };
        printer.type_(&kind);
        let text = printer.text;
        let found = Type::parse(&text).map_err(|it| TestCaseError::fail(it.to_string()))?;
        prop_assert_eq!(&found.text, text.trim());
        prop_assert_eq!(without_texts(found), untold(kind), "{}", text);
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        if let Err(error) = Type::parse(&text) {
            prop_assert!(text.is_char_boundary(error.offset));
            prop_assert_eq!(error.to_string().lines().count(), 3);
        }
    }

    #[test]
    fn nothing_made_of_tokens_panics(
        tokens in prop::collection::vec(prop::sample::select(vec![
            "Array", "Tuple", "Nested", "JSON", "Map", "Enum8", "Nullable", "DateTime64",
            "FixedString", "SimpleAggregateFunction", "SKIP", "REGEXP", "max_dynamic_paths", "a",
            "String", "Int8", "(", "(", "(", ")", ")", ",", ".", "=", "'a'", "'", "`é`", "\"", "\\",
            "-", "3", "99999999999999999999", " ", "é",
        ]), 0..30),
    ) {
        let text = tokens.concat();
        if let Err(error) = Type::parse(&text) {
            prop_assert!(text.is_char_boundary(error.offset));
            prop_assert_eq!(error.to_string().lines().count(), 3);
        }
    }
}
