//! Types without parts whose names have parameters.

use std::{collections::HashSet, ops::RangeInclusive};

use super::{Kind, Parser, TypeError, form};

/// Bytes of a `FixedString` (`MAX_FIXEDSTRING_SIZE` of `ClickHouse`).
const FIXED_STRING_BYTES: RangeInclusive<i64> = 1..=0xFF_FFFF;

impl Parser<'_> {
    pub(super) fn fixed_string(&mut self) -> Result<Kind, TypeError> {
        self.open("FixedString")?;
        let bytes = self.number("the length in bytes", &FIXED_STRING_BYTES)?;
        self.close("FixedString")?;
        Ok(Kind::FixedString(
            usize::try_from(bytes).unwrap_or(usize::MAX),
        ))
    }

    /// `Decimal`, `Decimal(P)`, `Decimal(P, S)`.
    pub(super) fn decimal(&mut self) -> Result<Kind, TypeError> {
        if self.cursor.take('(') {
            let precision = self.number("the precision (digits in all)", &(1..=76))?;
            if self.cursor.take(',') {
                self.number("the scale (digits after the point)", &(0..=precision))?;
            }
            self.close("Decimal")?;
        }
        Ok(Kind::Decimal)
    }

    pub(super) fn sized_decimal(&mut self, name: &str, scale_max: i64) -> Result<Kind, TypeError> {
        self.open(name)?;
        self.number("the scale (digits after the point)", &(0..=scale_max))?;
        self.close(name)?;
        Ok(Kind::Decimal)
    }

    /// `DateTime`, `DateTime('zone')`.
    pub(super) fn date_time(&mut self) -> Result<Kind, TypeError> {
        if self.cursor.take('(') {
            if self.cursor.clone().number().is_some() {
                let message = "DateTime has no precision; DateTime64(3) has milliseconds";
                return Err(self.cursor.error(self.cursor.next_at(), message));
            }
            self.time_zone()?;
            self.close("DateTime")?;
        }
        Ok(Kind::DateTime)
    }

    /// `DateTime64`, `DateTime64(P)`, `DateTime64(P, 'zone')`.
    pub(super) fn date_time_64(&mut self) -> Result<Kind, TypeError> {
        if self.cursor.take('(') {
            self.number("the precision (digits of a second's fraction)", &(0..=9))?;
            if self.cursor.take(',') {
                self.time_zone()?;
            }
            self.close("DateTime64")?;
        }
        Ok(Kind::DateTime)
    }

    /// A zone says how a column is shown: every value has its own.
    fn time_zone(&mut self) -> Result<(), TypeError> {
        let at = self.cursor.next_at();
        match self.cursor.quoted('\'')? {
            Some(zone) if !zone.is_empty() => Ok(()),
            Some(_) => Err(self.cursor.error(at, "the time zone is empty")),
            None => Err(self
                .cursor
                .expected("a time zone is expected, such as 'UTC'")),
        }
    }

    /// The members of an enum. A number that is left out is the one after the last, the first 1.
    pub(super) fn members(
        &mut self,
        name: &str,
        allowed: RangeInclusive<i16>,
    ) -> Result<Kind, TypeError> {
        let allowed = (*allowed.start()).into()..=(*allowed.end()).into();
        let what = format!("the number of a member of {name}");
        let mut members: Vec<(String, i16)> = Vec::new();
        let (mut names, mut numbers) = (HashSet::new(), HashSet::new());
        self.open(name)?;
        loop {
            let name_at = self.cursor.next_at();
            let Some(member) = self.cursor.quoted('\'')? else {
                let message = format!("a name in single quotes is expected, as in {}", form(name));
                return Err(self.cursor.expected(&message));
            };
            let (number_at, number) = if self.cursor.take('=') {
                (self.cursor.next_at(), self.number(&what, &allowed)?)
            } else {
                let last = members.last().map_or(0, |(_, number)| i64::from(*number));
                (name_at, last + 1)
            };
            let Some(number) = i16::try_from(number)
                .ok()
                .filter(|_| allowed.contains(&number))
            else {
                let message = format!("{what} would be {number}, beyond {}", allowed.end());
                return Err(self.cursor.error(name_at, &message));
            };
            if !names.insert(member.clone()) {
                let message = format!("{member:?} is a member already");
                return Err(self.cursor.error(name_at, &message));
            }
            if !numbers.insert(number) {
                let message = format!("the number {number} is taken already");
                return Err(self.cursor.error(number_at, &message));
            }
            members.push((member, number));
            if !self.cursor.take(',') {
                break;
            }
        }
        self.close(name)?;
        Ok(Kind::Enum(members))
    }
}
