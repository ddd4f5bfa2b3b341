//! Sentry: the SPIFFE certificate authority of the control plane.

fn main() {}
