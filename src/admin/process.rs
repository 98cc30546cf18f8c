//! What the kernel says of this process and its threads (proc(5)): read when it is asked for, by the management
//! thread, so that it costs the workers nothing.

use std::{fs, time::Duration};

use nix::{
    sys::resource::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

/// Bytes of a kB of `/proc/self/status`.
const KIB: u64 = 1_024;

/// Clock ticks a second in `/proc`, whatever the kernel's own (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// This process; of each part `None` where the kernel does not say.
#[derive(Debug)]
pub(super) struct Process {
    /// CPU time of all threads, user and system.
    pub(super) cpu: Option<Duration>,
    /// Memory that is in RAM, in bytes.
    pub(super) resident_bytes: Option<u64>,
    /// Address space, in bytes.
    pub(super) virtual_bytes: Option<u64>,
    pub(super) threads: Option<u64>,
    pub(super) files_open: Option<u64>,
    /// The limit of open files.
    pub(super) files_max: Option<u64>,
    /// Seconds from 1970 to its start.
    pub(super) started: Option<f64>,
}

impl Process {
    pub(super) fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            cpu: cpu_time(ClockId::CLOCK_PROCESS_CPUTIME_ID),
            resident_bytes: number(&status, "VmRSS:").map(|kib| kib * KIB),
            virtual_bytes: number(&status, "VmSize:").map(|kib| kib * KIB),
            threads: number(&status, "Threads:"),
            files_open: files_open(),
            files_max: getrlimit(Resource::RLIMIT_NOFILE)
                .ok()
                .map(|(soft, _)| soft),
            started: started(),
        }
    }
}

/// CPU time of a thread of this process, by its kernel's identifier; `None` if it has ended.
pub(super) fn thread_cpu_time(thread: i32) -> Option<Duration> {
    // `CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED`, as `pthread_getcpuclockid(3)` makes it: Linux's
    // include/linux/posix-timers_types.h.
    cpu_time(ClockId::from_raw(!thread << 3 | 0b110))
}

/// For how long the thread could have run, but waited for a CPU; `None` if it has ended, or the kernel does not
/// count that (`CONFIG_SCHED_INFO`).
pub(super) fn thread_wait_time(thread: i32) -> Option<Duration> {
    // Documentation/scheduler/sched-stats.rst: time on a CPU, time waiting for one, in nanoseconds; slices.
    let stat = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
    let waited = stat.split_ascii_whitespace().nth(1)?;
    Some(Duration::from_nanos(waited.parse().ok()?))
}

fn cpu_time(clock: ClockId) -> Option<Duration> {
    clock_gettime(clock).ok().map(Duration::from)
}

/// The number behind this name, at the start of a line.
fn number(lines: &str, name: &str) -> Option<u64> {
    let value = lines.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_ascii_whitespace().next()?.parse().ok()
}

fn files_open() -> Option<u64> {
    // From Linux 6.2 on the size of the directory; else 0.
    let size = fs::metadata("/proc/self/fd").ok()?.len();
    if size > 0 {
        return Some(size);
    }
    // The descriptor that reads the directory is not counted.
    let count = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    Some(count.saturating_sub(1))
}

fn started() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // Field 22; the name in field 2 may have spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: f64 = fields.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let system = fs::read_to_string("/proc/stat").ok()?;
    let booted = u32::try_from(number(&system, "btime")?).ok()?;
    Some(f64::from(booted) + ticks / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_kernel_says_all_of_this_process() {
        let process = Process::read();
        assert!(process.cpu.is_some_and(|it| it > Duration::ZERO));
        let (resident, size) = (process.resident_bytes, process.virtual_bytes);
        assert!(resident > Some(100_000) && size >= resident, "{process:?}");
        assert!(process.threads >= Some(1), "{process:?}");
        // stdin, stdout, stderr.
        assert!(process.files_open >= Some(3), "{process:?}");
        assert!(process.files_max >= process.files_open, "{process:?}");
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock");
        let age = now.as_secs_f64() - process.started.expect("a start");
        assert!((-2.0..3_600.0).contains(&age), "{age}");
    }

    #[test]
    fn the_times_of_a_thread_are_its_own() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let worker = std::thread::spawn(move || {
            let begin = std::time::Instant::now();
            while begin.elapsed() < Duration::from_millis(30) {}
            sender
                .send(nix::unistd::gettid().as_raw())
                .expect("it waits");
            let _ = ended.recv();
        });
        let thread = receiver.recv().expect("it runs");
        let spent = thread_cpu_time(thread).expect("it is there");
        assert!(
            spent > Duration::ZERO && spent < Duration::from_secs(5),
            "{spent:?}"
        );
        assert!(thread_wait_time(thread).is_some());
        drop(end);
        worker.join().expect("it ends");
        assert_eq!(thread_cpu_time(thread), None);
        assert_eq!(thread_wait_time(thread), None);
    }
}
