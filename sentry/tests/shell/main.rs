//! Sentry's shell, in memory and over loopback.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
#![expect(
    clippy::disallowed_methods,
    reason = "spawned tasks end with the test's runtime"
)]

mod api;
mod authority;
mod jwks;
mod kubernetes;
mod oidc;
mod rotation;
mod server;
mod tls;
mod tokens;
mod warden;
