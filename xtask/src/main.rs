//! One entry for people and CI: demo, test, cluster, conformance, generate.

fn main() {}
