//! Volumes that a pod gains, each name once, and the mounts that go with them.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, ProjectedVolumeSource, ServiceAccountTokenProjection, Volume,
    VolumeMount, VolumeProjection,
};

use crate::{options::Mount, pod::Pod};

/// Volume of daprd's own socket, and where daprd has it.
pub(crate) const SOCKET: &str = "dapr-unix-domain-socket";
pub(crate) const SOCKET_PATH: &str = "/var/run/dapr-sockets";
/// Volume of the token that daprd shows to sentry.
const TOKEN: &str = "dapr-identity-token";
const TOKEN_PATH: &str = "/var/run/secrets/dapr.io/sentrytoken";
const TOKEN_SECONDS: i64 = 7200;
/// Owner may write, everyone may read.
const TOKEN_MODE: i32 = 0o644;
/// Volume of the pluggable components' sockets.
pub(crate) const COMPONENTS: &str = "dapr-components-unix-domain-socket";

/// Which volumes a pod has, with those that were added to it.
#[derive(Debug)]
pub(crate) struct Volumes {
    names: BTreeSet<String>,
}

// === impl Volumes ===

impl Volumes {
    pub(crate) fn of(pod: &Pod) -> Self {
        Self {
            names: pod
                .spec
                .volumes
                .iter()
                .map(|volume| volume.name.clone())
                .collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Takes a volume up; `None` if its name is taken, and then trusted to be the right one.
    pub(crate) fn claim(&mut self, volume: Volume) -> Option<Volume> {
        self.names.insert(volume.name.clone()).then_some(volume)
    }
}

pub(crate) fn socket() -> Volume {
    let memory = EmptyDirVolumeSource {
        medium: Some("Memory".into()),
        size_limit: None,
    };
    Volume {
        name: SOCKET.into(),
        empty_dir: Some(memory),
        ..Volume::default()
    }
}

pub(crate) fn empty(name: &str) -> Volume {
    let empty_dir = Some(EmptyDirVolumeSource::default());
    Volume {
        name: name.into(),
        empty_dir,
        ..Volume::default()
    }
}

pub(crate) fn token(audience: String) -> Volume {
    let token = ServiceAccountTokenProjection {
        audience: Some(audience),
        expiration_seconds: Some(TOKEN_SECONDS),
        path: "token".into(),
    };
    let source = VolumeProjection {
        service_account_token: Some(token),
        ..VolumeProjection::default()
    };
    let projected = ProjectedVolumeSource {
        default_mode: Some(TOKEN_MODE),
        sources: Some(vec![source]),
    };
    Volume {
        name: TOKEN.into(),
        projected: Some(projected),
        ..Volume::default()
    }
}

pub(crate) fn token_mount() -> VolumeMount {
    VolumeMount {
        read_only: Some(true),
        ..mount(TOKEN, TOKEN_PATH)
    }
}

pub(crate) fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.into(),
        mount_path: path.into(),
        ..VolumeMount::default()
    }
}

pub(crate) fn annotated_mount(wanted: &Mount) -> VolumeMount {
    let read_only = wanted.read_only.then_some(true);
    VolumeMount {
        read_only,
        ..mount(&wanted.volume, &wanted.path)
    }
}
