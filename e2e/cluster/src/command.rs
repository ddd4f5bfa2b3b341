use anyhow::{Context, Result, bail};
use std::process::{Command, Stdio};

/// How much of a failed command's words are repeated.
const TAIL: usize = 15;

/// Runs a command to its end and returns what it wrote to standard output.
///
/// # Errors
/// When it can't be started or fails; the message has the last lines it wrote.
pub fn output(command: &mut Command) -> Result<String> {
    let ended = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("start {}", shown(command)))?;
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    if !ended.status.success() {
        let said = [&text, String::from_utf8_lossy(&ended.stderr).as_ref()].concat();
        bail!(
            "{} ({}):\n{}",
            shown(command),
            ended.status,
            tail(&said, TAIL)
        );
    }
    Ok(text)
}

/// Like [`output`], for a command line without spaces in its words.
pub(crate) fn words(line: &str) -> Result<String> {
    let mut words = line.split_whitespace();
    let program = words.next().context("an empty command line")?;
    output(Command::new(program).args(words))
}

/// The last `count` lines of a text.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Program and arguments; long ones are cut, for they are no help in a message.
fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text = format!("{text} {}", argument.to_string_lossy());
    }
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_repeats_the_last_words() {
        let error = output(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        assert!(
            error.to_string().ends_with("(exit status: 3):\nwhy"),
            "{error}"
        );
    }

    #[test]
    fn the_tail_is_the_end() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
    }
}
