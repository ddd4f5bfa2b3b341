//! When the injector watchdog runs.

use std::time::Duration;

use config::GoDuration;

/// When the injector watchdog runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Never.
    Disabled,
    /// One pass.
    Once,
    /// A pass each time this has gone by.
    Every(Duration),
}

/// A schedule that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("read the watch interval {0:?}: neither off, nor once, nor a duration of a second or more")]
pub struct UnknownSchedule(String);

impl std::str::FromStr for Schedule {
    type Err = UnknownSchedule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_lowercase().as_str() {
            "0" | "false" | "f" | "no" | "off" => Ok(Self::Disabled),
            "once" => Ok(Self::Once),
            other => every(other).ok_or_else(|| UnknownSchedule(text.to_owned())),
        }
    }
}

fn every(text: &str) -> Option<Schedule> {
    let interval = text.parse::<GoDuration>().ok()?.as_std()?;
    (interval >= Duration::from_secs(1)).then_some(Schedule::Every(interval))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0", Some(Schedule::Disabled))]
    #[case("OFF", Some(Schedule::Disabled))]
    #[case("Once", Some(Schedule::Once))]
    #[case("1m30s", Some(Schedule::Every(Duration::from_secs(90))))]
    #[case("0s", None)]
    #[case("500ms", None)]
    #[case("-5s", None)]
    #[case("", None)]
    #[case("soon", None)]
    fn reads_intervals(#[case] text: &str, #[case] expected: Option<Schedule>) {
        assert_eq!(text.parse().ok(), expected);
    }
}
