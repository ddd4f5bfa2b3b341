//! The gRPC contracts of the Dapr control plane, and the Rust generated from them.
//!
//! The contracts are in `proto/`; the generated code in `src/gen/` is committed, so that a build
//! needs no protoc, and `tests/generated.rs` proves it fresh.

#![allow(missing_docs, clippy::pedantic, reason = "generated code")]

/// Between sentry and everything that needs an identity.
pub mod sentry {
    pub mod v1 {
        include!("gen/dapr.proto.sentry.v1.rs");
    }
}

/// Between the operator and sidecars.
pub mod operator {
    pub mod v1 {
        include!("gen/dapr.proto.operator.v1.rs");
    }
}

/// Between placement and sidecars.
pub mod placement {
    pub mod v1 {
        include!("gen/dapr.proto.placement.v1.rs");
    }
}

/// Between a sidecar and its gRPC application.
pub mod runtime {
    pub mod v1 {
        include!("gen/dapr.proto.runtime.v1.rs");
    }
}

/// Messages of more than one contract.
pub mod common {
    pub mod v1 {
        include!("gen/dapr.proto.common.v1.rs");
    }
}
