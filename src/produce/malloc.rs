//! The C library's allocator, which librdkafka's requests come from. Rust's memory has an allocator of its own.
#![expect(unsafe_code, reason = "the allocator's settings have no safe binding")]

use std::sync::Once;

/// Buffers below that size come from the heap, in bytes: `batch.size` is 1 MB, and its requests a little more.
const HEAP_BYTES_MAX: i32 = 4 << 20;

/// A heap keeps so much freed memory at its end, in bytes: the requests of several partitions.
const KEPT_BYTES: i32 = 8 << 20;

/// Has the allocator keep the memory of requests for the next ones. By default it returns what is above two
/// batches to the kernel, and each page of the next request is a page fault: 38 for 1,000 records of 293 bytes.
/// Freed memory is bounded as requests are (`requests_bytes_max`).
pub(super) fn keep_requests() {
    static SET: Once = Once::new();
    #[cfg(target_env = "gnu")]
    SET.call_once(|| {
        for (option, bytes) in [
            (libc::M_MMAP_THRESHOLD, HEAP_BYTES_MAX),
            (libc::M_TRIM_THRESHOLD, KEPT_BYTES),
        ] {
            // SAFETY: mallopt(3) takes two numbers and may be called at any time from any thread. Where it
            // fails, everything stays as it is.
            unsafe { libc::mallopt(option, bytes) };
        }
    });
}

#[cfg(all(test, not(unpooled)))]
mod tests {
    use std::thread;

    use nix::sys::resource::{UsageWho, getrusage};

    use super::*;

    const REQUEST_BYTES: usize = 1 << 20;
    const PAGE_BYTES: usize = 4_096;

    /// Page faults of this thread for so many rounds of requests that four partitions have out together.
    fn faults(rounds: usize) -> i64 {
        let faults = || {
            let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("of this thread");
            usage.minor_page_faults()
        };
        let before = faults();
        for _ in 0..rounds {
            // SAFETY: each is written to within its size, and freed once.
            unsafe {
                let requests: [_; 4] = std::array::from_fn(|_| libc::malloc(REQUEST_BYTES));
                for request in requests {
                    assert!(!request.is_null(), "there is memory");
                    for page in (0..REQUEST_BYTES).step_by(PAGE_BYTES) {
                        request.cast::<u8>().add(page).write_volatile(1);
                    }
                }
                for request in requests {
                    libc::free(request);
                }
            }
        }
        faults() - before
    }

    #[test]
    fn the_memory_of_requests_is_kept_for_the_next() {
        keep_requests();
        // As librdkafka's thread of a broker, it has a heap of its own.
        let next = thread::spawn(|| {
            faults(1);
            faults(10)
        });
        let next = next.join().expect("it ends");
        assert!(next < 1_000, "{next} page faults of 10,240 pages");
    }
}
