use crate::paths::RUN;
use rustix::mount::{UnmountFlags, unmount};
use std::fs;
use std::path::{Path, PathBuf};

/// Unmounts everything at and below these folders, the last mounted first.
pub(crate) fn unmount_below(folders: &[&Path]) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for point in mount_points(&table, folders).iter().rev() {
        // Lazily: a process may still be leaving it, and nobody looks there again.
        unmount(point, UnmountFlags::DETACH).ok();
    }
}

/// Field 5 of each line of mountinfo (proc(5)).
fn mount_points(table: &str, folders: &[&Path]) -> Vec<PathBuf> {
    let points = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from);
    points
        .filter(|point| folders.iter().any(|folder| point.starts_with(folder)))
        .collect()
}

/// Removes what kubelets and the network plugins leave in folders of the system.
pub(crate) fn remove_traces() {
    // A plugin's result names the pod's network namespace, which is below our folder.
    remove_files("/var/lib/cni/results", |file| {
        fs::read_to_string(file).is_ok_and(|result| result.contains(RUN))
    });
    remove_files("/var/log/containers", |file| {
        fs::read_link(file).is_ok_and(|log| log.to_string_lossy().contains("/.cache/cluster/"))
    });
    fs::remove_dir_all(RUN).ok();
}

fn remove_files(folder: &str, which: impl Fn(&Path) -> bool) {
    let files = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path());
    files
        .filter(|file| which(file))
        .for_each(|file| drop(fs::remove_file(file)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_of_the_folders_are_found() {
        let table = "1 0 0:1 / / rw - ext4 x rw\n\
                     2 1 0:2 / /run/trilby-cluster/a rw - tmpfs x rw\n\
                     3 1 0:3 / /run/trilby-cluster-other rw - tmpfs x rw\n";
        let found = mount_points(table, &[Path::new("/run/trilby-cluster")]);
        assert_eq!(found, [PathBuf::from("/run/trilby-cluster/a")]);
    }
}
