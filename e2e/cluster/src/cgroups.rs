use crate::paths::write;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";
/// One cgroup above all nodes, so that nothing of anyone else is ever removed.
const ABOVE: &str = "trilby";

/// A node's cgroup, as its kubelet names it.
pub(crate) fn name(node: &str) -> String {
    format!("/{ABOVE}/{node}")
}

/// Makes a node's cgroup in every hierarchy.
pub(crate) fn create(node: &str) -> Result<()> {
    for hierarchy in hierarchies() {
        let folder = hierarchy.join(ABOVE).join(node);
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        inherit(&hierarchy, &hierarchy.join(ABOVE))?;
        inherit(&hierarchy.join(ABOVE), &folder)?;
    }
    Ok(())
}

/// A new cpuset (v1) is empty and takes no process; a new v2 group gets no controllers.
fn inherit(parent: &Path, child: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(value) = fs::read(parent.join(file)).as_deref()
            && child.join("cgroup.clone_children").exists()
        {
            write(&child.join(file), value)?;
        }
    }
    if let Ok(controllers) = fs::read_to_string(parent.join("cgroup.controllers")) {
        for controller in controllers.split_whitespace() {
            // Some can't be handed on; a kubelet that needs one says so itself.
            fs::write(
                parent.join("cgroup.subtree_control"),
                format!("+{controller}"),
            )
            .ok();
        }
    }
    Ok(())
}

/// Removes all nodes' cgroups; those with a process in them stay.
pub(crate) fn remove() {
    for hierarchy in hierarchies() {
        remove_tree(&hierarchy.join(ABOVE));
    }
}

fn remove_tree(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_folder = |path: &PathBuf| path.is_dir() && !path.is_symlink();
    entries
        .map(|e| e.path())
        .filter(is_folder)
        .for_each(|child| remove_tree(&child));
    fs::remove_dir(folder).ok();
}

/// The mounted hierarchies: one with version 2; with version 1 each folder that is one.
fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let is_hierarchy = |path: &PathBuf| path.join("cgroup.procs").exists();
    if is_hierarchy(&root.to_owned()) {
        return vec![root.to_owned()];
    }
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    entries
        .map(|e| e.path())
        .filter(|p| !p.is_symlink() && is_hierarchy(p))
        .collect()
}
