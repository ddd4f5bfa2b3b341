//! A small application for the demo and the tests: state, publish and subscribe, invoke, actors.

fn main() {}
