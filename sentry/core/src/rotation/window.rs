//! When workloads may be restarted: `Sat,Sun 02:00-04:30`, in UTC.

use jiff::{Timestamp, civil::Weekday, tz::TimeZone};

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// When workloads may be restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// On which days it opens; all if empty.
    days: Vec<Weekday>,
    /// Minutes since midnight; the end lies on the next day if it is not after the start.
    from: i32,
    to: i32,
}

/// No window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no window; \"always\" is one, and so are \"02:00-04:30\" and \"Sat,Sun 22:00-03:00\", in UTC"
)]
pub struct WindowError(String);

// === impl Window ===

impl Window {
    /// Reads `always`, `02:00-04:30` or `Sat,Sun 22:00-03:00`.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn parse(text: &str) -> Result<Self, WindowError> {
        read(text.trim()).ok_or_else(|| WindowError(text.to_owned()))
    }

    /// Whether it is open.
    pub fn is_open(&self, now: Timestamp) -> bool {
        let now = now.to_zoned(TimeZone::UTC);
        let minute = i32::from(now.hour()) * 60 + i32::from(now.minute());
        let (today, yesterday) = (now.weekday(), now.weekday().previous());
        let opens = |day| self.days.is_empty() || self.days.contains(&day);
        if self.from < self.to {
            return opens(today) && (self.from..self.to).contains(&minute);
        }
        (opens(today) && minute >= self.from) || (opens(yesterday) && minute < self.to)
    }
}

fn read(text: &str) -> Option<Window> {
    if text.eq_ignore_ascii_case("always") {
        let (days, from, to) = (Vec::new(), 0, 24 * 60);
        return Some(Window { days, from, to });
    }
    let (days, times) = text.rsplit_once(' ').unwrap_or(("", text));
    let (from, to) = times.split_once('-')?;
    let days = days.split(',').map(str::trim).filter(|day| !day.is_empty());
    Some(Window {
        days: days.map(day).collect::<Option<_>>()?,
        from: minute(from)?,
        to: minute(to)?,
    })
}

fn day(text: &str) -> Option<Weekday> {
    let found = DAYS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.map(|(_, day)| *day)
}

fn minute(text: &str) -> Option<i32> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (i32, i32) = (hour.parse().ok()?, minute.parse().ok()?);
    let fits = (0..24).contains(&hour) && (0..60).contains(&minute);
    (fits || (hour, minute) == (24, 0)).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::always("always", "2026-01-01T12:00:00Z", true)]
    #[case::inside("02:00-04:30", "2026-01-01T04:29:59Z", true)]
    #[case::over("02:00-04:30", "2026-01-01T04:30:00Z", false)]
    #[case::before("02:00-24:00", "2026-01-01T01:59:00Z", false)]
    #[case::saturday("Sat,Sun 22:00-03:00", "2026-01-03T23:00:00Z", true)]
    #[case::after_midnight("Sat, sun 22:00-03:00", "2026-01-05T02:00:00Z", true)]
    #[case::friday("Sat,Sun 22:00-03:00", "2026-01-02T23:00:00Z", false)]
    #[case::not_opened("Sat,Sun 22:00-03:00", "2026-01-03T02:00:00Z", false)]
    fn opens(#[case] window: &str, #[case] at: &str, #[case] open: bool) {
        let window = Window::parse(window).unwrap();
        assert_eq!(window.is_open(at.parse().unwrap()), open);
    }

    #[rstest]
    #[case("")]
    #[case("at night")]
    #[case("25:00-26:00")]
    #[case("Someday 01:00-02:00")]
    #[case("01:00")]
    fn refuses(#[case] text: &str) {
        let error = Window::parse(text).unwrap_err();
        assert!(error.to_string().contains(text));
    }
}
