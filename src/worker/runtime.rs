//! The I/O driver of a worker: `io_uring`, or epoll where the kernel refuses a ring.

use std::{fmt, io};

use monoio::{
    FusionRuntime, IoUringDriver, LegacyDriver, Runtime, RuntimeBuilder, time::TimeDriver,
};
use nix::errno::Errno;

use crate::{config::DriverChoice, metrics::Driver};

/// A worker's runtime.
pub(super) type WorkerRuntime = FusionRuntime<TimeDriver<IoUringDriver>, TimeDriver<LegacyDriver>>;

/// The same on a ring.
type RingRuntime = Runtime<TimeDriver<IoUringDriver>>;

/// Why there is no `io_uring`. The system's, or its operator's.
#[derive(Debug)]
pub(crate) enum NoIoUring {
    /// The kernel refuses a ring.
    Refused(io::Error),
    /// There are rings, but without an operation that ringest needs.
    Incomplete,
    /// The environment asks for epoll.
    Forced,
}

impl fmt::Display for NoIoUring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = match self {
            Self::Refused(error) => error,
            Self::Incomplete => return f.write_str("the kernel is too old"),
            Self::Forced => return write!(f, "{FORCED} is set"),
        };
        let errno = Errno::from_raw(refused.raw_os_error().unwrap_or(0));
        let cause = match errno {
            Errno::EPERM | Errno::EACCES => {
                "blocked by seccomp, as container runtimes do, or by kernel.io_uring_disabled"
            }
            Errno::ENOSYS => "the kernel, or a sandbox in its place, does not have it",
            Errno::ENOMEM => "the limit of locked memory, ulimit -l, may be too low",
            Errno::EMFILE | Errno::ENFILE => "too many open files",
            _ => errno.desc(),
        };
        write!(f, "{errno:?}: {cause}")
    }
}

/// The variable by which monoio can be made to use epoll.
const FORCED: &str = "MONOIO_FORCE_LEGACY_DRIVER";

/// Whether a ring as large as a worker's can be had now, with all operations that monoio uses.
///
/// # Errors
/// Why not.
pub(crate) fn check_io_uring() -> Result<(), NoIoUring> {
    let forced = std::env::var(FORCED).unwrap_or_default();
    if ["1", "true", "yes"].contains(&forced.to_ascii_lowercase().as_str()) {
        return Err(NoIoUring::Forced);
    }
    io_uring_runtime().map_err(NoIoUring::Refused)?;
    if !monoio::utils::detect_uring() {
        return Err(NoIoUring::Incomplete);
    }
    Ok(())
}

/// A runtime for the worker with this index. Where `choice` permits it, epoll replaces a ring that is
/// refused: others of the same user may have used up the locked memory since
/// [`check_io_uring`].
///
/// # Errors
/// The system's.
pub(super) fn build(worker: usize, choice: DriverChoice) -> io::Result<(WorkerRuntime, Driver)> {
    build_by(worker, choice, io_uring_runtime)
}

/// As [`build`], with `ring` in place of [`io_uring_runtime`].
fn build_by(
    worker: usize,
    choice: DriverChoice,
    ring: fn() -> io::Result<RingRuntime>,
) -> io::Result<(WorkerRuntime, Driver)> {
    if choice != DriverChoice::Epoll {
        match ring() {
            Ok(runtime) => return Ok((runtime.into(), Driver::IoUring)),
            Err(error) if choice == DriverChoice::IoUring => return Err(error),
            Err(error) => {
                let error = NoIoUring::Refused(error);
                tracing::warn!(
                    "worker {worker} uses epoll, as io_uring is not available ({error})"
                );
            }
        }
    }
    let builder = RuntimeBuilder::<TimeDriver<LegacyDriver>>::new();
    Ok((builder.build()?.into(), Driver::Epoll))
}

/// A runtime on a ring that only this thread uses and that delivers completions only on request:
/// otherwise the kernel interrupts the thread for each one (14 % of the worker's time, measured at
/// 57 k requests/s). Kernels before 6.1 do not have the flags.
fn io_uring_runtime() -> io::Result<RingRuntime> {
    let mut deferred = io_uring::IoUring::builder();
    deferred.setup_single_issuer().setup_defer_taskrun();
    let builder = RuntimeBuilder::<TimeDriver<IoUringDriver>>::new();
    match builder.uring_builder(deferred).build() {
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => {
            RuntimeBuilder::<TimeDriver<IoUringDriver>>::new().build()
        }
        built => built,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_ring_is_explained_by_the_name_of_its_errno() {
        for (errno, start) in [
            (Errno::EPERM, "EPERM: blocked by seccomp"),
            (Errno::ENOSYS, "ENOSYS: the kernel"),
            (Errno::ENOMEM, "ENOMEM: the limit of locked memory"),
            (Errno::ENXIO, "ENXIO: No such device or address"),
        ] {
            let text = NoIoUring::Refused(errno.into()).to_string();
            assert!(text.starts_with(start), "{text}");
        }
    }

    #[test]
    fn a_worker_whose_ring_is_refused_uses_epoll_where_that_is_allowed() {
        let refused = || Err(Errno::ENOMEM.into());
        let (_, driver) = build_by(0, DriverChoice::Auto, refused).expect("epoll");
        assert_eq!(driver, Driver::Epoll);
        let error = build_by(0, DriverChoice::IoUring, refused).map(|_| ());
        let error = error.expect_err("there is no ring");
        assert_eq!(error.raw_os_error(), Some(Errno::ENOMEM as i32));
    }
}
