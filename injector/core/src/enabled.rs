//! The annotation that asks for a sidecar, and how "no" is spelled.

pub(crate) const ENABLED: &str = "dapr.io/enabled";

/// Whether `value` is a usual spelling of "false".
pub(crate) fn is_known_false(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    matches!(
        value.as_str(),
        "" | "n" | "no" | "false" | "f" | "off" | "0"
    )
}
