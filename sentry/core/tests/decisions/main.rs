//! What sentry decides, seen from outside.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod bundle;
mod common;
mod fuzz;
mod issue;
mod jwks;
mod jwt;
mod kubernetes;
mod request;
