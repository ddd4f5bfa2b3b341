//! Leaders and their namespace among simulated sidecars: any schedule of joins, leaves, reports,
//! silence, reconnections and elections ends with one table everywhere, and the silent dropped.
//!
//! A failure prints its seed. `SIMULATION_SEED` runs one seed, `SIMULATION_SEEDS` as many.

#![expect(clippy::expect_used, reason = "a test may fail loudly")]

mod sidecar;
mod world;

use std::time::Duration;

use placement_core::StreamId;
use world::{Act, BUDGET, LATENCY, World};

/// Tells the seed of a run that panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("SIMULATION_SEED={}", self.0);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is a test, not the core")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn types(world: &mut World) -> u8 {
    u8::try_from(world.draw(8)).unwrap_or_default()
}

fn act(world: &mut World) -> Act {
    match world.draw(26) {
        0..9 => Act::Join {
            explicit: world.draw(2) == 0,
            types: types(world),
        },
        9..13 => Act::Leave(world.draw(1 << 20)),
        13..18 => Act::Report(world.draw(1 << 20), types(world)),
        18..20 => Act::Freeze(world.draw(1 << 20)),
        20..22 => Act::Reconnect(world.draw(1 << 20)),
        22..24 => Act::Delete(world.draw(1 << 20)),
        _ => Act::Elect,
    }
}

fn pause(world: &mut World) -> u64 {
    match world.draw(8) {
        0..4 => world.draw(50),
        4..7 => world.draw(1_000),
        _ => world.draw(10_000),
    }
}

/// Spread over all bits, since seeds are small and near each other.
fn spread(seed: u64) -> u64 {
    (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn run(seed: u64) {
    let _seed = Seed(seed);
    let mut draws = World::new(Duration::ZERO, spread(seed));
    let window = if draws.draw(2) == 0 {
        0
    } else {
        draws.draw(600)
    };
    let acts = 1 + draws.draw(40);
    let acts: Vec<_> = (0..acts)
        .map(|_| (pause(&mut draws), act(&mut draws)))
        .collect();
    let mut world = World::new(Duration::from_millis(window), spread(!seed));
    world.run(&acts);
    world.check_rest();
}

#[test]
fn every_live_stream_ends_unlocked_with_the_same_table() {
    match variable("SIMULATION_SEED") {
        Some(seed) => run(seed),
        None => (0..variable("SIMULATION_SEEDS").unwrap_or(4_000)).for_each(run),
    }
}

/// Many hosts, one of them frozen: the others are unlocked within the budget, every time.
#[test]
fn one_frozen_stream_of_500_delays_nobody_beyond_the_budget() {
    for seed in 0..8 {
        let mut world = World::new(Duration::ZERO, seed * 7919 + 1);
        let join = (
            0,
            Act::Join {
                explicit: true,
                types: 1,
            },
        );
        world.run(&vec![join; 500]);
        let frozen = StreamId(seed);
        world.sidecar(frozen).frozen = true;
        let joined = world.now;
        let join = (
            0,
            Act::Join {
                explicit: true,
                types: 1,
            },
        );
        world.run(&[join]);
        world.check_rest();
        let six_ways = Duration::from_millis(LATENCY + 1) * 6;
        let asked = world
            .sidecar(frozen)
            .asked
            .expect("a round asked everybody");
        assert_eq!(asked, joined, "a join is not delayed");
        assert!(
            world.now <= joined + BUDGET + six_ways * 2,
            "{:?}",
            world.now
        );
        assert!(!world.is_registered(frozen));
    }
}
