//! Pooled, refcounted read buffers.
//!
//! A [`ReadBuffer`] is what a connection reads into. What was received and found good is
//! [frozen](ReadBuffer::freeze): a [`Frozen`] keeps the memory alive, unmoved and unwritten while
//! librdkafka's threads read from it, however long the connection lives. A buffer is only ever filled
//! further, behind what was received, or written to where it is known that nothing is frozen
//! ([`ReadBuffer::write_before`]); memory is used again when no [`Frozen`] is left.
//!
//! Everything here belongs to one worker: counts are plain, nothing is locked.
#![expect(
    unsafe_code,
    reason = "the kernel writes to, and librdkafka reads from, memory that Rust's borrows cannot follow"
)]

use std::{
    cell::{RefCell, UnsafeCell},
    ops::Range,
    rc::Rc,
};

use monoio::buf::IoBufMut;

/// The smallest segment, and so what one connection holds at least.
pub const SEGMENT_BYTES_MIN: usize = 16 * 1024;

/// Bytes of segments that were given back and are kept for the next body, of each size.
const KEPT_BYTES_OF_SIZE_MAX: usize = 4 * 1024 * 1024;

/// Segments above this are whole multiples of it, and go back to the allocator.
const SEGMENT_BYTES_POOLED_MAX: usize = 1024 * 1024;

/// The memory that a buffer for `bytes` bytes really takes: the next power of two, so that segments
/// given back fit the next request, and whole MiB above one.
pub const fn segment_capacity(bytes: usize) -> usize {
    if bytes <= SEGMENT_BYTES_MIN {
        SEGMENT_BYTES_MIN
    } else if bytes <= SEGMENT_BYTES_POOLED_MAX {
        bytes.next_power_of_two()
    } else {
        bytes.next_multiple_of(SEGMENT_BYTES_POOLED_MAX)
    }
}

/// How large a segment to take for what outgrew one of `capacity` bytes: twice that, within `most`,
/// and enough for `needed`, which is at most `most`. A body that grows so is copied twice at the
/// worst, however large it gets.
pub const fn grown_capacity(capacity: usize, needed: usize, most: usize) -> usize {
    let doubled = capacity.saturating_mul(2);
    let wanted = if doubled < most { doubled } else { most };
    segment_capacity(if wanted < needed { needed } else { wanted })
}

/// The most memory that growing to `most` bytes takes: the last two segments are there at once.
pub const fn growing_bytes_max(most: usize) -> usize {
    let last = segment_capacity(most);
    if last == SEGMENT_BYTES_MIN {
        return last;
    }
    let mut before = SEGMENT_BYTES_MIN;
    while before * 2 < last {
        before *= 2;
    }
    last + before
}

type Memory = Box<[UnsafeCell<u8>]>;

fn zeroed(capacity: usize) -> Memory {
    let bytes: *mut [u8] = Box::into_raw(vec![0_u8; capacity].into_boxed_slice());
    // SAFETY: `UnsafeCell<u8>` has the layout of `u8`, and the box was just given up. Zeroes are
    // valid for both. (`alloc_zeroed` through `vec!` spares touching pages that stay unused.)
    unsafe { Box::from_raw(bytes as *mut [UnsafeCell<u8>]) }
}

/// Segments of one worker that wait to be used again, by size.
#[derive(Default)]
pub struct Pool {
    classes: [RefCell<Vec<Memory>>; Self::CLASSES],
}

impl Pool {
    /// Bytes that one pool keeps at most.
    pub const KEPT_BYTES_MAX: usize = Self::CLASSES * KEPT_BYTES_OF_SIZE_MAX;

    /// A class for each power of two.
    const CLASSES: usize =
        (SEGMENT_BYTES_POOLED_MAX / SEGMENT_BYTES_MIN).trailing_zeros() as usize + 1;

    fn class(capacity: usize) -> Option<usize> {
        let class = (capacity / SEGMENT_BYTES_MIN).trailing_zeros() as usize;
        (capacity <= SEGMENT_BYTES_POOLED_MAX).then_some(class)
    }

    /// A buffer for at least `bytes` bytes, empty.
    pub fn take(self: &Rc<Self>, bytes: usize) -> ReadBuffer {
        let capacity = segment_capacity(bytes);
        let kept = Self::class(capacity).and_then(|class| self.classes[class].borrow_mut().pop());
        ReadBuffer {
            segment: Rc::new(Segment {
                memory: kept.unwrap_or_else(|| zeroed(capacity)),
                capacity,
                pool: Rc::clone(self),
            }),
            filled: 0,
            frozen_until: 0,
        }
    }

    fn give_back(&self, memory: Memory, capacity: usize) {
        if let Some(class) = Self::class(capacity) {
            let mut kept = self.classes[class].borrow_mut();
            if (kept.len() + 1) * capacity <= KEPT_BYTES_OF_SIZE_MAX {
                kept.push(memory);
            }
        }
    }
}

/// One block of memory, shared by the connection that fills it and the records within it.
struct Segment {
    memory: Memory,
    capacity: usize,
    pool: Rc<Pool>,
}

impl Segment {
    fn base(&self) -> *mut u8 {
        UnsafeCell::raw_get(self.memory.as_ptr())
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.pool
            .give_back(std::mem::take(&mut self.memory), self.capacity);
    }
}

/// A segment being filled: `[0, frozen_until)` may be in librdkafka's hands and is only read;
/// `[frozen_until, filled)` is received and this buffer's own; `[filled, capacity)` is room.
pub struct ReadBuffer {
    segment: Rc<Segment>,
    filled: usize,
    /// The end of the furthest range that was frozen since the memory was last this buffer's alone.
    frozen_until: usize,
}

impl ReadBuffer {
    /// Bytes that the segment holds when full: what keeping it costs.
    pub fn capacity(&self) -> usize {
        self.segment.capacity
    }

    /// Bytes received so far.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// Bytes that may still be received.
    pub fn room(&self) -> usize {
        self.segment.capacity - self.filled
    }

    /// What was received, between two offsets.
    ///
    /// # Panics
    /// If the range reaches beyond what was received.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        assert!(
            range.start <= range.end && range.end <= self.filled,
            "beyond what was received"
        );
        // SAFETY: `[0, filled)` is initialised and inside the block. Nothing writes to it while
        // `self` is borrowed: a `Slot` takes the buffer by value and writes behind it, `consume` and
        // `write_before` borrow mutably, and librdkafka only reads.
        unsafe { std::slice::from_raw_parts(self.segment.base().add(range.start), range.len()) }
    }

    /// Appends a copy of `bytes`.
    ///
    /// # Panics
    /// If there is no room.
    pub fn append(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.room(), "no room left");
        // SAFETY: `[filled, filled + len)` is inside the block and not borrowed, as `&mut self`
        // shows; what is frozen lies before it. `bytes` cannot overlap it: a borrow of this buffer's
        // own bytes would exclude `&mut self`, and other segments are other blocks.
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.segment.base().add(self.filled),
                bytes.len(),
            );
        }
        self.filled += bytes.len();
    }

    /// Overwrites the bytes before `at`, which are done with, and says whether it could: not
    /// where there are too few, nor where one of them may be in somebody else's hands.
    ///
    /// # Panics
    /// If `at` is beyond what was received.
    #[must_use]
    pub fn write_before(&mut self, at: usize, bytes: &[u8]) -> bool {
        assert!(at <= self.filled, "beyond what was received");
        let writable_from = if self.is_unshared() {
            0
        } else {
            self.frozen_until
        };
        let Some(start) = at.checked_sub(bytes.len()) else {
            return false;
        };
        if start < writable_from {
            return false;
        }
        // SAFETY: `[start, at)` is inside the block, as `at <= filled`. Nobody reads it: every
        // `Frozen` of this segment was made by this buffer and ends at `frozen_until` at the latest,
        // or none is left; a borrow of the buffer's own bytes would exclude `&mut self`. For the
        // same reason `bytes` cannot overlap it: it would be borrowed from this buffer, or from a
        // `Frozen`, which lies before.
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.segment.base().add(start),
                bytes.len(),
            );
        }
        true
    }

    /// Keeps a received range alive, unmoved and unwritten for as long as the result lives.
    ///
    /// # Panics
    /// If the range was not received.
    pub fn freeze(&mut self, range: Range<usize>) -> Frozen {
        assert!(
            range.start <= range.end && range.end <= self.filled,
            "beyond what was received"
        );
        self.frozen_until = self.frozen_until.max(range.end);
        Frozen {
            segment: Rc::clone(&self.segment),
            range,
        }
    }

    /// Whether nobody else holds on to the memory, so that all of it may be written again.
    pub fn is_unshared(&self) -> bool {
        Rc::strong_count(&self.segment) == 1
    }

    /// Makes room by dropping the first `consumed` bytes; what follows them is kept.
    ///
    /// In place where nobody holds the memory, else in a new segment, to which the rest is copied.
    ///
    /// # Panics
    /// If `consumed` is more than was received.
    pub fn consume(&mut self, consumed: usize) {
        assert!(consumed <= self.filled, "beyond what was received");
        let rest = self.filled - consumed;
        if self.is_unshared() {
            // SAFETY: both ranges lie inside the block; no `Frozen` is left, so that nobody reads
            // them; `copy` allows the overlap.
            unsafe {
                let base = self.segment.base();
                std::ptr::copy(base.add(consumed), base, rest);
            }
            self.filled = rest;
            self.frozen_until = 0;
        } else {
            let mut fresh = Rc::clone(&self.segment.pool).take(self.segment.capacity);
            fresh.append(self.bytes(consumed..self.filled));
            *self = fresh;
        }
    }

    /// Lends the room behind what was received to a read of at most `limit` bytes.
    pub fn into_slot(self, limit: usize) -> Slot {
        let room = self.room().min(limit);
        Slot { buffer: self, room }
    }
}

/// A [`ReadBuffer`] given to the kernel for one read.
pub struct Slot {
    buffer: ReadBuffer,
    room: usize,
}

impl Slot {
    /// The buffer, `received` bytes fuller.
    ///
    /// # Panics
    /// If more was received than was lent.
    pub fn into_buffer(mut self, received: usize) -> ReadBuffer {
        assert!(received <= self.room, "more received than was lent");
        self.buffer.filled += received;
        self.buffer
    }
}

// SAFETY: the pointer stays the same while the slot moves (the block is on the heap and held by
// the slot's own count), and `[filled, filled + room)` is writable memory inside that block that
// nobody else reads or writes: what is frozen was received before.
unsafe impl IoBufMut for Slot {
    fn write_ptr(&mut self) -> *mut u8 {
        // SAFETY: `filled` is at most the capacity, so that the result is in the block or at its end.
        unsafe { self.buffer.segment.base().add(self.buffer.filled) }
    }

    fn bytes_total(&mut self) -> usize {
        self.room
    }

    // How much was received comes with the read's result: see `into_buffer`.
    unsafe fn set_init(&mut self, _: usize) {}
}

/// Received bytes that stay where and what they are until this is dropped.
pub struct Frozen {
    segment: Rc<Segment>,
    range: Range<usize>,
}

impl Frozen {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: initialised, inside the block that `self` holds, and not written while a
        // `Frozen` lives: the buffer that it was frozen from writes behind its end only, unless the
        // buffer is unshared.
        unsafe { std::slice::from_raw_parts(self.as_ptr(), self.len()) }
    }

    /// Where the bytes are. Valid while `self` lives; nothing is ever written there meanwhile.
    pub fn as_ptr(&self) -> *const u8 {
        // SAFETY: `range` was checked against the block by `freeze`.
        unsafe { self.segment.base().add(self.range.start) }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }
}

#[cfg(test)]
mod tests;
