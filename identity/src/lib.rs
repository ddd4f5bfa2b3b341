//! Certificates that follow rotation: TLS for servers and clients, and the client of sentry.
//!
//! ```text
//! trust file --> TrustAnchors --+--> tls::server / tls::client --> Listener, channels
//! sentry ------> Provider --> Identity --^
//! ```
//!
//! Certificate and anchors are looked up per handshake, so a rotation needs no restart and drops
//! no connection.

mod anchors;
mod connection;
mod dial;
mod listener;
mod provider;
mod resolver;
mod sentry;
mod svid;
pub mod tls;
mod token;
mod verifier;

pub use anchors::TrustAnchors;
pub use connection::{Connection, Peer};
pub use dial::{Socket, channel, dial};
pub use listener::Listener;
pub use provider::{Provider, ProviderError, Request};
pub use svid::{Identity, KeyKind, Svid, SvidError};

/// Makes aws-lc-rs the one crypto provider of the process: the first line of every `main`.
///
/// A second call changes nothing.
pub fn install_crypto_provider() {
    // The error says that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
