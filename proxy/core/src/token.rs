//! Which tokens are good.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// The tokens that are good now, and those that were until lately.
#[derive(Debug)]
pub struct Tokens {
    grace: Duration,
    current: Vec<SecretString>,
    former: Vec<(SecretString, Instant)>,
}

// === impl Tokens ===

impl Tokens {
    /// No token is good yet. One that is replaced stays good for `grace`.
    pub fn new(grace: Duration) -> Self {
        Self {
            grace,
            current: Vec::new(),
            former: Vec::new(),
        }
    }

    /// The tokens of `text`, one a line; blank lines don't count. Those that are no longer in it
    /// become former ones.
    pub fn replace(&mut self, text: &str, now: Instant) {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let current: Vec<SecretString> = lines.map(SecretString::from).collect();
        let until = now + self.grace;
        self.former.retain(|(_, until)| *until > now);
        for token in std::mem::replace(&mut self.current, current) {
            if !is_among(&self.current, &token) {
                self.former.push((token, until));
            }
        }
    }

    /// Whether there is a token to be had at all.
    pub fn is_empty(&self) -> bool {
        self.current.is_empty()
    }

    /// Whether `shown` is good. How long that takes says nothing about how much of it is right.
    pub fn accepts(&self, shown: &[u8], now: Instant) -> bool {
        let former = self.former.iter();
        let former = former
            .filter(|(_, until)| *until > now)
            .map(|(token, _)| token);
        let good = self.current.iter().chain(former);
        // Every one is compared, so that the time does not tell which one was met.
        good.fold(false, |met, token| met | equal(token, shown))
    }
}

fn is_among(tokens: &[SecretString], token: &SecretString) -> bool {
    let token = token.expose_secret().as_bytes();
    tokens.iter().any(|other| equal(other, token))
}

fn equal(token: &SecretString, shown: &[u8]) -> bool {
    token.expose_secret().as_bytes().ct_eq(shown).into()
}
