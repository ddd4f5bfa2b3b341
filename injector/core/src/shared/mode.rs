//! How the pods of a workload get their daprd.

use std::{fmt, str::FromStr};

use crate::warning::quoted;

/// The annotation that says it: of a pod, of its namespace, or of the cluster's defaults.
pub const MODE: &str = "trilby.dev/mode";

/// How the pods of a workload get their daprd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// One in each pod.
    Sidecar,
    /// Replicas that all pods of the app share.
    SharedDeployment,
    /// One on each node, for the app's pods there.
    SharedDaemonSet,
}

/// A text that is no mode. The message is shown to the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{MODE}: {} is not known; write \"sidecar\", \"shared-deployment\" or \"shared-daemonset\"",
    quoted(.0)
)]
pub struct ModeError(pub String);

// === impl Mode ===

impl Mode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sidecar, Self::SharedDeployment, Self::SharedDaemonSet];

    /// As the annotation spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sidecar => "sidecar",
            Self::SharedDeployment => "shared-deployment",
            Self::SharedDaemonSet => "shared-daemonset",
        }
    }

    /// Whether daprd is elsewhere.
    pub const fn is_shared(self) -> bool {
        !matches!(self, Self::Sidecar)
    }
}

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        let known = Self::ALL.into_iter().find(|mode| mode.as_str() == text);
        known.ok_or_else(|| ModeError(text.to_owned()))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for mode in Mode::ALL {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
    }

    #[test]
    fn names_key_value_and_remedy() {
        let error = "Shared".parse::<Mode>().unwrap_err().to_string();
        assert_eq!(
            error,
            "trilby.dev/mode: \"Shared\" is not known; write \"sidecar\", \"shared-deployment\" or \
             \"shared-daemonset\""
        );
    }
}
