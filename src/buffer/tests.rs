use proptest::prelude::*;

use super::*;

fn receive(buffer: ReadBuffer, bytes: &[u8]) -> ReadBuffer {
    let mut slot = buffer.into_slot(usize::MAX);
    assert!(slot.bytes_total() >= bytes.len());
    // SAFETY: what the kernel does with a slot.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), slot.write_ptr(), bytes.len()) };
    slot.into_buffer(bytes.len())
}

#[test]
fn what_is_filled_in_lies_behind_what_was_received() {
    let mut buffer = receive(Rc::new(Pool::default()).take(1), b"received");
    let frozen = buffer.freeze(0..8);
    let fill = |place: &mut [u8]| {
        place.copy_from_slice(b"more");
        4
    };
    assert_eq!(buffer.fill(4, fill), 4);
    assert_eq!(
        buffer.fill(usize::MAX, |place| place.len()),
        buffer.capacity() - 12
    );
    assert_eq!(buffer.fill(1, |place| place.len()), 0);
    assert_eq!(
        (frozen.bytes(), buffer.bytes(8..12)),
        (&b"received"[..], &b"more"[..])
    );
}

#[test]
#[should_panic(expected = "more received than there was room for")]
fn more_is_not_filled_in_than_there_is_room() {
    Rc::new(Pool::default()).take(1).fill(4, |_| 5);
}

#[test]
fn capacity_is_the_next_power_of_two_and_then_whole_mebibytes() {
    assert_eq!(segment_capacity(0), SEGMENT_BYTES_MIN);
    assert_eq!(segment_capacity(SEGMENT_BYTES_MIN), SEGMENT_BYTES_MIN);
    assert_eq!(
        segment_capacity(SEGMENT_BYTES_MIN + 1),
        2 * SEGMENT_BYTES_MIN
    );
    assert_eq!(
        segment_capacity(SEGMENT_BYTES_POOLED_MAX),
        SEGMENT_BYTES_POOLED_MAX
    );
    assert_eq!(segment_capacity(10_485_760), 10_485_760);
    assert_eq!(segment_capacity(10_485_761), 11 * 1024 * 1024);
}

#[test]
fn what_grows_doubles_within_its_bound() {
    const MIB: usize = 1024 * 1024;
    let most = 10 * MIB;
    let mut capacity = SEGMENT_BYTES_MIN;
    let mut steps = Vec::new();
    while capacity < most {
        let grown = grown_capacity(capacity, capacity + 1, most);
        assert!(grown > capacity);
        assert!(capacity + grown <= growing_bytes_max(most));
        steps.push(grown);
        capacity = grown;
    }
    assert_eq!(steps[..2], [2 * SEGMENT_BYTES_MIN, 4 * SEGMENT_BYTES_MIN]);
    assert_eq!(steps[steps.len() - 3..], [4 * MIB, 8 * MIB, 10 * MIB]);
    assert_eq!(growing_bytes_max(most), 18 * MIB);
    // What comes at once may be more than twice as much.
    let grown = grown_capacity(SEGMENT_BYTES_MIN, 100_000, most);
    assert_eq!(grown, 128 * 1024);
    // And the bound less.
    assert_eq!(grown_capacity(2 * MIB, 2 * MIB + 1, 2 * MIB + 1), 3 * MIB);
    assert_eq!(growing_bytes_max(SEGMENT_BYTES_MIN), SEGMENT_BYTES_MIN);
    assert_eq!(
        growing_bytes_max(SEGMENT_BYTES_MIN + 1),
        3 * SEGMENT_BYTES_MIN
    );
}

#[test]
fn bytes_that_are_done_with_are_written_to_and_others_never() {
    let pool = Rc::new(Pool::default());
    let mut buffer = receive(pool.take(1), b"head{first}head{second}");
    assert!(!buffer.write_before(4, b"12345"), "one too few");
    assert!(buffer.write_before(4, b"1234"));
    let first = buffer.freeze(0..11);
    // The four bytes between the two are free, the one before them is not.
    assert!(!buffer.write_before(15, b"12345"));
    assert_eq!(buffer.bytes(11..23), b"head{second}");
    assert!(buffer.write_before(15, b"5678"));
    let second = buffer.freeze(11..23);
    assert_eq!(first.bytes(), b"1234{first}");
    assert_eq!(second.bytes(), b"5678{second}");
    // Dropping an older range does not release what a later one holds.
    drop(first);
    assert!(!buffer.write_before(15, b"!"));
    drop(second);
    assert!(buffer.write_before(15, b"!"), "no longer frozen");
}

#[test]
fn a_buffer_that_moved_on_knows_nothing_of_what_was_frozen_before() {
    let pool = Rc::new(Pool::default());
    let mut buffer = receive(pool.take(1), b"{first}head{second}");
    let first = buffer.freeze(0..7);
    buffer.consume(7, 0);
    assert!(buffer.write_before(4, b"1234"));
    assert_eq!(buffer.bytes(0..12), b"1234{second}");
    assert_eq!(first.bytes(), b"{first}");

    let second = buffer.freeze(0..12);
    drop(second);
    buffer.consume(1, 0);
    assert!(buffer.write_before(3, b"567"), "alone, in its old memory");
    assert_eq!(buffer.bytes(0..11), b"567{second}");
}

proptest! {
    /// As a connection does it: requests one behind the other, each record with a prefix in
    /// place of the end of its head, some still held when the next one comes, and the buffer
    /// making room in between.
    #[test]
    fn what_is_frozen_never_changes(
        requests in prop::collection::vec(
            (0_usize..9, 0_usize..3_000, any::<u8>(), any::<bool>(), any::<bool>()),
            1..40,
        ),
    ) {
        const PREFIX: &[u8] = b"\0PREF";
        let pool = Rc::new(Pool::default());
        let mut buffer = pool.take(1);
        let mut start = 0;
        let mut held: Vec<(Frozen, Vec<u8>)> = Vec::new();
        for (head, len, byte, makes_room, let_go) in requests {
            let record = vec![byte; len];
            if makes_room || buffer.room() < head + len {
                buffer.consume(start, head + len);
                start = 0;
            }
            buffer = receive(buffer, &vec![b'h'; head]);
            buffer = receive(buffer, &record);
            let body = start + head..start + head + len;
            start = body.end;
            let written = buffer.write_before(body.start, PREFIX);
            // The head before it is not needed any more.
            prop_assert!(written || head < PREFIX.len());
            let from = if written { body.start - PREFIX.len() } else { body.start };
            let expected = [if written { PREFIX } else { b"" }, &record].concat();
            held.push((buffer.freeze(from..body.end), expected));
            if let_go {
                held.remove(0);
            }
            for (frozen, expected) in &held {
                prop_assert_eq!(frozen.bytes(), &expected[..]);
            }
        }
    }
}

#[test]
fn frozen_bytes_stay_while_the_buffer_goes_on() {
    let pool = Rc::new(Pool::default());
    let mut buffer = receive(pool.take(1), b"first|second");
    let first = buffer.freeze(0..5);
    let address = first.as_ptr();
    buffer = receive(buffer, b"|third");
    buffer.consume(6, 0);
    assert_eq!(buffer.bytes(0..12), b"second|third");
    buffer = receive(buffer, &[b'x'; 1000]);
    drop(buffer);
    assert_eq!((first.bytes(), first.as_ptr()), (&b"first"[..], address));
}

#[test]
#[cfg_attr(unpooled, ignore = "nothing is kept")]
fn memory_is_reused_only_when_nothing_is_frozen() {
    let pool = Rc::new(Pool::default());
    let mut buffer = receive(pool.take(1), b"held");
    let address = buffer.bytes(0..4).as_ptr();
    let held = buffer.freeze(0..4);
    buffer.consume(4, 0);
    assert_ne!(
        buffer.segment.base().cast_const(),
        address,
        "held memory must not be reused"
    );
    drop(held);
    let again = receive(pool.take(1), b"next");
    assert_eq!(
        again.bytes(0..4).as_ptr(),
        address,
        "returned memory is reused"
    );
}

#[test]
fn an_unshared_buffer_keeps_its_memory_and_its_rest() {
    let pool = Rc::new(Pool::default());
    let mut buffer = receive(pool.take(1), b"one two");
    let address = buffer.bytes(0..1).as_ptr();
    drop(buffer.freeze(0..3));
    buffer.consume(4, 0);
    assert_eq!(
        (buffer.bytes(0..3), buffer.bytes(0..3).as_ptr()),
        (&b"two"[..], address)
    );
}

#[test]
fn a_buffer_grows_with_its_rest_and_becomes_small_again() {
    let pool = Rc::new(Pool::default());
    let mut buffer = receive(pool.take(1), b"one two");
    let held = buffer.freeze(0..3);
    buffer.consume(4, SEGMENT_BYTES_MIN + 1);
    assert_eq!(
        (buffer.capacity(), buffer.bytes(0..3), held.bytes()),
        (2 * SEGMENT_BYTES_MIN, &b"two"[..], &b"one"[..])
    );
    buffer.consume(0, 1);
    assert_eq!(buffer.capacity(), 2 * SEGMENT_BYTES_MIN);
    buffer.clear();
    assert_eq!((buffer.capacity(), buffer.filled()), (SEGMENT_BYTES_MIN, 0));
    let mut buffer = receive(buffer, b"three");
    let address = buffer.bytes(0..5).as_ptr();
    let held = buffer.freeze(0..5);
    buffer.clear();
    let buffer = receive(buffer, b"four.");
    assert_ne!(buffer.bytes(0..5).as_ptr(), address);
    assert_eq!(held.bytes(), b"three");
}

#[test]
#[cfg_attr(unpooled, ignore = "nothing is kept")]
fn segments_that_nothing_needs_are_released() {
    let pool = Rc::new(Pool::default());
    let kept = || pool.classes[0].borrow().segments.len();
    let begin = Instant::now();
    let mut seconds = (0..).map(|second| begin + second * RELEASE_INTERVAL);
    let mut release = || pool.release_unused(seconds.next().expect("endless"));
    drop((0..64).map(|_| pool.take(1)).collect::<Vec<_>>());
    assert_eq!(kept(), 64);
    // They were all in use in the first interval.
    assert!(!release() && !release());
    // Ten of them still are.
    for left in [37, 23, 16] {
        drop((0..10).map(|_| pool.take(1)).collect::<Vec<_>>());
        assert!(release());
        assert_eq!(kept(), left);
    }
    while release() {}
    assert_eq!(kept(), 0);
}

#[test]
#[cfg_attr(unpooled, ignore = "nothing is kept")]
fn one_size_may_have_the_whole_pool_and_not_more() {
    const SIZE: usize = SEGMENT_BYTES_POOLED_MAX;
    const MOST: usize = Pool::KEPT_BYTES_MAX / SIZE;
    let pool = Rc::new(Pool::default());
    let kept = |class: usize| pool.classes[class].borrow().segments.len();
    let last = Pool::CLASSES - 1;
    drop((0..=MOST).map(|_| pool.take(SIZE)).collect::<Vec<_>>());
    drop(pool.take(1));
    assert_eq!((kept(0), kept(last)), (0, MOST));
    let in_use = pool.take(SIZE);
    drop(pool.take(1));
    assert_eq!((kept(0), kept(last)), (1, MOST - 1));
    drop(in_use);
    assert_eq!(kept(last), MOST - 1, "there is no room for it any more");
    // What is released makes room again.
    let begin = Instant::now();
    pool.release_unused(begin);
    let intervals = 1..;
    for _ in
        intervals.take_while(|it| pool.release_unused(begin + *it * RELEASE_INTERVAL) || *it < 3)
    {
    }
    assert_eq!((kept(0), kept(last), pool.kept_bytes.get()), (0, 0, 0));
    drop((0..=MOST).map(|_| pool.take(SIZE)).collect::<Vec<_>>());
    assert_eq!(kept(last), MOST);
}

/// Faults planted where each of the checks of debug builds must find them.
#[cfg(debug_assertions)]
mod planted {
    use std::{
        io::{Write, pipe},
        os::fd::AsRawFd,
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use io_uring::{IoUring, opcode, types::Fd};

    use super::*;

    #[test]
    #[should_panic(expected = "bytes were written to while they were frozen")]
    fn a_write_to_frozen_bytes_is_found() {
        let mut buffer = receive(Rc::new(Pool::default()).take(1), b"frozen");
        let frozen = buffer.freeze(0..6);
        // SAFETY: inside the block. That librdkafka may read it is the fault.
        unsafe { buffer.segment.base().add(5).write(b'!') };
        drop(frozen);
    }

    #[test]
    #[cfg_attr(unpooled, ignore = "it ends the process: see fuzz/sanitize")]
    #[should_panic(expected = "memory in the pool was written to, at Some(7)")]
    fn a_write_to_memory_in_the_pool_is_found() {
        let pool = Rc::new(Pool::default());
        let late = pool.take(1).segment.base();
        // SAFETY: the pool keeps the block. That the buffer is gone is the fault.
        unsafe { late.add(7).write(b'!') };
        pool.take(1);
    }

    #[test]
    #[cfg_attr(
        unpooled,
        ignore = "the kernel would write to whatever has the memory then"
    )]
    fn a_write_of_the_kernel_to_memory_in_the_pool_is_found() {
        let Ok(mut ring) = IoUring::new(2) else {
            return; // This kernel refuses io_uring.
        };
        let (reader, mut writer) = pipe().expect("a pipe");
        let pool = Rc::new(Pool::default());
        let mut slot = pool.take(1).into_slot(4);
        let read = opcode::Read::new(Fd(reader.as_raw_fd()), slot.write_ptr(), 4).build();
        // SAFETY: the pool keeps the block. That the slot goes before the read has ended is the fault.
        unsafe { ring.submission().push(&read) }.expect("room");
        ring.submit().expect("a ring");
        drop(slot);
        writer.write_all(b"late").expect("the pipe is open");
        ring.submit_and_wait(1).expect("the read ends");
        let taken = catch_unwind(AssertUnwindSafe(|| drop(pool.take(1))));
        let found = taken.expect_err("it was written to");
        let found = found.downcast_ref::<String>().expect("a text");
        assert_eq!(found, "memory in the pool was written to, at Some(0)");
    }
}
