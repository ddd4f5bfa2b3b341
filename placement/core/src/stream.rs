//! What a stream is known by.

/// A stream, numbered by the shell in the order of opening; never reused within a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);
