//! Sentry's shell, in memory and over loopback.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod api;
mod authority;
mod kubernetes;
mod server;
mod tls;
