//! The type language, read a second time: what `ClickHouse` types say about JSON, and no more.
//! Models here are right, so whatever is wrong with one is a panic.

use std::sync::LazyLock;

use regex::Regex;

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    String,
    /// At most so many bytes.
    FixedString(usize),
    Bool,
    Integer {
        signed: bool,
        bits: u32,
    },
    Float,
    Decimal,
    /// `Date`, `Date32`.
    Date,
    /// `DateTime`, `DateTime64`.
    DateTime,
    Uuid,
    Ipv4,
    Ipv6,
    /// Names and numbers.
    Enum(Vec<(String, i64)>),
    Nullable(Box<Type>),
    Array(Box<Type>),
    Map(Box<Type>, Box<Type>),
    /// `Tuple` with names, `Nested`.
    Object(Vec<(String, Type)>),
    /// `Tuple` without names, `Point`.
    Tuple(Vec<Type>),
    /// Its typed paths, member by member.
    Json(Vec<(Vec<String>, Type)>),
}

/// A data model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) fields: Vec<Field>,
    pub(crate) rejects_unknown: bool,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) type_: Type,
    pub(crate) has_default: bool,
}

impl Model {
    /// A model file.
    pub(crate) fn parse(text: &str) -> Self {
        let model: toml::Table = text.parse().expect("TOML");
        let fields = model["fields"].as_table().expect("a table of fields");
        let fields = fields.iter().map(|(name, field)| Field {
            name: name.clone(),
            type_: match field {
                toml::Value::Table(field) => &field["type"],
                type_ => type_,
            }
            .as_str()
            .map(Type::parse)
            .expect("a type is a text"),
            has_default: field
                .as_table()
                .is_some_and(|field| field.contains_key("default")),
        });
        let unknown_fields = model.get("unknown_fields").and_then(toml::Value::as_str);
        Self {
            fields: fields.collect(),
            rejects_unknown: unknown_fields == Some("reject"),
        }
    }
}

impl Type {
    /// `Array(Nullable(Int32))` and so on.
    pub(crate) fn parse(text: &str) -> Self {
        static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
            let token =
                r"[A-Za-z_][A-Za-z0-9_]*|-?[0-9]+|'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.)*`|[(),.=]";
            Regex::new(token).expect("a pattern")
        });
        let tokens = TOKEN.find_iter(text).map(|token| token.as_str());
        let mut parser = Parser {
            tokens: tokens.collect(),
            next: 0,
        };
        let type_ = parser.type_();
        assert!(parser.peek(0).is_empty(), "more behind the type: {text}");
        type_
    }
}

struct Parser<'t> {
    tokens: Vec<&'t str>,
    next: usize,
}

impl<'t> Parser<'t> {
    /// The token so far ahead, `""` beyond the last.
    fn peek(&self, ahead: usize) -> &'t str {
        self.tokens.get(self.next + ahead).copied().unwrap_or("")
    }

    fn take(&mut self) -> &'t str {
        let token = self.peek(0);
        self.next += 1;
        token
    }

    fn skip(&mut self, token: &str) -> bool {
        let is_next = self.peek(0) == token;
        self.next += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, token: &str) {
        let next = self.take();
        assert_eq!(next, token, "in {:?}", self.tokens);
    }

    /// What `(item, item, …)` holds; nothing where there is no parenthesis.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let mut items = Vec::new();
        if !self.skip("(") || self.skip(")") {
            return items;
        }
        loop {
            items.push(item(self));
            if self.skip(")") {
                return items;
            }
            self.expect(",");
        }
    }

    fn one(&mut self) -> Type {
        let mut types = self.list(Self::type_);
        assert_eq!(types.len(), 1, "one type in the parentheses");
        types.remove(0)
    }

    /// Parameters that change nothing: a precision, a time zone.
    fn ignored(&mut self) {
        self.list(Self::take);
    }

    fn type_(&mut self) -> Type {
        let name = self.take();
        match name {
            "String" => Type::String,
            "FixedString" => Type::FixedString(self.list(Self::take)[0].parse().expect("a length")),
            "Bool" => Type::Bool,
            "Float32" | "Float64" => Type::Float,
            "Decimal" | "Decimal32" | "Decimal64" | "Decimal128" | "Decimal256" => {
                self.ignored();
                Type::Decimal
            }
            "Date" | "Date32" => Type::Date,
            "DateTime" | "DateTime64" => {
                self.ignored();
                Type::DateTime
            }
            "UUID" => Type::Uuid,
            "IPv4" => Type::Ipv4,
            "IPv6" => Type::Ipv6,
            "Enum" | "Enum8" | "Enum16" => self.members(),
            "LowCardinality" => self.one(),
            "SimpleAggregateFunction" => {
                self.expect("(");
                self.take();
                self.ignored();
                self.expect(",");
                let type_ = self.type_();
                self.expect(")");
                type_
            }
            "Nullable" => Type::Nullable(Box::new(self.one())),
            "Array" => Type::Array(Box::new(self.one())),
            "Map" => {
                let [key, value] = self.list(Self::type_).try_into().expect("two types");
                Type::Map(Box::new(key), Box::new(value))
            }
            "Nested" => Type::Object(self.list(Self::field)),
            "Tuple" if is_name(self.peek(1)) && !matches!(self.peek(2), "," | "(" | ")") => {
                Type::Object(self.list(Self::field))
            }
            "Tuple" => Type::Tuple(self.list(Self::type_)),
            "JSON" => Type::Json(
                self.list(Self::json_parameter)
                    .into_iter()
                    .flatten()
                    .collect(),
            ),
            "Point" => Type::Tuple(vec![Type::Float, Type::Float]),
            "Ring" | "LineString" => arrays(1),
            "MultiLineString" | "Polygon" => arrays(2),
            "MultiPolygon" => arrays(3),
            _ => integer(name).unwrap_or_else(|| panic!("no type: {name:?}")),
        }
    }

    /// `'name' = number, …`; without numbers they count on from the last, or from 1.
    fn members(&mut self) -> Type {
        let mut last = 0;
        Type::Enum(self.list(|it| {
            let name = unquoted(it.take());
            last = if it.skip("=") {
                it.take().parse().expect("a number")
            } else {
                last + 1
            };
            (name, last)
        }))
    }

    fn field(&mut self) -> (String, Type) {
        (unquoted(self.take()), self.type_())
    }

    /// A typed path; the other parameters are about how `ClickHouse` stores it.
    fn json_parameter(&mut self) -> Option<(Vec<String>, Type)> {
        if self.peek(1) == "=" {
            self.next += 3;
            return None;
        }
        if self.skip("SKIP") {
            if self.skip("REGEXP") {
                self.take();
            } else {
                self.path();
            }
            return None;
        }
        Some((self.path(), self.type_()))
    }

    fn path(&mut self) -> Vec<String> {
        let mut path = vec![unquoted(self.take())];
        while self.skip(".") {
            path.push(unquoted(self.take()));
        }
        path
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|it: char| it.is_ascii_alphabetic() || matches!(it, '_' | '`'))
}

/// A name or a text without its quotes.
fn unquoted(token: &str) -> String {
    let Some(quote) = token.chars().next().filter(|it| matches!(it, '\'' | '`')) else {
        return token.to_owned();
    };
    let inside = &token[1..token.len() - 1];
    let mut text = String::new();
    let mut chars = inside.chars();
    while let Some(char) = chars.next() {
        // A backslash, or a quote doubled, stands before what is meant.
        let escapes = char == '\\' || char == quote;
        text.push(if escapes {
            chars.next().expect("what is escaped")
        } else {
            char
        });
    }
    text
}

/// Arrays of arrays of points.
fn arrays(levels: usize) -> Type {
    let point = Type::Tuple(vec![Type::Float, Type::Float]);
    (0..levels).fold(point, |inner, _| Type::Array(Box::new(inner)))
}

fn integer(name: &str) -> Option<Type> {
    let (signed, bits) = match name.strip_prefix("Int") {
        Some(bits) => (true, bits),
        None => (false, name.strip_prefix("UInt")?),
    };
    let bits = bits.parse().ok()?;
    matches!(bits, 8 | 16 | 32 | 64 | 128 | 256).then_some(Type::Integer { signed, bits })
}
