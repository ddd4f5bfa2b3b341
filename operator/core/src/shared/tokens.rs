//! The tokens between an instance and its app, and how they follow each other.
//!
//! ```text
//!            added to `accepted`   becomes `token`          no pod that may hold the former is left
//! new token ────────┬──────────────────┬─────────────────────────────────┬───────────────
//! former                                                                 └ dropped
//!                   └── SPREAD ────────┘
//! ```
//!
//! Kubelets bring a changed Secret to the proxies and to new pods at their leisure. So a token is
//! accepted well before a pod gets it, and a former one is dropped only when every bound pod was
//! made well after it was followed. A pod that lives for months holds up nothing but the removal
//! of what it may hold.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use injector_core::shared::{ACCEPTED, APP_TOKEN, TOKEN};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// Annotation of the Secret: since when each accepted token is given to new pods, in the order of
/// `accepted`, separated by commas; `-` for one that is not given yet, with the time it was added.
pub(super) const TIMES: &str = "trilby.dev/token-times";

/// How long a Secret may take to reach kubelets, their pods and the proxies.
pub(super) const SPREAD: SignedDuration = SignedDuration::from_mins(5);

/// Most tokens that are accepted at once; with more, nothing new is made until one can go.
const MOST: usize = 8;

/// As many random bytes as a token is made of.
pub const ENTROPY: usize = 32;

/// The content of an instance's Secret. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Newest first; at least one, and at least one of them is given.
    tokens: Vec<Token>,
    app: String,
}

#[derive(Clone, PartialEq, Eq)]
struct Token {
    text: String,
    state: State,
}

/// What became of a token so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Accepted since then, and not given to pods yet.
    Added(Timestamp),
    /// Given to pods since then, or until the next one was.
    Given(Timestamp),
}

/// What one step of rotation depends on.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// The present.
    pub now: Timestamp,
    /// How long until a token is followed by another.
    pub rotate_after: SignedDuration,
    /// When the oldest bound pod was made; none if there are no pods.
    pub oldest_pod: Option<Timestamp>,
}

// === impl Tokens ===

impl Tokens {
    /// The first tokens of an instance.
    pub fn new(entropy: [[u8; ENTROPY]; 2], now: Timestamp) -> Self {
        let [token, app] = entropy.map(|bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes));
        Self {
            tokens: vec![Token {
                text: token,
                state: State::Given(now),
            }],
            app,
        }
    }

    /// Reads a Secret; none if it has no token that could be given to pods. Whatever someone did
    /// to it by hand, no token that is accepted is dropped for that: times that can't be read are
    /// taken for the present.
    pub fn read(secret: &Secret, now: Timestamp) -> Option<Self> {
        let given = text(secret, TOKEN)?;
        let accepted = text(secret, ACCEPTED).unwrap_or_default();
        let annotations = secret.metadata.annotations.as_ref();
        let times = annotations
            .and_then(|all| all.get(TIMES))
            .map_or("", String::as_str);
        let mut states = times.split(',').map(|time| state(time, now));
        let lines = accepted.lines().filter(|line| !line.is_empty());
        let tokens: Vec<Token> = lines
            .map(|line| Token {
                text: line.to_owned(),
                state: states.next().unwrap_or(State::Given(now)),
            })
            .collect();
        let app = text(secret, APP_TOKEN).unwrap_or_default();
        Some(Self { tokens, app }.reconciled(given, now))
    }

    /// The next state: at most one token is added, given or dropped.
    #[must_use]
    pub fn step(mut self, entropy: [[u8; ENTROPY]; 2], at: Circumstances) -> Self {
        let [token, app] = entropy.map(|bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes));
        if self.app.is_empty() {
            self.app = app;
        }
        if self.drop_last(at) {
            return self;
        }
        let many = self.tokens.len() >= MOST;
        let Some(newest) = self.tokens.first_mut() else {
            return self;
        };
        match newest.state {
            State::Added(since) if at.now >= later(since, SPREAD) => {
                newest.state = State::Given(at.now);
            }
            State::Given(since) if !many && at.now >= later(since, at.rotate_after) => {
                let state = State::Added(at.now);
                self.tokens.insert(0, Token { text: token, state });
            }
            _ => {}
        }
        self
    }

    /// When the next step may change something, as far as that is known.
    pub fn due(&self, rotate_after: SignedDuration) -> Timestamp {
        match self.tokens.first().map(|newest| newest.state) {
            Some(State::Added(since)) => later(since, SPREAD),
            Some(State::Given(since)) => later(since, rotate_after),
            None => Timestamp::MIN,
        }
    }

    /// The data of the Secret.
    pub fn data(&self) -> BTreeMap<String, ByteString> {
        let accepted = self
            .tokens
            .iter()
            .flat_map(|token| [token.text.as_str(), "\n"]);
        let accepted = accepted.collect::<String>();
        [
            (TOKEN, self.given()),
            (ACCEPTED, &accepted),
            (APP_TOKEN, &self.app),
        ]
        .map(|(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec())))
        .into()
    }

    /// The annotation of the Secret.
    pub fn times(&self) -> String {
        let times = self.tokens.iter().map(|token| match token.state {
            State::Added(since) => format!("-{since}"),
            State::Given(since) => since.to_string(),
        });
        times.collect::<Vec<_>>().join(",")
    }

    /// The token that new pods get.
    fn given(&self) -> &str {
        let mut given = self
            .tokens
            .iter()
            .filter(|it| matches!(it.state, State::Given(_)));
        given.next().map_or("", |token| &token.text)
    }

    /// Makes what is said to be given the one that is given, whatever the times say.
    fn reconciled(mut self, given: String, now: Timestamp) -> Self {
        if self.given() != given {
            self.tokens.retain(|token| token.text != given);
            for token in &mut self.tokens {
                token.state = State::Given(now);
            }
            let state = State::Given(now);
            self.tokens.insert(0, Token { text: given, state });
        }
        self
    }

    /// A pod made before a token was given may hold the one before, as may one that was made a
    /// little later and got an older copy of the Secret. The last of those pods must be known by
    /// now.
    fn drop_last(&mut self, at: Circumstances) -> bool {
        let [.., next, _] = self.tokens.as_slice() else {
            return false;
        };
        let State::Given(since) = next.state else {
            return false;
        };
        let safe = later(since, SPREAD);
        let unused =
            at.now >= later(safe, SPREAD) && at.oldest_pod.is_none_or(|oldest| oldest >= safe);
        unused && self.tokens.pop().is_some()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = self.times();
        formatter
            .debug_struct("Tokens")
            .field("times", &times)
            .finish_non_exhaustive()
    }
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    let bytes = secret.data.as_ref()?.get(key)?;
    let text = String::from_utf8(bytes.0.clone()).ok()?;
    Some(text).filter(|text| !text.is_empty())
}

fn state(text: &str, now: Timestamp) -> State {
    match text.strip_prefix('-') {
        Some(since) => State::Added(since.parse().unwrap_or(now)),
        None => State::Given(text.parse().unwrap_or(now)),
    }
}

/// The end of time, if it would be later than that.
fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "tokens/tests.rs"]
mod tests;
