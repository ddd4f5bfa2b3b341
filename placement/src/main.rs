//! Placement: maps actor types to the sidecars that host them.

fn main() {}
