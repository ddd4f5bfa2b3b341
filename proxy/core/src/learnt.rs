//! What daprd asked the app once, and whether the app would answer otherwise by now.
//!
//! daprd learns routes, subscriptions and actor types when it starts. When all ready endpoints agree
//! on other answers, as after a roll-out of the app, it has to start anew. While they differ, in the
//! middle of one, nothing follows: the answer that daprd would get is a matter of luck.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::Hasher,
    net::SocketAddr,
};

use fnv::FnvHasher;
use serde_json::Value;

/// Annotation of an instance's Lease that changes when its daprds have to start anew.
pub const REVISION: &str = "trilby.dev/app-revision";

/// A digest of an answer that is the same for answers which mean the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(u64);

/// What daprd learnt, by question, and what the endpoints say now.
#[derive(Debug)]
pub struct Learnt<Q> {
    learnt: BTreeMap<Q, Digest>,
    heard: BTreeMap<SocketAddr, BTreeMap<Q, Digest>>,
}

// === impl Digest ===

impl Digest {
    /// Of an HTTP answer. Lists in JSON count as sets.
    pub fn of_http(status: u16, body: &[u8]) -> Self {
        let ordered = serde_json::from_slice(body).map(ordered);
        let text = ordered.map_or_else(|_| body.to_vec(), |value| value.to_string().into_bytes());
        Self::of(&[&status.to_be_bytes(), &text])
    }

    /// Of a gRPC answer, whose status is none if it is a success.
    pub fn of_grpc(status: Option<&[u8]>, message: &[u8]) -> Self {
        let message = fields(message).unwrap_or_else(|| message.to_vec());
        Self::of(&[status.unwrap_or_default(), &message])
    }

    /// Of other digests and a text.
    fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = FnvHasher::default();
        for part in parts {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        Self(hasher.finish())
    }

    /// What the revision `before` is followed by if the app answers so: the same wherever it is
    /// reckoned.
    pub fn after(self, before: &str) -> String {
        let Self(next) = Self::of(&[before.as_bytes(), &self.0.to_be_bytes()]);
        format!("{next:016x}")
    }
}

// === impl Learnt ===

impl<Q> Default for Learnt<Q> {
    fn default() -> Self {
        Self {
            learnt: BTreeMap::new(),
            heard: BTreeMap::new(),
        }
    }
}

impl<Q: Clone + Ord> Learnt<Q> {
    /// What daprd was answered.
    pub fn learn(&mut self, question: Q, answer: Digest) {
        self.learnt.insert(question, answer);
    }

    /// What an endpoint would answer.
    pub fn hear(&mut self, endpoint: SocketAddr, question: Q, answer: Digest) {
        self.heard
            .entry(endpoint)
            .or_default()
            .insert(question, answer);
    }

    /// An endpoint has no answer of its own to this.
    pub fn excuse(&mut self, endpoint: SocketAddr, question: Q) {
        if let Some(learnt) = self.learnt.get(&question).copied() {
            self.hear(endpoint, question, learnt);
        }
    }

    /// What the endpoints that are ready were not asked yet; others are forgotten.
    pub fn open(&mut self, ready: &[SocketAddr]) -> Vec<(SocketAddr, Q)> {
        self.heard.retain(|endpoint, _| ready.contains(endpoint));
        let unknown = |endpoint: &SocketAddr, question: &Q| {
            let heard = self.heard.get(endpoint);
            heard.is_none_or(|heard| !heard.contains_key(question))
        };
        let pairs = ready.iter().flat_map(|endpoint| {
            let questions = self.learnt.keys();
            questions.map(|question| (*endpoint, question.clone()))
        });
        pairs
            .filter(|(endpoint, question)| unknown(endpoint, question))
            .collect()
    }

    /// A digest of the answers, if all of the ready endpoints agree on others than daprd knows.
    pub fn news(&self, ready: &[SocketAddr]) -> Option<Digest> {
        let mut all = Vec::with_capacity(self.learnt.len() * 8);
        let mut differs = false;
        for (question, learnt) in &self.learnt {
            let heard = ready
                .iter()
                .map(|endpoint| self.heard.get(endpoint)?.get(question));
            let heard: Option<BTreeSet<&Digest>> = heard.collect();
            let heard = heard.filter(|answers| answers.len() == 1)?;
            for Digest(answer) in &heard {
                all.extend(answer.to_be_bytes());
            }
            differs |= !heard.contains(learnt);
        }
        differs.then(|| Digest::of(&[&all]))
    }
}

/// JSON with its lists sorted.
fn ordered(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(ordered).collect();
            items.sort_by_cached_key(Value::to_string);
            items.into()
        }
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (key, ordered(value)));
            Value::Object(fields.collect())
        }
        other => other,
    }
}

/// The fields of a protobuf message in an order of their own, since the entries of maps come in any;
/// none if it is no such message. What only looks like a message inside is ordered just as well,
/// each time in the same way.
fn fields(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (tag, rest) = varint(bytes)?;
        let (content, rest) = match tag & 7 {
            0 => {
                let (_, after) = varint(rest)?;
                rest.split_at_checked(rest.len() - after.len())?
            }
            1 => rest.split_at_checked(8)?,
            2 => {
                let (length, rest) = varint(rest)?;
                rest.split_at_checked(usize::try_from(length).ok()?)?
            }
            5 => rest.split_at_checked(4)?,
            _ => return None,
        };
        let inner = (tag & 7 == 2).then(|| fields(content)).flatten();
        let mut field = tag.to_be_bytes().to_vec();
        field.extend(inner.unwrap_or_else(|| content.to_vec()));
        all.push(field);
        bytes = rest;
    }
    all.sort();
    let sized = all.into_iter().flat_map(|field| {
        let size = field.len().to_be_bytes();
        size.into_iter().chain(field)
    });
    Some(sized.collect())
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let (number, rest) = bytes.split_at_checked(length)?;
    let digits = number.iter().rev().map(|byte| u64::from(byte & 0x7f));
    (length <= 10).then(|| (digits.fold(0, |sum, digit| sum << 7 | digit), rest))
}
