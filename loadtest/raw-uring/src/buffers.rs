//! Buffers that the kernel chooses from when there is something to receive (`io_uring_register_buf_ring(3)`).

use std::{
    alloc::{Layout, handle_alloc_error},
    io, mem, slice,
    sync::atomic::{AtomicU16, Ordering},
};

use io_uring::{IoUring, types::BufRingEntry};

/// The only group of buffers.
pub(crate) const GROUP: u16 = 0;
/// How many there are: a power of two.
const COUNT: u16 = 512;
/// Bytes of each.
const BYTES: usize = 4_096;
/// What the kernel requires of the ring's address.
const PAGE_BYTES: usize = 4_096;

/// The ring and its buffers, which are never freed: the kernel may write to them as long as the process lives.
pub(crate) struct Buffers {
    ring: *mut BufRingEntry,
    memory: *mut u8,
    tail: u16,
}

impl Buffers {
    /// Makes the buffers and registers them.
    ///
    /// # Errors
    /// The system's; kernels before 5.19 do not have such rings.
    pub(crate) fn register(ring: &IoUring) -> io::Result<Self> {
        let mut buffers = Self {
            ring: allocate(usize::from(COUNT) * mem::size_of::<BufRingEntry>()).cast(),
            memory: allocate(usize::from(COUNT) * BYTES),
            tail: 0,
        };
        // SAFETY: the ring has `COUNT` entries and is never freed.
        unsafe { (ring.submitter()).register_buf_ring(buffers.ring as u64, COUNT, GROUP)? };
        for id in 0..COUNT {
            buffers.give_back(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// The first bytes of a buffer that the kernel has filled.
    pub(crate) fn bytes(&self, id: u16, length: usize) -> &[u8] {
        assert!(id < COUNT && length <= BYTES, "buffer {id}, {length} bytes");
        // SAFETY: the buffer is within `memory`, whose bytes were zero at the start; the kernel does not write
        // to it until it is given back.
        unsafe { slice::from_raw_parts(self.memory.add(usize::from(id) * BYTES), length) }
    }

    /// Puts a buffer at the end of the ring, for the kernel to use once it is published.
    pub(crate) fn give_back(&mut self, id: u16) {
        assert!(id < COUNT, "buffer {id}");
        let place = usize::from(self.tail & (COUNT - 1));
        // SAFETY: the place is within the ring, and the kernel does not read it before the tail is published. Of
        // the first entry the tail itself is left alone.
        let entry = unsafe { &mut *self.ring.add(place) };
        entry.set_addr(self.memory as u64 + (usize::from(id) * BYTES) as u64);
        entry.set_len(u32::try_from(BYTES).expect("small"));
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Lets the kernel have what was given back.
    pub(crate) fn publish(&self) {
        // SAFETY: the tail is a field of the first entry, aligned, and written by this thread alone.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.ring).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

/// Zeroed memory that is never freed.
fn allocate(bytes: usize) -> *mut u8 {
    let layout = Layout::from_size_align(bytes, PAGE_BYTES).expect("a layout");
    // SAFETY: the size is not zero.
    let memory = unsafe { std::alloc::alloc_zeroed(layout) };
    if memory.is_null() {
        handle_alloc_error(layout);
    }
    memory
}
