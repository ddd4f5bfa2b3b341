//! The spellings of "true" in annotations and environment variables.

/// Whether `text` means true: `y`, `yes`, `true`, `t`, `on` or `1`, in any case, trimmed.
///
/// Everything else is false, the empty text included. (Dapr: `IsTruthy` of its utility kit.)
pub fn truthy(text: &str) -> bool {
    matches!(
        text.trim().to_ascii_lowercase().as_str(),
        "y" | "yes" | "true" | "t" | "on" | "1"
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    #[rstest]
    #[case::word("yes", true)]
    #[case::case(" TRUE ", true)]
    #[case::digit("1", true)]
    #[case::off("off", false)]
    #[case::empty("", false)]
    #[case::near("truee", false)]
    fn reads(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(super::truthy(text), expected);
    }
}
