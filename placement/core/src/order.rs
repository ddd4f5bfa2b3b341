//! What a sidecar is told to do.

use crate::host::Operation;

/// What an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new table is coming.
    Lock,
    /// The table, as an UPDATE with rings that are unlike any other: what a sidecar is told first
    /// on a stream. Not a step of a round: its answer is of the past when it comes.
    Preview,
    /// The table.
    Update,
    /// Everybody has the table.
    Unlock,
}

/// An order to a sidecar. What carries the table does so as it is when the command is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// What to do.
    pub step: Step,
    /// The version of the round, or of the table pushed.
    pub version: u64,
}

// === impl Step ===

impl Step {
    pub(crate) fn is_answered_by(self, operation: Operation) -> bool {
        matches!(
            (self, operation),
            (Self::Lock, Operation::Lock)
                | (Self::Update, Operation::Update)
                | (Self::Unlock, Operation::Unlock)
        )
    }

    pub(crate) fn next(self) -> Option<Self> {
        match self {
            Self::Lock | Self::Preview => Some(Self::Update),
            Self::Update => Some(Self::Unlock),
            Self::Unlock => None,
        }
    }
}
