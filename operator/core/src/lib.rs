//! What the operator decides: wanted Services, and the updates each sidecar gets.
