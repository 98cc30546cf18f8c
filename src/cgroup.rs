//! What the cgroups of this process allow it (cgroups(7)), in either version.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where cgroups are mounted.
const MOUNT: &str = "/sys/fs/cgroup";

/// The cgroups of this process.
const OWN: &str = "/proc/self/cgroup";

/// The memory that this process may take, in bytes, with all others of its cgroups; `None` for no limit.
pub(crate) fn memory_max() -> Option<u64> {
    memory_max_of(Path::new(MOUNT), &own())
}

/// Whether a quota limits the CPU time of this process, or of it with all others of a cgroup.
pub(crate) fn has_cpu_quota() -> bool {
    has_cpu_quota_of(Path::new(MOUNT), &own())
}

fn own() -> String {
    fs::read_to_string(OWN).unwrap_or_default()
}

/// The least limit of these cgroups, as [`OWN`] has them, and of those above them.
fn memory_max_of(mount: &Path, cgroups: &str) -> Option<u64> {
    const FILES: [&str; 2] = ["memory.max", "memory.limit_in_bytes"];
    let files = files(mount, cgroups, "memory", FILES);
    files.iter().filter_map(|it| limit(it)).min()
}

/// The same for a quota. Its file has the quota, and in version 2 the period; `max`, or in version 1 -1,
/// stand for none.
fn has_cpu_quota_of(mount: &Path, cgroups: &str) -> bool {
    const FILES: [&str; 2] = ["cpu.max", "cpu.cfs_quota_us"];
    files(mount, cgroups, "cpu", FILES).iter().any(|file| {
        let quota = fs::read_to_string(file).unwrap_or_default();
        let quota = quota.split_whitespace().next();
        quota.is_some_and(|it| it.parse::<u64>().is_ok())
    })
}

/// The files of a controller, named as in version 2 and in version 1, of these cgroups and of those above
/// them.
fn files(mount: &Path, cgroups: &str, controller: &str, [v2, v1]: [&str; 2]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in cgroups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        if controllers.is_empty() {
            files.extend(up_from(mount, path).map(|it| it.join(v2)));
        } else if controllers.split(',').any(|it| it == controller) {
            // The directory has the names of all controllers of the hierarchy, and usually a link has that
            // of each.
            for name in [controller, controllers] {
                files.extend(up_from(&mount.join(name), path).map(|it| it.join(v1)));
            }
        }
    }
    files
}

/// A cgroup and all above it, up to the root of what is mounted. In a container the path may be one of the
/// host, and the container's own cgroup is the root.
fn up_from(mount: &Path, path: &str) -> impl Iterator<Item = PathBuf> {
    let below = PathBuf::from(path.trim_start_matches('/'));
    let above: Vec<PathBuf> = below.ancestors().map(|it| mount.join(it)).collect();
    above.into_iter()
}

/// `max`, or in version 1 a number that no machine has, stand for no limit.
fn limit(file: &Path) -> Option<u64> {
    const UNLIMITED: u64 = 1 << 60;
    let limit = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (limit < UNLIMITED).then_some(limit)
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
    fn the_least_limit_of_all_levels_counts() {
        const V2: &str = "0::/pod/container\n";
        const V1: &str = "4:memory:/pod/container\n1:cpu:/\n0::/\n";
        const NONE: &str = "9223372036854771712\n";
        for (cgroups, files, expected) in [
            (
                V2,
                &[("pod/container/memory.max", "1000\n")][..],
                Some(1000),
            ),
            (
                V2,
                &[
                    ("pod/container/memory.max", "max\n"),
                    ("pod/memory.max", "2000\n"),
                ],
                Some(2000),
            ),
            ("0::/\n", &[("memory.max", "1000\n")], Some(1000)),
            (V2, &[("pod/container/memory.max", "max\n")], None),
            (
                V1,
                &[
                    ("memory/memory.limit_in_bytes", NONE),
                    ("memory/pod/memory.limit_in_bytes", "3000\n"),
                    ("memory/pod/container/memory.limit_in_bytes", "4000\n"),
                ],
                Some(3000),
            ),
            (V1, &[("memory/pod/memory.limit_in_bytes", NONE)], None),
            ("", &[("memory.max", "1000\n")], None),
        ] {
            let mount = mounted(files);
            assert_eq!(memory_max_of(mount.path(), cgroups), expected, "{files:?}");
        }
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
            let found = has_cpu_quota_of(mount.path(), cgroups);
            assert_eq!(found, expected, "{cgroups:?} {files:?}");
        }
    }
}
