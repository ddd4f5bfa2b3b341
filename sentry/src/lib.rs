//! Sentry: the SPIFFE certificate authority of the control plane.
//!
//! ```text
//!  files | Secret --> store --> authority (Bundle in use) <-- own (renews, reloads)
//!                                   |                          |
//!  gRPC SignCertificate --> server -+                     TLS identity
//!                             |
//!                        validators --> kubernetes (TokenReview, pods, Configuration)
//!                                   \-> jwks (key set of a file, a server, the Configuration)
//! ```
//!
//!  OIDC discovery, key set --> oidc --> authority (what makes tokens)
//!
//! What is decided is decided in `sentry-core`; this crate looks facts up and carries answers.

pub mod authority;
pub mod configuration;
pub mod flags;
pub mod jwks;
pub mod kubernetes;
pub mod metrics;
pub mod oidc;
pub mod own;
pub mod owner;
pub mod random;
pub mod server;
pub mod start;
pub mod store;
pub mod trigger;
pub mod validators;
