//! The proxy's shell over loopback, between real clients and real servers.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
#![expect(
    clippy::disallowed_methods,
    reason = "spawned tasks end with the test's runtime"
)]

mod actors;
mod backend;
mod client;
mod endpoints;
mod ends;
mod exclusive;
mod forward;
mod grpc;
mod guard;
mod health;
mod hold;
mod late;
mod limits;
mod program;
mod setup;
mod tls;
