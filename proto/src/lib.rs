//! The gRPC contracts of the Dapr control plane, and the Rust generated from them.
