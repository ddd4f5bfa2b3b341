//! SPIFFE IDs, trust bundles and certificate checks as plain values.
