//! The operator: controllers, and the resource API for sidecars.
