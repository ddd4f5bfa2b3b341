//! What sentry decides: from a signing request, an identity and a time to a certificate.
//!
//! ```text
//!  Configuration --> Settings ----------------------------------+
//!  Secret, ConfigMap, files --> agreement --> Bundle -----------+--> issue --> leaf + chain
//!  request --> validator (facts of the cluster) --> Workload ---+
//!          \-> SigningRequest --> PublicKey --------------------+
//! ```
//!
//! Nothing here reads a clock, a file, the network or a source of randomness: the time, the
//! serial number and the seeds of new keys are arguments.

pub mod agreement;
pub mod bundle;
pub mod cluster;
pub mod dns;
pub mod generate;
pub mod images;
pub mod issue;
pub mod jwt;
pub mod key;
pub mod key_source;
pub mod oidc;
pub mod pem;
pub mod request;
pub mod rotation;
pub mod settings;
pub mod trust_domain;
pub mod validator;
mod x509;

pub use bundle::{Bundle, BundleError, Parts};
pub use issue::{IssueError, Issued, Order, Terms};
pub use key::PrivateKey;
pub use request::{PublicKey, RequestError};
pub use settings::Settings;
