use proxy_core::actors::{
    Actors,
    Admission::{Go, Move, Wait},
    Turn::{Deactivation, New, Reentrant},
};

use crate::pool::address;

const ACTOR: u64 = 1;

#[test]
fn calls_go_to_the_owner() {
    let mut actors = Actors::default();
    assert_eq!(actors.admit(ACTOR, address(1), New), Go(address(1)));
    assert_eq!(actors.admit(2, address(2), New), Go(address(2)));
}

#[test]
fn a_new_owner_waits_for_the_end_of_running_calls_and_of_the_old_memory() {
    let mut actors = Actors::default();
    actors.admit(ACTOR, address(1), New);
    assert_eq!(actors.admit(ACTOR, address(2), New), Wait);
    assert!(actors.done(ACTOR, New));
    assert_eq!(
        actors.admit(ACTOR, address(2), New),
        Move { from: address(1) }
    );
    assert_eq!(actors.admit(ACTOR, address(2), New), Wait, "while it moves");
    actors.moved(ACTOR, Some(address(2)));
    assert_eq!(actors.admit(ACTOR, address(2), New), Go(address(2)));
}

#[test]
fn a_move_that_broke_off_is_done_again() {
    let mut actors = Actors::default();
    actors.admit(ACTOR, address(1), New);
    actors.done(ACTOR, New);
    actors.admit(ACTOR, address(2), New);
    actors.moved(ACTOR, None);
    assert_eq!(
        actors.admit(ACTOR, address(2), New),
        Move { from: address(1) }
    );
}

#[test]
fn calls_of_the_same_turn_stay_with_it() {
    let mut actors = Actors::default();
    actors.admit(ACTOR, address(1), Reentrant);
    assert_eq!(actors.admit(ACTOR, address(2), Reentrant), Go(address(1)));
    assert!(!actors.done(ACTOR, Reentrant), "one is still running");
    assert!(actors.done(ACTOR, Reentrant));
    let next = actors.admit(ACTOR, address(2), Reentrant);
    assert_eq!(next, Move { from: address(1) });
}

#[test]
fn daprd_deactivates_where_the_actor_is() {
    let mut actors = Actors::default();
    actors.admit(ACTOR, address(1), New);
    actors.done(ACTOR, New);
    assert_eq!(
        actors.admit(ACTOR, address(2), Deactivation),
        Go(address(1))
    );
    assert!(actors.done(ACTOR, Deactivation));
    assert_eq!(
        actors.admit(ACTOR, address(2), New),
        Go(address(2)),
        "nothing is left to move"
    );
}

#[test]
fn the_memory_of_what_is_gone_is_gone() {
    let mut actors = Actors::default();
    actors.admit(ACTOR, address(1), New);
    actors.keep(|_| false);
    assert_eq!(
        actors.admit(ACTOR, address(2), New),
        Wait,
        "its call is still running"
    );
    actors.done(ACTOR, New);
    actors.keep(|listed| listed != address(1));
    assert_eq!(actors.admit(ACTOR, address(2), New), Go(address(2)));
}

#[test]
fn forgets_idle_actors_when_there_are_too_many() {
    let mut actors = Actors::remembering(2);
    actors.admit(1, address(1), New);
    actors.admit(2, address(1), New);
    actors.done(2, New);
    actors.admit(3, address(1), New);
    assert_eq!(
        actors.admit(1, address(2), New),
        Wait,
        "a busy one is remembered"
    );
    assert_eq!(
        actors.admit(2, address(2), New),
        Go(address(2)),
        "an idle one is not"
    );
}
