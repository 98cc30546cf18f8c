//! The order of the members of objects.

/// Which field was behind which in the records before: most clients write members in the same order each time, if
/// not in that of the model.
///
/// It is a hint, which is compared with the text, so that shapes and models may share its entries.
#[derive(Debug)]
pub(in super::super) struct Order {
    /// For a place of a shape the difference between the field that was there and the next one as declared.
    differences: [u16; ENTRIES],
}

const ENTRIES: usize = 256;

/// A place in an object of a shape: behind a field, or behind so many members that are none.
#[derive(Clone, Copy)]
pub(super) struct Place {
    shape: usize,
    /// The next field, as declared, where the member before was one.
    next: u16,
}

impl Default for Order {
    /// As declared.
    fn default() -> Self {
        Self {
            differences: [0; ENTRIES],
        }
    }
}

impl Order {
    /// The field that is probably next.
    #[inline]
    pub(super) fn likely(&self, place: Place) -> usize {
        usize::from(place.next.wrapping_add(self.differences[place.entry()]))
    }

    /// Learns which field was next; one that does not exist stands for none.
    #[inline]
    pub(super) fn learn(&mut self, place: Place, field: usize) {
        self.differences[place.entry()] = low(field).wrapping_sub(place.next);
    }
}

impl Place {
    pub(super) fn start_of(shape: u32) -> Self {
        Self {
            shape: shape as usize,
            next: 0,
        }
    }

    #[inline]
    pub(super) fn behind(self, field: usize) -> Self {
        Self {
            next: low(field + 1),
            ..self
        }
    }

    #[inline]
    fn entry(self) -> usize {
        // Shapes have a few fields, mostly.
        (usize::from(self.next) + 41 * self.shape) % ENTRIES
    }
}

/// Of more fields than a `u16` counts, several share a number.
#[expect(clippy::cast_possible_truncation, reason = "a hint")]
#[inline]
fn low(field: usize) -> u16 {
    field as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_next_is_likely() {
        let mut order = Order::default();
        let start = Place::start_of(3);
        assert_eq!([order.likely(start), order.likely(start.behind(7))], [0, 8]);
        order.learn(start, 7);
        order.learn(start.behind(7), usize::MAX);
        assert_eq!(order.likely(start), 7);
        assert!(order.likely(start.behind(7)) >= usize::from(u16::MAX));
        order.learn(start.behind(7), 100_000);
        assert_eq!(order.likely(start.behind(100_000)), 100_001 % 65_536);
    }
}
