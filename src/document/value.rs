//! Values of a TOML file, or of the environment.

use toml::de::DeValue;

/// A value as written, before its key says what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A TOML string.
    Text(String),
    /// A TOML integer; numbers beyond an `i128` are kept at its ends.
    Integer(i128),
    /// A TOML float, without underscores.
    Float(String),
    /// A TOML boolean.
    Boolean(bool),
    /// A TOML date or time, as RFC 3339 has it where it is a moment.
    Datetime(String),
    /// A TOML array.
    Array(Vec<Value>),
    /// A TOML table.
    Table(Vec<(String, Value)>),
    /// From the environment: text that may stand for any of the above.
    Untyped(String),
}

impl Value {
    pub(crate) fn new(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(integer) => Self::Integer(
                i128::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(
                    if integer.as_str().starts_with('-') {
                        i128::MIN
                    } else {
                        i128::MAX
                    },
                ),
            ),
            DeValue::Float(float) => Self::Float(float.as_str().to_owned()),
            DeValue::Boolean(boolean) => Self::Boolean(*boolean),
            DeValue::Datetime(datetime) => Self::Datetime(datetime.to_string()),
            DeValue::Array(array) => {
                Self::Array(array.iter().map(|it| Self::new(it.get_ref())).collect())
            }
            DeValue::Table(table) => {
                let entries = table.iter();
                let entries = entries
                    .map(|(name, value)| (name.get_ref().to_string(), Self::new(value.get_ref())));
                Self::Table(entries.collect())
            }
        }
    }

    /// A text from the environment as TOML has it, if it does.
    fn typed(text: &str) -> Option<Self> {
        let value = DeValue::parse(text.trim()).ok()?;
        Some(Self::new(value.get_ref()))
    }

    /// A string.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Untyped(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, underscores between digits allowed as TOML has them.
    pub(crate) fn integer(&self) -> Option<i128> {
        match self {
            Self::Integer(integer) => Some(*integer),
            Self::Untyped(text) => match Self::typed(text)? {
                Self::Integer(integer) => Some(integer),
                _ => None,
            },
            _ => None,
        }
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(boolean) => Some(*boolean),
            Self::Untyped(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Any value that is not a compound, as librdkafka takes it.
    pub(crate) fn scalar(&self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Float(text) | Self::Untyped(text) => Some(text.clone()),
            Self::Integer(integer) => Some(integer.to_string()),
            Self::Boolean(boolean) => Some(boolean.to_string()),
            Self::Datetime(_) | Self::Array(_) | Self::Table(_) => None,
        }
    }

    /// Strings: an array, or from the environment what is between commas.
    pub(crate) fn list(&self) -> Option<Vec<String>> {
        match self {
            Self::Array(array) => {
                let texts = array.iter().map(|it| it.text().map(str::to_owned));
                texts.collect()
            }
            Self::Untyped(text) if text.trim_start().starts_with('[') => Self::typed(text)?.list(),
            Self::Untyped(text) if text.trim().is_empty() => Some(Vec::new()),
            Self::Untyped(text) => Some(text.split(',').map(|it| it.trim().to_owned()).collect()),
            _ => None,
        }
    }

    /// Names with their values.
    pub(crate) fn table(&self) -> Option<Vec<(String, Value)>> {
        match self {
            Self::Table(entries) => Some(entries.clone()),
            Self::Untyped(text) => match Self::typed(text)? {
                Self::Table(entries) => Some(entries),
                _ => None,
            },
            _ => None,
        }
    }

    /// A moment as RFC 3339 has it, or another text.
    pub(crate) fn moment(&self) -> Option<&str> {
        match self {
            Self::Datetime(text) => Some(text),
            other => other.text(),
        }
    }
}
