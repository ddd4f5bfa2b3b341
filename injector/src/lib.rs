//! The injector: the mutating webhook that gives annotated pods their sidecar.
