//! Command lines as Go programs take them.
//!
//! Dapr's binaries, its chart and its test harness write `-port=1`, `--port=1` and `--port 1`
//! for the same thing. Clap knows the last two; [`normalise`] turns the first into the second.

use std::ffi::OsString;

use clap::Parser;

/// Parses the command line of this process.
///
/// A wrong flag prints the usage on stderr and ends the process with exit code 2, `--help` with
/// 0, both before anything was opened, as Go programs do.
pub fn parse<T: Parser>() -> T {
    parse_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

/// Parses `args`, the program's name first.
///
/// # Errors
/// The usage error, or the help text, as clap gives it.
pub fn parse_from<T: Parser>(args: impl IntoIterator<Item = OsString>) -> Result<T, clap::Error> {
    T::try_parse_from(normalise(args))
}

/// Gives every long argument with one dash its second one; a lone `-x` stays as it is.
pub fn normalise(args: impl IntoIterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    args.into_iter()
        .enumerate()
        .map(|(index, arg)| match arg.to_str() {
            Some(text) if index > 0 && has_one_dash(text) => format!("-{text}").into(),
            _ => arg,
        })
}

fn has_one_dash(text: &str) -> bool {
    text.len() > 2 && text.starts_with('-') && !text.starts_with("--")
}

/// Reads a boolean flag's value in Go's spellings: `1`, `t`, `T`, `true`, `True`, `TRUE`, and
/// their opposites. Use with `num_args = 0..=1, require_equals = true,
/// default_missing_value = "true"`.
///
/// # Errors
/// Any other text.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
        _ => Err(format!("\"{text}\" is not true or false")),
    }
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;
    use rstest::rstest;

    use super::*;
    use crate::GoDuration;

    #[derive(Parser, Debug, PartialEq)]
    struct Flags {
        #[arg(long, default_value_t = 50001)]
        port: u16,
        #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1,
              require_equals = true, default_missing_value = "true", value_parser = boolean)]
        enable_metrics: bool,
        #[arg(long, default_value = "8s")]
        timeout: GoDuration,
    }

    fn flags(args: &[&str]) -> Result<Flags, clap::Error> {
        parse_from(["program"].iter().chain(args).map(OsString::from))
    }

    #[rstest]
    #[case::one_dash(&["-port=1"])]
    #[case::two_dashes(&["--port=1"])]
    #[case::apart(&["--port", "1"])]
    #[case::one_dash_apart(&["-port", "1"])]
    fn takes_every_spelling(#[case] args: &[&str]) {
        assert_eq!(flags(args).unwrap().port, 1);
    }

    #[rstest]
    #[case::bare(&["-enable-metrics"], true)]
    #[case::off(&["-enable-metrics=false"], false)]
    #[case::letter(&["--enable-metrics=F"], false)]
    fn takes_booleans(#[case] args: &[&str], #[case] expected: bool) {
        assert_eq!(flags(args).unwrap().enable_metrics, expected);
    }

    #[test]
    fn takes_durations() {
        assert_eq!(
            flags(&["-timeout=2m30s"]).unwrap().timeout,
            GoDuration::from_secs(150)
        );
    }

    #[test]
    fn refuses_unknown_flags_with_exit_code_2() {
        assert_eq!(flags(&["-nonsense"]).unwrap_err().exit_code(), 2);
    }
}
