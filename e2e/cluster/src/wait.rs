use anyhow::{Result, bail};
use std::thread::sleep;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(100);

/// Asks `probe` until it has an answer.
///
/// # Errors
/// The probe's own, at once; and after `deadline` one that says what was waited for.
pub fn until<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = probe()? {
            return Ok(answer);
        }
        if start.elapsed() > deadline {
            bail!("{what}: not within {} s", deadline.as_secs());
        }
        sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_when_the_probe_does() {
        let mut left = 2;
        let answer = until("countdown", Duration::from_secs(5), || {
            left -= 1;
            Ok((left == 0).then_some("ready"))
        });
        assert_eq!(answer.unwrap(), "ready");
    }

    #[test]
    fn names_what_never_came() {
        let error = until::<()>("a miracle", Duration::ZERO, || Ok(None)).unwrap_err();
        assert_eq!(error.to_string(), "a miracle: not within 0 s");
    }

    #[test]
    fn stops_at_the_probe_s_own_error() {
        let error = until::<()>("x", Duration::from_secs(9), || bail!("broken")).unwrap_err();
        assert_eq!(error.to_string(), "broken");
    }
}
