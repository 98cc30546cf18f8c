use std::{
    fs::OpenOptions,
    io::{PipeReader, Read as _, pipe},
};

use super::*;

/// Only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_mins(1);

fn queue(to: impl AsFd) -> LineQueue {
    let notice = |dropped| format!("dropped {dropped}\n");
    LineQueue::start("a test", to, notice, || ()).expect("a thread")
}

fn await_that(is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until);
        thread::sleep(RETRY_INTERVAL);
    }
}

/// What is read until every writer is gone.
fn text(mut reader: PipeReader) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("text");
    text
}

#[test]
fn lines_are_written_in_their_order_and_the_end_is_awaited() {
    let (reader, writer) = pipe().expect("a pipe");
    let queue = queue(&writer);
    let lines = (0..500).map(|number| format!("line {number}\n"));
    lines.clone().for_each(|line| queue.push(line.as_bytes()));
    queue.finish(PATIENCE);
    queue.push(b"too late\n");
    drop(writer);
    assert_eq!(text(reader), lines.collect::<String>());
    assert_eq!(queue.dropped(), 1);
}

#[test]
fn a_full_pipe_drops_lines_and_a_notice_says_how_many() {
    let (reader, writer) = pipe().expect("a pipe");
    let queue = queue(&writer);
    let line = [[b'x'; 999].as_slice(), b"\n"].concat();
    let pushed = 3 * (BYTES_MAX / line.len()) as u64;
    (0..pushed).for_each(|_| queue.push(&line));
    let dropped = queue.dropped();
    assert!((pushed / 2..pushed).contains(&dropped), "{dropped}");

    let reading = thread::spawn(move || text(reader));
    queue.finish(PATIENCE);
    drop(writer);
    let text = reading.join().expect("no panic");
    let (notices, lines): (Vec<_>, Vec<_>) =
        text.lines().partition(|line| line.starts_with("dropped "));
    let reported = notices
        .iter()
        .map(|it| it["dropped ".len()..].parse::<u64>().expect("a number"));
    assert_eq!(reported.sum::<u64>(), dropped);
    assert!(lines.iter().all(|line| line.len() == 999), "a torn line");
    assert_eq!(lines.len() as u64 + dropped, pushed);
}

#[test]
fn many_short_lines_are_bounded_by_their_number() {
    let (_reader, writer) = pipe().expect("a pipe");
    let queue = queue(&writer);
    // The thread is stuck in this one, which does not fit into the pipe.
    queue.push(&vec![b'x'; 262_144]);
    (0..2 * LINES_MAX).for_each(|_| queue.push(b"\n"));
    let dropped = usize::try_from(queue.dropped()).expect("few");
    assert!((LINES_MAX..=LINES_MAX + 1).contains(&dropped), "{dropped}");
}

#[test]
fn nobody_waits_longer_than_wanted_for_a_reader_that_stalls() {
    let (_reader, writer) = pipe().expect("a pipe");
    let queue = queue(&writer);
    while queue.dropped() == 0 {
        queue.push(&[b'x'; 4_096]);
    }
    let began = Instant::now();
    queue.await_room(4_096, Duration::from_millis(20));
    queue.finish(Duration::from_millis(20));
    assert!(began.elapsed() < PATIENCE / 2);
}

#[test]
fn what_cannot_be_written_is_counted() {
    let full = OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("Linux");
    let (reader, closed) = pipe().expect("a pipe");
    drop(reader);
    for queue in [queue(full), queue(closed)] {
        (0..10).for_each(|_| queue.push(b"a line\n"));
        await_that(|| queue.dropped() == 10);
        queue.finish(PATIENCE);
    }
}

#[test]
fn a_descriptor_that_others_made_non_blocking_loses_nothing() {
    let (reader, writer) = std::os::unix::net::UnixStream::pair().expect("sockets");
    writer.set_nonblocking(true).expect("a socket");
    let queue = queue(&writer);
    let line = [b'x'; 1_000];
    (0..1_000).for_each(|_| queue.push(&line));
    let reading = thread::spawn(move || {
        let mut all = Vec::new();
        (&reader).read_to_end(&mut all).expect("bytes");
        all.len()
    });
    queue.finish(PATIENCE);
    assert_eq!(queue.dropped(), 0);
    drop((queue, writer));
    assert_eq!(reading.join().expect("no panic"), 1_000_000);
}

/// Takes so many bytes, then fails as often as it is said, then takes all.
struct Scripted {
    room: usize,
    failures: u32,
    written: Vec<u8>,
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 && self.failures > 0 {
            self.failures -= 1;
            return Err(io::Error::from(ErrorKind::StorageFull));
        }
        let taken = if self.failures > 0 {
            bytes.len().min(self.room)
        } else {
            bytes.len()
        };
        self.room = self.room.saturating_sub(taken);
        self.written.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A disk that was full: the line that it tore is a line of its own, and the notice comes after it.
#[test]
fn a_torn_line_spoils_no_other() {
    let mut writer = Writer {
        to: Scripted {
            room: 10,
            failures: 2,
            written: Vec::new(),
        },
        state: Arc::default(),
        notice: |dropped| format!("dropped {dropped}\n"),
        look: || (),
        reported: 0,
        is_torn: false,
    };
    for line in ["first\n", "second\n", "third\n"] {
        writer.write_or_count(line.as_bytes());
    }
    writer.report_dropped();
    writer.write_or_count(b"fourth\n");
    writer.report_dropped();
    let written = String::from_utf8(writer.to.written).expect("text");
    assert_eq!(written, "first\nseco\ndropped 2\nfourth\n");
}
