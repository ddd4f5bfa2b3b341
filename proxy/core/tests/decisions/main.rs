//! What the proxy decides, by tables and properties.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod actors;
mod exclusive;
mod guard;
mod learnt;
mod patience;
mod pool;
mod rendezvous;
mod route;
mod slices;
