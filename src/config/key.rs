//! What a key is: a name with the type of its value. Values are read through keys only, so that a
//! name that does not exist, or one of another type, does not compile.

use std::{borrow::Cow, marker::PhantomData, time::Duration};

use strum::VariantArray;
use toml::de::DeValue;

use crate::document::{Value, grouped};

/// Where keys can be: in sections of the file, or in repeatable tables.
pub(super) trait Place {
    /// The name of the tables, if this place is tables.
    const TABLES: Option<&'static str>;
}

/// Sections of the file.
pub(super) enum Sections {}

impl Place for Sections {
    const TABLES: Option<&'static str> = None;
}

/// `[[auth.jwt]]`.
pub(super) enum IssuerTable {}

impl Place for IssuerTable {
    const TABLES: Option<&'static str> = Some("auth.jwt");
}

/// `[[listen.tls.certificates]]`.
pub(super) enum CertificateTable {}

impl Place for CertificateTable {
    const TABLES: Option<&'static str> = Some("listen.tls.certificates");
}

/// `[[auth.certificates]]`.
pub(super) enum ClientTable {}

impl Place for ClientTable {
    const TABLES: Option<&'static str> = Some("auth.certificates");
}

/// `[[auth.keys]]`.
pub(super) enum ApiKeyTable {}

impl Place for ApiKeyTable {
    const TABLES: Option<&'static str> = Some("auth.keys");
}

/// A key of ringest's own, whose value is a `T`; librdkafka knows the other keys of `[kafka]`.
pub(super) struct Key<T: 'static, P = Sections> {
    /// Sections and name, separated by dots.
    pub(super) name: &'static str,
    /// As TOML has it; a test reads every default.
    default: &'static str,
    rule: Rule<T>,
    place: PhantomData<P>,
}

/// A key that has no default.
pub(super) struct RequiredKey<T: 'static, P>(Key<T, P>);

/// What a value may be, and what it stands for.
enum Rule<T: 'static> {
    /// A whole number, both ends allowed.
    Integer {
        min: i128,
        max: i128,
        from: fn(i128) -> Option<T>,
    },
    /// One of these strings.
    Choice(fn() -> Vec<(&'static str, T)>),
    /// Anything that `read` accepts; `allowed` describes it.
    Other {
        allowed: fn() -> Cow<'static, str>,
        read: fn(&Value) -> Option<T>,
    },
}

impl<P: Place> Key<usize, P> {
    /// A whole number, both ends allowed.
    pub(super) const fn integer(
        name: &'static str,
        default: &'static str,
        min: i128,
        max: i128,
    ) -> Self {
        let from = |number| usize::try_from(number).ok();
        Self::new(name, default, Rule::Integer { min, max, from })
    }
}

impl<P: Place> Key<Duration, P> {
    /// A time in milliseconds, both ends allowed.
    pub(super) const fn milliseconds(
        name: &'static str,
        default: &'static str,
        min: i128,
        max: i128,
    ) -> Self {
        let from = |number| Some(Duration::from_millis(u64::try_from(number).ok()?));
        Self::new(name, default, Rule::Integer { min, max, from })
    }
}

impl<P: Place> Key<bool, P> {
    /// `true` or `false`.
    pub(super) const fn boolean(name: &'static str, default: &'static str) -> Self {
        Self::read_by(name, default, || "true or false".into(), Value::boolean)
    }
}

impl<T: VariantArray + Into<&'static str> + Copy, P: Place> Key<T, P> {
    /// The name of a variant.
    pub(super) const fn choice(name: &'static str, default: &'static str) -> Self {
        let variants = || T::VARIANTS.iter().map(|it| ((*it).into(), *it)).collect();
        Self::new(name, default, Rule::Choice(variants))
    }
}

impl<T: Clone, P: Place> Key<T, P> {
    const fn new(name: &'static str, default: &'static str, rule: Rule<T>) -> Self {
        Self {
            name,
            default,
            rule,
            place: PhantomData,
        }
    }

    /// Anything that `read` accepts; `allowed` describes it.
    pub(super) const fn read_by(
        name: &'static str,
        default: &'static str,
        allowed: fn() -> Cow<'static, str>,
        read: fn(&Value) -> Option<T>,
    ) -> Self {
        Self::new(name, default, Rule::Other { allowed, read })
    }

    /// What a value stands for; `None` if it is not allowed.
    pub(super) fn read(&self, value: &Value) -> Option<T> {
        match &self.rule {
            Rule::Integer { min, max, from } => {
                from(value.integer().filter(|it| (min..=max).contains(&it))?)
            }
            Rule::Choice(choices) => {
                let given = value.text()?;
                let mut choices = choices().into_iter();
                choices.find_map(|(name, choice)| (name == given).then_some(choice))
            }
            Rule::Other { read, .. } => read(value),
        }
    }

    /// What a value may be, for errors.
    pub(super) fn allowed(&self) -> Cow<'static, str> {
        match &self.rule {
            Rule::Integer { min, max, .. } => {
                format!("a whole number from {} to {}", grouped(min), grouped(max)).into()
            }
            Rule::Choice(choices) => {
                let quoted = choices().into_iter().map(|(name, _)| format!("{name:?}"));
                quoted.collect::<Vec<_>>().join(" or ").into()
            }
            Rule::Other { allowed, .. } => allowed(),
        }
    }

    /// The name without the sections before it.
    pub(super) fn last_name(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }

    /// The value of a key that is not set.
    pub(super) fn default(&self) -> T {
        self.read(&default_value(self.default))
            .expect("a test reads every default")
    }

    /// The properties that do not depend on its type.
    pub(super) const fn known(&self) -> Known {
        Known {
            name: self.name,
            tables: P::TABLES,
            default: self.default,
            #[cfg(test)]
            bounds: match self.rule {
                Rule::Integer { min, max, .. } => Some((min, max)),
                _ => None,
            },
        }
    }

    #[cfg(test)]
    pub(super) fn has_good_default(&self) -> bool {
        self.read(&default_value(self.default)).is_some()
    }
}

impl<T: Clone, P: Place> RequiredKey<T, P> {
    /// Anything that `read` accepts; `nothing` is an empty value of the same type.
    pub(super) const fn read_by(
        name: &'static str,
        nothing: &'static str,
        allowed: fn() -> Cow<'static, str>,
        read: fn(&Value) -> Option<T>,
    ) -> Self {
        Self(Key::read_by(name, nothing, allowed, read))
    }

    /// The key as an optional one.
    pub(super) const fn key(&self) -> &Key<T, P> {
        &self.0
    }

    /// The properties that do not depend on its type.
    pub(super) const fn known(&self) -> Known {
        self.0.known()
    }

    #[cfg(test)]
    pub(super) fn has_good_default(&self) -> bool {
        DeValue::parse(self.0.default).is_ok()
    }
}

/// A key of any type.
#[derive(Debug)]
pub(super) struct Known {
    /// Sections and name, separated by dots.
    pub(super) name: &'static str,
    /// The repeatable tables that it is in.
    pub(super) tables: Option<&'static str>,
    /// As TOML has it.
    pub(super) default: &'static str,
    /// The bounds of a whole number.
    #[cfg(test)]
    pub(super) bounds: Option<(i128, i128)>,
}

impl Known {
    /// The default as a value.
    pub(super) fn default_value(&self) -> Value {
        default_value(self.default)
    }
}

fn default_value(default: &str) -> Value {
    // Each of them is TOML: a test reads every default.
    let value = DeValue::parse(default);
    value.map_or(Value::Table(Vec::new()), |value| {
        Value::new(value.get_ref())
    })
}
