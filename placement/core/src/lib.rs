//! What placement decides: membership and dissemination rounds as a state machine.
//!
//! ```text
//!   stream opened, message, stream closed            LOCK, UPDATE, UNLOCK to a stream
//!            ──────────────►  [Namespace]  ──────────────►  [Outbox] of that stream
//!      the time, its deadline     │                         close a silent stream
//!                                 └── [Hosts]: what each stream reported, and the [Table]
//!                                     type → hosts that is kept in step with it
//! ```
//!
//! One [`Namespace`] stands for one tenant; tenants share nothing. Nothing here performs I/O or
//! reads a clock: time is handed in as a [`Now`], and the shell executes the [`Command`]s.

pub mod authorize;
pub mod host;
pub mod hosts;
pub mod namespace;
pub mod order;
pub mod outbox;
pub mod peers;
pub mod roster;
pub mod state;
pub mod stream;
pub mod table;

pub use authorize::{Client, Refusal, authorize};
pub use host::{Host, Operation};
pub use hosts::Hosts;
pub use namespace::{Command, Counts, Event, Namespace, Now, RoundTimeout, Settings};
pub use order::{Order, Step};
pub use outbox::Outbox;
pub use peers::{Peers, PeersError};
pub use roster::{Change, Roster};
pub use state::{StateTable, StateTables};
pub use stream::StreamId;
pub use table::{Address, MESSAGE_LIMIT, Table};
