//! The refusal to run as root.

/// The variable that allows root, if its value is exactly `true`.
const ALLOW: &str = "DAPR_UNSAFE_SKIP_CONTAINER_UID_GID_CHECK";

/// The process runs as root, and nobody allowed it.
#[derive(Debug, thiserror::Error)]
#[error(
    "refusing to run as root (UID 0): set runAsNonRoot in the pod, or {ALLOW}=true to accept it"
)]
pub struct RootRefused;

/// Refuses an effective UID of 0 unless the environment allows it.
///
/// # Errors
/// If the process runs as root and the override is not set.
pub fn refuse_root() -> Result<(), RootRefused> {
    let allowed = std::env::var(ALLOW).is_ok_and(|value| value == "true");
    check(rustix::process::geteuid().is_root(), allowed)
}

fn check(root: bool, allowed: bool) -> Result<(), RootRefused> {
    if root && !allowed {
        Err(RootRefused)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn root_needs_leave() {
        assert!(super::check(true, false).is_err());
        assert!(super::check(true, true).is_ok());
        assert!(super::check(false, false).is_ok());
    }
}
