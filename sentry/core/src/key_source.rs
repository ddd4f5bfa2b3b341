//! Where the key set of the JWKS method comes from, and how long a fetched one is kept.

use std::{collections::BTreeMap, time::Duration};

use config::{GoDuration, duration::DurationError};
use jiff::{Timestamp, fmt::rfc2822};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_REFRESH: Duration = Duration::from_mins(10);

/// Values up to these are taken for mistakes, as Dapr takes them.
const LEAST_TIMEOUT: Duration = Duration::from_millis(1);
const LEAST_REFRESH: Duration = Duration::from_secs(1);

/// A server that wants its keys kept longer must not keep a withdrawn one alive for ever.
const LONGEST_REFRESH: Duration = Duration::from_hours(24);

/// Options of the JWKS method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySource {
    /// A URL, a file, or the key set itself.
    pub source: String,
    /// Roots that replace the system's for the URL: PEM, or a file of it; may be empty.
    pub ca_certificate: String,
    /// A fetched key set is kept at least as long.
    pub min_refresh: Duration,
    /// A request takes no longer.
    pub timeout: Duration,
}

/// An option that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("option {name} of the jwks token validator")]
pub struct KeySourceError {
    name: &'static str,
    #[source]
    source: DurationError,
}

// === impl KeySource ===

impl KeySource {
    /// Reads the options, by their names in lower case; unknown ones are ignored.
    ///
    /// # Errors
    /// If a duration is none.
    pub fn read(options: &BTreeMap<String, String>) -> Result<Self, KeySourceError> {
        let text = |name: &str| options.get(name).cloned().unwrap_or_default();
        let duration = |name: &'static str, least, default| {
            let found = duration(&text(&name.to_ascii_lowercase()));
            let found = found.map_err(|source| KeySourceError { name, source })?;
            Ok(found.filter(|found| *found > least).unwrap_or(default))
        };
        Ok(Self {
            source: text("source"),
            ca_certificate: text("cacertificate"),
            min_refresh: duration("minRefreshInterval", LEAST_REFRESH, DEFAULT_REFRESH)?,
            timeout: duration("requestTimeout", LEAST_TIMEOUT, DEFAULT_TIMEOUT)?,
        })
    }

    /// Whether the source is an address to fetch from.
    pub fn is_url(&self) -> bool {
        ["https://", "http://"]
            .iter()
            .any(|scheme| self.source.starts_with(scheme))
    }

    /// How long a fetched key set is kept: as its server says, but never shorter than
    /// configured, nor longer than a day.
    pub fn kept_for(
        &self,
        cache_control: Option<&str>,
        expires: Option<&str>,
        now: Timestamp,
    ) -> Duration {
        let served = cache_control
            .and_then(max_age)
            .or_else(|| expires.and_then(|at| until(at, now)));
        let served = served.unwrap_or_default().min(LONGEST_REFRESH);
        served.max(self.min_refresh)
    }
}

/// A number without a unit counts seconds. Negative ones are none.
fn duration(text: &str) -> Result<Option<Duration>, DurationError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse::<GoDuration>()
        .or_else(|error| match text.parse::<i64>() {
            Ok(seconds) => Ok(GoDuration::from_secs(seconds)),
            Err(_) => Err(error),
        })
        .map(GoDuration::as_std)
}

fn max_age(header: &str) -> Option<Duration> {
    header.split(',').find_map(|directive| {
        let (name, value) = directive.trim().split_once('=')?;
        let seconds = value.trim_matches('"').parse().ok()?;
        name.eq_ignore_ascii_case("max-age")
            .then(|| Duration::from_secs(seconds))
    })
}

fn until(date: &str, now: Timestamp) -> Option<Duration> {
    let at = rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    at.duration_since(now).try_into().ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<KeySource, KeySourceError> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        KeySource::read(&options.iter().map(own).collect())
    }

    #[rstest]
    #[case::none("", 30_000, 600)]
    #[case::go("2m", 120_000, 120)]
    #[case::seconds("45", 45_000, 45)]
    #[case::mistaken("1ms", 30_000, 600)]
    #[case::negative("-5m", 30_000, 600)]
    fn reads_durations(#[case] text: &str, #[case] timeout_ms: u64, #[case] refresh: u64) {
        let options = read(&[("requesttimeout", text), ("minrefreshinterval", text)]).unwrap();
        assert_eq!(options.timeout, Duration::from_millis(timeout_ms));
        assert_eq!(options.min_refresh, Duration::from_secs(refresh));
    }

    #[test]
    fn names_the_option_that_is_wrong() {
        let error = read(&[("minrefreshinterval", "often")]).unwrap_err();
        assert!(error.to_string().contains("minRefreshInterval"), "{error}");
    }

    #[rstest]
    #[case::neither(None, None, 600)]
    #[case::short(Some("max-age=5"), None, 600)]
    #[case::long(
        Some("public, Max-Age=\"7200\""),
        Some("Thu, 01 Jan 2026 00:00:00 GMT"),
        7200
    )]
    #[case::date(Some("no-cache"), Some("Thu, 01 Jan 2026 01:00:00 GMT"), 3600)]
    #[case::past(None, Some("Thu, 01 Jan 2025 01:00:00 GMT"), 600)]
    #[case::garbage(Some("max-age=x"), Some("tomorrow"), 600)]
    #[case::endless(Some("max-age=18446744073709551615"), None, 86_400)]
    fn keeps_as_long_as_the_server_says(
        #[case] cache_control: Option<&str>,
        #[case] expires: Option<&str>,
        #[case] seconds: u64,
    ) {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let kept = read(&[]).unwrap().kept_for(cache_control, expires, now);
        assert_eq!(kept, Duration::from_secs(seconds));
    }

    #[rstest]
    #[case("https://a/keys", true)]
    #[case("http://a/keys", true)]
    #[case("/keys.json", false)]
    #[case("{}", false)]
    fn knows_a_url(#[case] source: &str, #[case] is: bool) {
        assert_eq!(read(&[("source", source)]).unwrap().is_url(), is);
    }
}
