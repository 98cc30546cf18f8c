//! Which workers are pinned to which CPU.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::sched::CpuSet;

use crate::config::Pin;

/// Where cgroups are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The cgroups of this process (cgroups(7)).
const OWN_CGROUPS: &str = "/proc/self/cgroup";

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
        Pin::Auto => workers == cores.len() && !is_limited(),
        Pin::Never => false,
    };
    if pins { cores } else { Vec::new() }
}

/// Whether a cgroup of this process limits its CPU time.
fn is_limited() -> bool {
    let own = fs::read_to_string(OWN_CGROUPS).unwrap_or_default();
    has_quota(Path::new(CGROUPS), &own)
}

/// Whether one of these cgroups, as [`OWN_CGROUPS`] has them, or one above it has a CPU quota.
fn has_quota(mount: &Path, cgroups: &str) -> bool {
    cgroups.lines().any(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            return false;
        };
        if controllers.is_empty() {
            return up_from(mount, path).any(|it| has_quota_v2(&it));
        }
        let is_cpu = controllers.split(',').any(|it| it == "cpu");
        // The directory has the name of all controllers of the hierarchy, and often a link has that of one.
        is_cpu
            && ["cpu", controllers]
                .into_iter()
                .any(|name| up_from(&mount.join(name), path).any(|it| has_quota_v1(&it)))
    })
}

/// A cgroup and all above it, up to the root of what is mounted. In a container the path may be one of the
/// host, and the container's own cgroup is the root.
fn up_from(mount: &Path, path: &str) -> impl Iterator<Item = PathBuf> {
    let below = PathBuf::from(path.trim_start_matches('/'));
    let above: Vec<PathBuf> = below.ancestors().map(|it| mount.join(it)).collect();
    above.into_iter()
}

/// `cpu.max` is the quota, or "max", and the period.
fn has_quota_v2(cgroup: &Path) -> bool {
    let max = fs::read_to_string(cgroup.join("cpu.max"));
    max.is_ok_and(|max| !max.starts_with("max"))
}

/// `cpu.cfs_quota_us` is -1 where there is none.
fn has_quota_v1(cgroup: &Path) -> bool {
    let quota = fs::read_to_string(cgroup.join("cpu.cfs_quota_us"));
    quota.is_ok_and(|quota| !quota.trim().starts_with('-'))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A directory with these files.
    fn mounted(files: &[(&str, &str)]) -> TempDir {
        let mount = TempDir::new().expect("a directory");
        for (path, content) in files {
            let path = mount.path().join(path);
            fs::create_dir_all(path.parent().expect("it has one")).expect("it is ours");
            fs::write(path, content).expect("it is ours");
        }
        mount
    }

    #[test]
    fn quotas_of_both_versions_are_found_at_every_level() {
        const V2: &str = "0::/pod/container\n";
        const V1: &str = "3:memory:/pod\n2:cpu,cpuacct:/pod/container\n1:cpuset:/\n";
        for (cgroups, files, expected) in [
            (
                V2,
                &[("pod/container/cpu.max", "150000 100000\n")][..],
                true,
            ),
            (V2, &[("pod/container/cpu.max", "max 100000\n")], false),
            (
                V2,
                &[
                    ("pod/container/cpu.max", "max 100000\n"),
                    ("pod/cpu.max", "50000 100000\n"),
                ],
                true,
            ),
            ("0::/\n", &[("cpu.max", "50000 100000\n")], true),
            ("0::/\n", &[], false),
            (V1, &[("cpu/pod/container/cpu.cfs_quota_us", "-1\n")], false),
            (
                V1,
                &[("cpu/pod/container/cpu.cfs_quota_us", "50000\n")],
                true,
            ),
            (V1, &[("cpu,cpuacct/pod/cpu.cfs_quota_us", "50000\n")], true),
            // The path is one of the host.
            (V1, &[("cpu/cpu.cfs_quota_us", "50000\n")], true),
            (V1, &[("memory/pod/cpu.cfs_quota_us", "50000\n")], false),
            ("", &[("cpu.max", "50000 100000\n")], false),
        ] {
            let mount = mounted(files);
            let found = has_quota(mount.path(), cgroups);
            assert_eq!(found, expected, "{cgroups:?} {files:?}");
        }
    }

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
        let whole = if is_limited() { vec![] } else { vec![1, 3] };
        assert_eq!(cores(Pin::Auto, 2, &allowed), whole);
    }
}
