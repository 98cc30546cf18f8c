//! Random decisions, one after another.
//!
//! Models and bodies are made by plain code that draws from a list of numbers, and proptest makes
//! the list. Where it ends, every further draw is 0: the first and simplest of the options. So a list
//! that shrinks makes a case that shrinks, without a strategy for each type.

/// What is left of a list.
pub(crate) struct Choices<'c>(std::slice::Iter<'c, u16>);

impl<'c> Choices<'c> {
    pub(crate) fn new(list: &'c [u16]) -> Self {
        Self(list.iter())
    }

    /// A number from 0 to `end - 1`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let number = self.0.next().copied().unwrap_or(0);
        (usize::from(number) * end) >> u16::BITS
    }

    /// True once in so many times; never at the end of the list.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) + 1 == times && times > 1
    }

    /// One of these, as likely as each other.
    pub(crate) fn of<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.below(options.len())]
    }
}
