//! Where the app is: the pods behind a Service, or a host.

mod fixed;
mod kubernetes;

pub use fixed::{Host, HostError, follow as follow_host};
pub use kubernetes::follow as follow_service;
