//! Processes that the kernel refuses something (seccomp(2)).
#![expect(
    unsafe_code,
    reason = "the standard library installs no filter of system calls"
)]

use std::{io, os::unix::process::CommandExt, process::Command};

/// Of `struct seccomp_data`: the number of the system call, and the lower half of its first argument.
const NUMBER_AT: u32 = 0;
const FIRST_ARGUMENT_AT: u32 = 16;

/// Has each `io_uring` of more entries than this refused with this error. The standard library's and
/// librdkafka's system calls stay allowed.
pub(crate) fn refuse_rings(command: &mut Command, entries_max: u32, errno: u32) {
    let statement = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter {
        code: u16::try_from(code).expect("16 bits"),
        jt,
        jf,
        k,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let setup = u32::try_from(libc::SYS_io_uring_setup).expect("a small number");
    let mut filter = [
        statement(load, NUMBER_AT, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, setup, 0, 3),
        statement(load, FIRST_ARGUMENT_AT, 0, 0),
        statement(
            libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K,
            entries_max,
            0,
            1,
        ),
        statement(libc::BPF_RET, libc::SECCOMP_RET_ERRNO | errno, 0, 0),
        statement(libc::BPF_RET, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let len = u16::try_from(filter.len()).expect("a small number");
    let install = move || {
        let program = libc::sock_fprog {
            len,
            filter: filter.as_mut_ptr(),
        };
        let (yes, unused): (libc::c_ulong, libc::c_ulong) = (1, 0);
        let filter: libc::c_ulong = libc::SECCOMP_MODE_FILTER.into();
        // SAFETY: the program and its statements live until the call returns; prctl is async-signal-safe.
        let installed = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, yes, unused, unused, unused) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, filter, &raw const program) == 0
        };
        if installed {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    // SAFETY: between fork and exec the closure calls prctl and errno only, and allocates nothing.
    unsafe { command.pre_exec(install) };
}
