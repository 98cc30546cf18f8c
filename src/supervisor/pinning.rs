//! Which workers are pinned to which CPU.

use nix::sched::CpuSet;

use crate::{cgroup, config::Pin};

/// The CPU of each worker; empty where the scheduler is to place them.
///
/// Several processes with one worker each would all be pinned to the first CPU of the same mask. So
/// `Pin::Auto` pins only where the workers take every CPU of the mask and no quota is set: on a whole
/// machine, or on a cpuset, which is usually of one process.
pub(super) fn cores(pin: Pin, workers: usize, allowed: &CpuSet) -> Vec<usize> {
    let cores = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false));
    let cores: Vec<usize> = cores.collect();
    let pins = match pin {
        Pin::Always => workers <= cores.len(),
        Pin::Auto => workers == cores.len() && !cgroup::has_cpu_quota(),
        Pin::Never => false,
    };
    if pins { cores } else { Vec::new() }
}

/// What the log says of it.
pub(super) fn description(pin: Pin, cores: &[usize]) -> String {
    if !cores.is_empty() {
        let cores = cores.iter().map(usize::to_string);
        return cores.collect::<Vec<_>>().join(" ");
    }
    let reason = match pin {
        Pin::Always => "there are more workers than cores",
        Pin::Auto => "the workers do not take every core, or a quota is set",
        Pin::Never => "pin = never",
    };
    format!("not pinned: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_pins_only_workers_that_take_every_cpu() {
        let mut allowed = CpuSet::new();
        for core in [1, 3] {
            allowed.set(core).expect("it is a small number");
        }
        assert_eq!(cores(Pin::Always, 1, &allowed), [1, 3]);
        assert_eq!(cores(Pin::Always, 3, &allowed), [0; 0]);
        assert_eq!(cores(Pin::Never, 2, &allowed), [0; 0]);
        assert_eq!(cores(Pin::Auto, 1, &allowed), [0; 0]);
        let has_quota = cgroup::has_cpu_quota();
        let whole = if has_quota { vec![] } else { vec![1, 3] };
        assert_eq!(cores(Pin::Auto, 2, &allowed), whole);
    }
}
