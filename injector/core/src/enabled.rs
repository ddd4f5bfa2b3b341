//! The annotation that asks for Dapr, and how "yes" and "no" are spelled.

pub(crate) const ENABLED: &str = "dapr.io/enabled";

/// Whether the annotation's `value` asks for Dapr.
pub(crate) fn is_enabled(value: &str) -> bool {
    value.eq_ignore_ascii_case("true")
}

/// Whether `value` is a usual spelling of "false".
pub(crate) fn is_known_false(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    matches!(
        value.as_str(),
        "" | "n" | "no" | "false" | "f" | "off" | "0"
    )
}
