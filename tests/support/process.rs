//! Child processes that never outlive the test that started them.
#![expect(
    unsafe_code,
    reason = "the standard library can neither send SIGTERM, nor tie a child to its parent, nor limit its files"
)]

use std::{
    fs, io,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus},
    ptr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::wait::eventually;

/// Held while a child is made: until it runs its program, it has all descriptors of this process, listening
/// sockets included.
static FORKING: Mutex<()> = Mutex::new(());

/// Does something while no child is made.
pub(crate) fn without_forks<T>(act: impl FnOnce() -> T) -> T {
    let _alone = FORKING.lock().unwrap_or_else(PoisonError::into_inner);
    act()
}

/// A running process; killed when dropped, and by the kernel should this one die first.
///
/// The kernel's part is bound to the *thread* that called [`Process::spawn`]: the process ends with it.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts the command.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let die_with_parent = || {
            // SAFETY: prctl with these arguments touches no memory and is async-signal-safe.
            match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        };
        // SAFETY: between fork and exec the closure calls prctl and errno only.
        let command = unsafe { command.pre_exec(die_with_parent) };
        without_forks(|| command.spawn()).map(Self)
    }

    /// The child, for its pipes.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Its process ID.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal, e.g. `libc::SIGTERM`.
    pub(crate) fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.0.id()).expect("a pid fits its own type");
        // SAFETY: kill takes no pointers; the pid is still ours, as nobody has waited for the child.
        let result = unsafe { libc::kill(pid, signal) };
        assert_eq!(result, 0, "kill: {}", io::Error::last_os_error());
    }

    /// How many files it has open, sockets included.
    pub(crate) fn open_files(&self) -> usize {
        let directory = format!("/proc/{}/fd", self.0.id());
        fs::read_dir(directory).expect("the child runs").count()
    }

    /// The memory that it has of the machine's, in bytes (`VmRSS` of proc(5)).
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let status = status.expect("the child runs");
        let resident = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
        let kibibytes = resident.and_then(|it| it.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kibibytes.expect("proc says so") * 1_024
    }

    /// Lets it have this many open files at most from now on.
    pub(crate) fn limit_open_files(&self, max: usize) {
        let pid = libc::pid_t::try_from(self.0.id()).expect("a pid fits its own type");
        let max = libc::rlim_t::try_from(max).expect("a number of files");
        let limit = libc::rlimit {
            rlim_cur: max,
            rlim_max: max,
        };
        // SAFETY: the new limit is read, the old one not asked for; the pid is still ours.
        let result =
            unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &raw const limit, ptr::null_mut()) };
        assert_eq!(result, 0, "prlimit: {}", io::Error::last_os_error());
    }

    /// Its exit status, or `None` while it runs.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("the child can be waited for")
    }

    /// Waits for it to end by itself; `None` when it still runs after `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        eventually(limit, || self.exited())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where the process has gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
