//! Pooled, refcounted read buffers.
//!
//! A connection reads into a [`ReadBuffer`]. Valid records are [frozen](ReadBuffer::freeze): a
//! [`Frozen`] keeps the memory alive, unmoved and unwritten while librdkafka's threads read from it,
//! independent of the connection. A buffer is only filled behind the bytes received, or written to
//! where nothing is frozen ([`ReadBuffer::write_before`]); memory is reused when no [`Frozen`] is
//! left.
//!
//! Everything here belongs to one worker: reference counts are not atomic, nothing is locked.
//!
//! Debug builds check that nobody writes to what is frozen or in the pool (`lent`).
#![expect(
    unsafe_code,
    reason = "the kernel writes to, and librdkafka reads from, memory that Rust's borrows cannot follow"
)]

use std::{
    cell::{Cell, RefCell, UnsafeCell},
    ops::Range,
    rc::Rc,
    time::{Duration, Instant},
};

use monoio::buf::IoBufMut;

#[cfg(debug_assertions)]
mod lent;

/// The smallest segment, which an idle connection reads into: room for the head and the body of most
/// requests with one record.
pub const SEGMENT_BYTES_MIN: usize = 2 * 1024;

/// The size of a connection's segment where more than a small request is expected: a larger head, pipelined
/// requests, chunks, bytes to discard.
pub const INPUT_BYTES: usize = 16 * 1024;

/// How often segments that were not reused are released.
const RELEASE_INTERVAL: Duration = Duration::from_secs(1);

/// Segments above this are multiples of it and are not pooled.
const SEGMENT_BYTES_POOLED_MAX: usize = 1024 * 1024;

/// The capacity of the segment for `bytes` bytes: the next power of two, so that returned segments fit
/// the next request; above one MiB, whole MiB.
pub const fn segment_capacity(bytes: usize) -> usize {
    if bytes <= SEGMENT_BYTES_MIN {
        SEGMENT_BYTES_MIN
    } else if bytes <= SEGMENT_BYTES_POOLED_MAX {
        bytes.next_power_of_two()
    } else {
        bytes.next_multiple_of(SEGMENT_BYTES_POOLED_MAX)
    }
}

/// The capacity of the segment that replaces a full one of `capacity` bytes: twice as much, within
/// `most`, and enough for `needed`, which is at most `most`. In total, growing copies at most
/// twice the bytes of the body.
pub const fn grown_capacity(capacity: usize, needed: usize, most: usize) -> usize {
    let doubled = capacity.saturating_mul(2);
    let wanted = if doubled < most { doubled } else { most };
    segment_capacity(if wanted < needed { needed } else { wanted })
}

/// The most memory that growing to `most` bytes takes: the last two segments exist at once.
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
    // SAFETY: `UnsafeCell<u8>` has the layout of `u8`, and the pointer comes from the box that was just
    // released. Zeroes are valid for both. (`alloc_zeroed` through `vec!` avoids touching pages that
    // stay unused.)
    unsafe { Box::from_raw(bytes as *mut [UnsafeCell<u8>]) }
}

/// Segments of one worker that are kept for reuse, by size. What is not reused for a while is released.
#[derive(Default)]
pub struct Pool {
    classes: [RefCell<Kept>; Self::CLASSES],
    /// Bytes of the segments that it has now.
    kept_bytes: Cell<usize>,
    released_at: Cell<Option<Instant>>,
}

/// Returned segments of one size.
#[derive(Default)]
struct Kept {
    segments: Vec<Memory>,
    /// The least number of them since the last release: so many were not needed.
    unused: usize,
}

impl Pool {
    /// Bytes that one pool keeps at most, whatever their sizes: mostly one size is in use. A segment that is not
    /// there must be allocated and zeroed, 11 % of the worker's time with 256 clients that send 10 KiB each.
    pub const KEPT_BYTES_MAX: usize = 20 * 1024 * 1024;

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
        let kept = Self::class(capacity).and_then(|class| self.classes[class].borrow_mut().take());
        if kept.is_some() {
            self.kept_bytes.set(self.kept_bytes.get() - capacity);
        }
        #[cfg(debug_assertions)]
        if let Some(memory) = &kept {
            lent::check_poisoned(memory);
        }
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
        #[cfg(debug_assertions)]
        let memory = {
            let mut memory = memory;
            lent::poison(&mut memory);
            memory
        };
        // `--cfg unpooled`: freed, for tools that find each use of freed memory.
        if let Some(class) = Self::class(capacity).filter(|_| !cfg!(unpooled)) {
            let kept_bytes = self.kept_bytes.get() + capacity;
            if kept_bytes <= Self::KEPT_BYTES_MAX {
                self.kept_bytes.set(kept_bytes);
                self.classes[class].borrow_mut().segments.push(memory);
            }
        }
    }

    /// Releases half of the segments that nothing has needed for an interval. To be called now and then.
    /// Whether any was released.
    pub fn release_unused(&self, now: Instant) -> bool {
        let since = *self.released_at.get().get_or_insert(now);
        if now < since + RELEASE_INTERVAL {
            self.released_at.set(Some(since));
            return false;
        }
        self.released_at.set(Some(now));
        let mut released_bytes = 0;
        for (class, kept) in self.classes.iter().enumerate() {
            released_bytes += kept.borrow_mut().release_unused() * (SEGMENT_BYTES_MIN << class);
        }
        self.kept_bytes.set(self.kept_bytes.get() - released_bytes);
        released_bytes > 0
    }
}

impl Kept {
    fn take(&mut self) -> Option<Memory> {
        let memory = self.segments.pop();
        self.unused = self.unused.min(self.segments.len());
        memory
    }

    fn release_unused(&mut self) -> usize {
        let released = self.unused.div_ceil(2);
        for memory in self.segments.drain(self.segments.len() - released..) {
            #[cfg(debug_assertions)]
            lent::check_poisoned(&memory);
            drop(memory);
        }
        if self.segments.is_empty() {
            self.segments = Vec::new();
        }
        self.unused = self.segments.len();
        released
    }
}

#[cfg(debug_assertions)]
impl Drop for Pool {
    fn drop(&mut self) {
        for kept in &mut self.classes {
            kept.get_mut()
                .segments
                .iter()
                .for_each(|memory| lent::check_poisoned(memory));
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

/// A segment being filled: `[0, frozen_until)` may be in use by librdkafka and is only read;
/// `[frozen_until, filled)` is received and used by this buffer alone; `[filled, capacity)` is room.
pub struct ReadBuffer {
    segment: Rc<Segment>,
    filled: usize,
    /// The end of the furthest range that was frozen since the memory was last unshared.
    frozen_until: usize,
}

impl ReadBuffer {
    /// The size of the segment in bytes: the memory that keeping it costs.
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

    /// The received bytes between two offsets.
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

    /// Appends what `receive` writes to the front of the room, of which it gets `limit` bytes at most:
    /// it returns how many bytes it wrote, and so does this.
    ///
    /// # Panics
    /// If that is more than it got room for.
    pub fn fill(&mut self, limit: usize, receive: impl FnOnce(&mut [u8]) -> usize) -> usize {
        let room = self.room().min(limit);
        // SAFETY: `[filled, filled + room)` is inside the block, initialised (zeroed at first) and not
        // borrowed, as `&mut self` shows; what is frozen lies before it.
        let place =
            unsafe { std::slice::from_raw_parts_mut(self.segment.base().add(self.filled), room) };
        let received = receive(place);
        assert!(received <= room, "more received than there was room for");
        self.filled += received;
        received
    }

    /// Overwrites the bytes before `at`, which are not needed any more. `false`, with nothing written, if
    /// there are too few, or if one of them may be frozen.
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
        // SAFETY: `[start, at)` is inside the block, as `at <= filled`. It is not read: every
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

    /// Keeps a received range alive, unmoved and unwritten as long as the result lives.
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
            #[cfg(debug_assertions)]
            hash: lent::hash(self.bytes(range.clone())),
            segment: Rc::clone(&self.segment),
            range,
        }
    }

    /// Whether no [`Frozen`] refers to the memory, so that all of it may be overwritten.
    pub fn is_unshared(&self) -> bool {
        Rc::strong_count(&self.segment) == 1
    }

    /// Makes room by dropping the first `consumed` bytes; the bytes behind them are kept. Afterwards the
    /// capacity is at least `capacity`, and no less than before.
    ///
    /// In place where the memory is unshared and large enough, else in a new segment, to which the rest is
    /// copied.
    ///
    /// # Panics
    /// If `consumed` is more than was received.
    pub fn consume(&mut self, consumed: usize, capacity: usize) {
        assert!(consumed <= self.filled, "beyond what was received");
        let rest = self.filled - consumed;
        if self.is_unshared() && capacity <= self.segment.capacity {
            // SAFETY: both ranges lie inside the block; no `Frozen` is left to read them; `copy`
            // allows the overlap.
            unsafe {
                let base = self.segment.base();
                std::ptr::copy(base.add(consumed), base, rest);
            }
            self.filled = rest;
            self.frozen_until = 0;
        } else {
            let capacity = capacity.max(self.segment.capacity);
            let mut larger = Rc::clone(&self.segment.pool).take(capacity);
            larger.append(self.bytes(consumed..self.filled));
            *self = larger;
        }
    }

    /// Drops all bytes received; afterwards the buffer is of the smallest size.
    pub fn clear(&mut self) {
        if self.is_unshared() && self.segment.capacity == SEGMENT_BYTES_MIN {
            self.filled = 0;
            self.frozen_until = 0;
        } else {
            *self = Rc::clone(&self.segment.pool).take(SEGMENT_BYTES_MIN);
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

    // The number of bytes received comes with the read's result: see `into_buffer`.
    unsafe fn set_init(&mut self, _: usize) {}
}

/// Received bytes that are neither moved nor written until this is dropped.
pub struct Frozen {
    segment: Rc<Segment>,
    range: Range<usize>,
    #[cfg(debug_assertions)]
    hash: u64,
}

impl Frozen {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: initialised, inside the block that `self` holds, and not written while a
        // `Frozen` lives: the buffer that it was frozen from writes behind its end only, unless the
        // buffer is unshared.
        unsafe { std::slice::from_raw_parts(self.as_ptr(), self.len()) }
    }

    /// The address of the bytes. Valid while `self` lives; nothing is written there meanwhile.
    pub fn as_ptr(&self) -> *const u8 {
        // SAFETY: `range` was checked against the block by `freeze`.
        unsafe { self.segment.base().add(self.range.start) }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }
}

#[cfg(debug_assertions)]
impl Drop for Frozen {
    fn drop(&mut self) {
        lent::check_unchanged(self.bytes(), self.hash);
    }
}

#[cfg(test)]
mod tests;
