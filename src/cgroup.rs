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
    let own = fs::read_to_string(OWN).unwrap_or_default();
    memory_max_of(Path::new(MOUNT), &own)
}

/// The least limit of these cgroups, as [`OWN`] has them, and of those above them.
fn memory_max_of(mount: &Path, cgroups: &str) -> Option<u64> {
    let limits = cgroups.lines().flat_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let (mount, file) = if controllers.is_empty() {
            (mount.to_owned(), "memory.max")
        } else if controllers.split(',').any(|it| it == "memory") {
            (mount.join("memory"), "memory.limit_in_bytes")
        } else {
            return None;
        };
        up_from(&mount, path)
            .filter_map(|it| limit(&it.join(file)))
            .min()
    });
    limits.min()
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
    use super::*;

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
            let mount = tempfile::TempDir::new().expect("a directory");
            for (path, content) in files {
                let path = mount.path().join(path);
                fs::create_dir_all(path.parent().expect("it has one")).expect("it is ours");
                fs::write(path, content).expect("it is ours");
            }
            assert_eq!(memory_max_of(mount.path(), cgroups), expected, "{files:?}");
        }
    }
}
