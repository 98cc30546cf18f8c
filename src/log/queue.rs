//! Lines for a file descriptor, written by a thread of its own: who has one for it never waits.

use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

/// Lines that wait at the most: a second of what a busy process logs at `debug`.
const LINES_MAX: usize = 4_096;

/// Bytes that wait at the most.
const BYTES_MAX: usize = 1_048_576;

/// The memory of a full queue, in bytes: the lines, what the allocator adds to each, and the places.
pub(crate) const MEMORY_MAX: usize = BYTES_MAX + LINES_MAX * 64;

/// Between two looks at what is to be reported beside the lines.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Looks after a line: at once, and when everything that is counted instead of logged within a second of it is.
const LOOKS: u32 = 3;

/// Between two attempts where a descriptor that does not block is full, and between two checks of an end.
const RETRY_INTERVAL: Duration = Duration::from_millis(2);

/// A bounded queue of lines. What does not fit or cannot be written is dropped and counted; once writing
/// works again, a line says how many.
pub(crate) struct LineQueue {
    entries: SyncSender<Entry>,
    state: Arc<State>,
}

enum Entry {
    Line(Box<[u8]>),
    /// The last.
    End,
}

#[derive(Default)]
struct State {
    /// Of the lines that wait, and of the one that is being written.
    bytes: AtomicUsize,
    dropped: AtomicU64,
    ended: AtomicBool,
}

impl LineQueue {
    /// A queue for a duplicate of `to`, so that no lock of the standard library's is held while it blocks.
    /// `notice` is the line for so many dropped ones; `look` is called within seconds after a line.
    ///
    /// # Errors
    /// Of the system: no descriptor or no thread.
    pub(crate) fn start(
        name: &str,
        to: impl AsFd,
        notice: fn(u64) -> String,
        look: fn(),
    ) -> io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel(LINES_MAX);
        let state = Arc::<State>::default();
        let mut writer = Writer {
            to: File::from(to.as_fd().try_clone_to_owned()?),
            state: Arc::clone(&state),
            notice,
            look,
            reported: 0,
            is_torn: false,
        };
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || writer.run(&receiver))?;
        Ok(Self {
            entries: sender,
            state,
        })
    }

    /// Queues a line, which ends with a line feed. Never blocks.
    pub(crate) fn push(&self, line: &[u8]) {
        let before = self.state.bytes.fetch_add(line.len(), Relaxed);
        let fits = before.saturating_add(line.len()) <= BYTES_MAX;
        if !fits || self.entries.try_send(Entry::Line(line.into())).is_err() {
            self.state.bytes.fetch_sub(line.len(), Relaxed);
            self.state.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Waits until there is room for a line of this many bytes, if there is within that time.
    pub(crate) fn await_room(&self, bytes: usize, within: Duration) {
        let until = Instant::now() + within;
        let is_full = || self.state.bytes.load(Relaxed).saturating_add(bytes) > BYTES_MAX;
        while is_full() && Instant::now() < until {
            thread::sleep(RETRY_INTERVAL);
        }
    }

    /// Lines that were not written so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.state.dropped.load(Relaxed)
    }

    /// Waits until everything before is written, if it is within that time. Later lines are dropped.
    pub(crate) fn finish(&self, within: Duration) {
        let until = Instant::now() + within;
        let mut is_sent = false;
        while !self.state.ended.load(Relaxed) && Instant::now() < until {
            is_sent = is_sent || self.entries.try_send(Entry::End).is_ok();
            thread::sleep(RETRY_INTERVAL);
        }
    }
}

/// A line a call.
impl Write for &LineQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread's part.
struct Writer<W> {
    to: W,
    state: Arc<State>,
    notice: fn(u64) -> String,
    look: fn(),
    /// Dropped lines that a notice was written for.
    reported: u64,
    /// Whether a part of a line was written last.
    is_torn: bool,
}

impl<W: Write> Writer<W> {
    fn run(&mut self, entries: &Receiver<Entry>) {
        let mut looks = 0;
        let mut next_look = Instant::now();
        loop {
            let entry = if looks > 0 || self.unreported() > 0 {
                entries.recv_timeout(next_look.saturating_duration_since(Instant::now()))
            } else {
                entries.recv().map_err(RecvTimeoutError::from)
            };
            match entry {
                Ok(Entry::Line(line)) => {
                    self.write_or_count(&line);
                    self.state.bytes.fetch_sub(line.len(), Relaxed);
                    looks = LOOKS;
                }
                Ok(Entry::End) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if now >= next_look {
                next_look = now + LOOK_INTERVAL;
                looks = looks.saturating_sub(1);
                self.report_dropped();
                (self.look)();
            }
        }
        self.report_dropped();
        self.state.ended.store(true, Relaxed);
    }

    fn unreported(&self) -> u64 {
        self.state.dropped.load(Relaxed) - self.reported
    }

    fn report_dropped(&mut self) {
        let count = self.unreported();
        if count > 0 && self.write((self.notice)(count).as_bytes()) {
            self.reported += count;
        }
    }

    fn write_or_count(&mut self, line: &[u8]) {
        if !self.write(line) {
            self.state.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Writes a line, on a line of its own; `false` where that fails.
    fn write(&mut self, line: &[u8]) -> bool {
        if self.is_torn && !self.write_all(b"\n") {
            return false;
        }
        self.is_torn = false;
        self.write_all(line)
    }

    fn write_all(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.to.write(rest) {
                Ok(written) if written > 0 => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Another process that shares the descriptor has made it non-blocking.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    thread::sleep(RETRY_INTERVAL);
                }
                Ok(_) | Err(_) => {
                    self.is_torn |= rest.len() < bytes.len();
                    return false;
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;
