//! SPIFFE IDs, trust bundles and certificate checks as plain values.
//!
//! ```text
//! Workload { trust domain, namespace, app id }  <->  spiffe://<td>/ns/<namespace>/<app id>
//! TrustBundle: the roots, as PEM for others and as DER for us
//! svid::peer_id: what a peer's certificate says, and whether it may say so
//! ```

mod bundle;
pub mod svid;
mod workload;

pub use bundle::{BundleError, TrustBundle};
pub use spiffe::{SpiffeId, SpiffeIdError, TrustDomain};
pub use workload::{Workload, WorkloadError};
