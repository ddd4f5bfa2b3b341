//! Disks for the replicas of Dapr's placement, or of its scheduler, as an ordinary cluster makes them when asked.

use std::{
    fmt::Write,
    fs::{Permissions, create_dir_all, set_permissions},
    os::unix::fs::PermissionsExt,
};

use e2e::{CONTROL_PLANE, Install};

pub(crate) struct Disks<'a>(&'a Install<'a>);

/// One for each replica.
const NAMES: [&str; 3] = ["placement-0", "placement-1", "placement-2"];

// === impl Disks ===

impl<'a> Disks<'a> {
    pub(crate) fn make(install: &'a Install<'a>) -> Self {
        let mut manifest = String::new();
        for name in NAMES {
            let folder = install.workspace.join(".cache/cluster/disks").join(name);
            create_dir_all(&folder).unwrap();
            // Neither is root, and this kind of disk knows no groups.
            set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
            write!(manifest, "{}", disk(name, &folder.display().to_string())).unwrap();
        }
        install.kube.apply(&manifest).unwrap();
        Self(install)
    }

    pub(crate) fn remove(&self) {
        let claims = ["delete", "pvc", "--all", "--namespace", CONTROL_PLANE];
        self.0.kube.run(&claims).unwrap();
        self.0
            .kube
            .run(&[&["delete", "pv"], &NAMES[..]].concat())
            .unwrap();
    }
}

fn disk(name: &str, folder: &str) -> String {
    format!(
        "---\n\
         apiVersion: v1\n\
         kind: PersistentVolume\n\
         metadata: {{name: {name}}}\n\
         spec:\n  \
           accessModes: [ReadWriteOnce]\n  \
           capacity: {{storage: 1Gi}}\n  \
           hostPath: {{path: {folder}}}\n"
    )
}
