//! What a user is told about a pod that was admitted differently from what its author meant.

use std::fmt;

/// Longest part of an annotation's value that is quoted, in characters: Kubernetes cuts warnings.
const QUOTED: usize = 48;

/// One line for the `warnings` of an admission response; `kubectl` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(String);

// === impl Warning ===

impl Warning {
    /// A warning in free words.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Names an annotation, its value, what is wrong with it, and what to write instead.
    pub(crate) fn annotation(key: &str, value: &str, problem: &str, remedy: &str) -> Self {
        Self(format!("{key}: {} {problem}; {remedy}", quoted(value)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `value` in quotes, escaped (a warning travels in an HTTP header), and cut if long.
pub(crate) fn quoted(value: &str) -> String {
    let cut: String = value.chars().take(QUOTED).collect();
    let rest = if cut.len() < value.len() { "…" } else { "" };
    format!("{:?}", format!("{cut}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_annotation_value_and_remedy() {
        let warning = Warning::annotation("dapr.io/app-port", "a\nb", "is no port", "write 3000");
        assert_eq!(
            warning.as_str(),
            r#"dapr.io/app-port: "a\nb" is no port; write 3000"#
        );
    }

    #[test]
    fn cuts_long_values() {
        assert_eq!(quoted(&"x".repeat(500)).chars().count(), QUOTED + 3);
    }
}
