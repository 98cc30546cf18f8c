//! Threads of another process that are stopped from outside, as a thread is that is stuck (ptrace(2)).

use std::fs;

use nix::{
    sys::{
        ptrace::{self, Options},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// A thread that does not run until this is dropped.
///
/// Belongs to the *thread* that called [`Frozen::all`].
#[derive(Debug)]
pub(crate) struct Frozen(Pid);

impl Frozen {
    /// Stops all threads of this name, of a child of this process.
    pub(crate) fn all(process: u32, name: &str) -> Vec<Self> {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
        let mut frozen = Vec::new();
        for task in tasks {
            let task = task.expect("an entry");
            let thread = fs::read_to_string(task.path().join("comm"));
            // It may have ended meanwhile.
            if thread.is_ok_and(|thread| thread.trim_end() == name) {
                let id = task.file_name().into_string().expect("a number");
                frozen.push(Self::stop(Pid::from_raw(id.parse().expect("a number"))));
            }
        }
        frozen
    }

    fn stop(thread: Pid) -> Self {
        ptrace::seize(thread, Options::empty()).expect("a child may be traced");
        ptrace::interrupt(thread).expect("it is traced");
        let stopped = waitpid(thread, Some(WaitPidFlag::__WALL)).expect("it is traced");
        assert!(
            matches!(stopped, WaitStatus::PtraceEvent(..)),
            "{stopped:?}"
        );
        Self(thread)
    }

    /// Whether the process has ended. Its end can be waited for only after this was asked for.
    pub(crate) fn has_ended(&self) -> bool {
        let ended = waitpid(self.0, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG));
        !matches!(
            ended,
            Ok(WaitStatus::StillAlive | WaitStatus::PtraceEvent(..))
        )
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if !self.has_ended() {
            // Fails only where it has ended since.
            let _ = ptrace::detach(self.0, None);
        }
    }
}
