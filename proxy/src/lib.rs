//! The proxy beside a shared daprd, in the pod of the instance.
//!
//! ```text
//! app pods --3500, 50001--> guard --127.0.0.1--> daprd --127.0.0.1:3510--> forwarder --> app pods
//!                             |                                               |
//!                  who may, how much, for how long              which pod, what if there is none
//! ```
//!
//! [`forwarder`] chooses an endpoint for every call of daprd's app channel, [`guard`] stands
//! before daprd's API, [`endpoints`] says where the app is, [`exclusive`] which instance delivers
//! what all of them get. What they decide is in `proxy-core`.

mod answer;
mod body;
pub mod endpoints;
pub mod exclusive;
mod files;
pub mod flags;
pub mod forwarder;
pub mod guard;
mod headers;
pub mod metrics;
mod random;
pub mod server;
mod settings;
pub mod start;
pub mod tls;
mod upstream;

pub use flags::Flags;
pub use start::Proxy;
