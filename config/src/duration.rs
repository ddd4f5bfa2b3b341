//! Durations as Go writes them: `300ms`, `2m30s`, `-1.5h`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize, de};

/// A signed length of time in whole nanoseconds, read and written in Go's syntax.
///
/// The range is that of Go's `time.Duration`: about 292 years either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(i64);

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// No number stands where one must.
    #[error("\"{0}\" is not a duration: expected a number with a unit, such as 300ms or 2m30s")]
    Number(String),
    /// A number without unit, or with an unknown one.
    #[error("\"{0}\" is not a duration: a unit is missing or unknown (ns, us, ms, s, m, h)")]
    Unit(String),
    /// Longer than about 292 years.
    #[error("\"{0}\" is not a duration: it is out of range")]
    Range(String),
}

const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
];

// === impl GoDuration ===

impl GoDuration {
    /// A duration of so many nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// A duration of so many seconds; saturates at the range's end.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// The nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// As a standard duration; `None` if negative.
    pub fn as_std(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_nanos)
    }
}

impl From<Duration> for GoDuration {
    /// Saturates at the range's end.
    fn from(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if unsigned == "0" {
            return Ok(Self(0));
        }
        let nanos = parse_parts(unsigned, text)?;
        Ok(Self(if negative { -nanos } else { nanos }))
    }
}

fn parse_parts(mut rest: &str, whole: &str) -> Result<i64, DurationError> {
    if rest.is_empty() {
        return Err(DurationError::Number(whole.into()));
    }
    let mut nanos = 0_i64;
    while !rest.is_empty() {
        let (part, after) = parse_part(rest, whole)?;
        nanos = nanos
            .checked_add(part)
            .ok_or_else(|| DurationError::Range(whole.into()))?;
        rest = after;
    }
    Ok(nanos)
}

fn parse_part<'t>(text: &'t str, whole: &str) -> Result<(i64, &'t str), DurationError> {
    let split = |text: &'t str, at: fn(char) -> bool| {
        text.split_at(text.find(|c: char| !at(c)).unwrap_or(text.len()))
    };
    let (number, rest) = split(text, |c| c.is_ascii_digit() || c == '.');
    let (unit, rest) = split(rest, |c| !c.is_ascii_digit() && c != '.');
    let scale = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, scale)| *scale);
    let scale = scale.ok_or_else(|| match number {
        "" => DurationError::Number(whole.into()),
        _ => DurationError::Unit(whole.into()),
    })?;
    Ok((scaled(number, scale, whole)?, rest))
}

fn scaled(number: &str, scale: i64, whole: &str) -> Result<i64, DurationError> {
    let (integer, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (integer.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(DurationError::Number(whole.into()));
    }
    let range = || DurationError::Range(whole.into());
    let integer = if integer.is_empty() {
        0
    } else {
        integer.parse::<i64>().map_err(|_| range())?
    };
    let integer = integer.checked_mul(scale).ok_or_else(range)?;
    integer
        .checked_add(fraction_nanos(fraction, scale))
        .ok_or_else(range)
}

/// The nanoseconds of the digits after the point, cut (not rounded) as Go does.
fn fraction_nanos(digits: &str, scale: i64) -> i64 {
    let step = |(nanos, unit): (i128, i128), digit: char| {
        let value = i128::from(digit.to_digit(10).unwrap_or(0));
        (nanos * 10 + value, unit * 10)
    };
    let (value, unit) = digits.chars().take(18).fold((0, 1), step);
    i64::try_from(value * i128::from(scale) / unit).unwrap_or(i64::MAX)
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        match nanos {
            0 => write!(f, "0s"),
            1..1_000 => write!(f, "{sign}{nanos}ns"),
            1_000..1_000_000 => write!(f, "{sign}{}µs", decimal(nanos, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{sign}{}ms", decimal(nanos, 1_000_000)),
            _ => write!(f, "{sign}{}", clock(nanos)),
        }
    }
}

fn clock(nanos: u64) -> String {
    const MINUTE: u64 = 60 * 1_000_000_000;
    let (hours, minutes) = (nanos / (60 * MINUTE), nanos / MINUTE % 60);
    let seconds = decimal(nanos % MINUTE, 1_000_000_000);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

fn decimal(value: u64, unit: u64) -> String {
    let width = unit.ilog10() as usize;
    let text = format!("{}.{:0width$}", value / unit, value % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Serialize for GoDuration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0", 0, "0s")]
    #[case("300ms", 300_000_000, "300ms")]
    #[case("2m30s", 150_000_000_000, "2m30s")]
    #[case("1.5h", 5_400_000_000_000, "1h30m0s")]
    #[case("-1s", -1_000_000_000, "-1s")]
    #[case("8s", 8_000_000_000, "8s")]
    #[case("1us500ns", 1_500, "1.5µs")]
    #[case(".5s", 500_000_000, "500ms")]
    fn reads_and_writes_as_go(#[case] text: &str, #[case] nanos: i64, #[case] canonical: &str) {
        let duration: GoDuration = text.parse().unwrap();
        assert_eq!(duration.as_nanos(), nanos);
        assert_eq!(duration.to_string(), canonical);
    }

    #[rstest]
    #[case::empty("")]
    #[case::no_unit("5")]
    #[case::unknown_unit("5d")]
    #[case::no_number("s")]
    #[case::point_only(".s")]
    #[case::two_points("1.2.3s")]
    #[case::range("9999999h")]
    fn refuses(#[case] text: &str) {
        assert!(text.parse::<GoDuration>().is_err());
    }

    proptest! {
        #[test]
        fn round_trips(nanos in -i64::MAX..=i64::MAX) {
            let duration = GoDuration::from_nanos(nanos);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn never_panics(text in ".*") {
            let _ = text.parse::<GoDuration>();
        }
    }
}
