//! The Service `<app-id>-dapr` that must exist for each annotated workload.

mod adoption;
mod cluster;
mod wanted;
mod workload;

pub use adoption::{FIELD_MANAGER, adopted};
pub use cluster::{Action, Cluster, Key, Loser, is_ours};
pub(crate) use wanted::build;
pub use wanted::{InvalidAppId, Settings, wanted};
pub(crate) use workload::Sidecar;
pub use workload::{Workload, WorkloadKey, WorkloadKind, WorkloadSpec};
