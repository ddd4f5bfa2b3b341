use std::time::{Duration, Instant};

use proxy_core::{
    patience::{Bounds, GivenUp, Holding, REFUSING, Reason, Waiting},
    pool::Unavailable,
};

use crate::pool::now;

const CALL: Duration = Duration::from_mins(1);
const ONCE: Duration = Duration::from_hours(1);
const EMPTY: Reason = Reason::Unavailable(Unavailable::Empty);

fn holding() -> Holding {
    Holding::new(Bounds {
        calls: 2,
        call: CALL,
        once: ONCE,
    })
}

fn refusing(until: Instant) -> Reason {
    Reason::Unavailable(Unavailable::Refusing { until })
}

#[test]
fn holds_so_many_and_no_more() {
    let mut holding = holding();
    assert_eq!(holding.enter(false), Ok(()));
    assert_eq!(holding.enter(false), Ok(()));
    assert_eq!(holding.enter(false), Err(GivenUp::Full));
    assert_eq!(
        holding.enter(true),
        Ok(()),
        "what daprd asks once is always held"
    );
    assert_eq!(holding.held(), 3);
    holding.leave();
    holding.leave();
    assert_eq!(holding.enter(false), Ok(()));
}

#[test]
fn gives_up_in_time() {
    let (holding, begun) = (holding(), now());
    let wait = |once, after| holding.wait(&mut Waiting::new(once, begun), EMPTY, begun + after);
    assert_eq!(wait(false, Duration::ZERO), Ok(begun + CALL));
    assert_eq!(wait(false, CALL), Err(GivenUp::NoEndpoint));
    assert_eq!(wait(true, CALL), Ok(begun + ONCE));
    assert_eq!(wait(true, ONCE), Err(GivenUp::NoEndpoint));
}

#[test]
fn refusals_count_from_the_first_of_them() {
    let (holding, begun) = (holding(), now());
    let mut waiting = Waiting::new(false, begun);
    let woken = begun + CALL / 2;
    let again = woken + Duration::from_secs(1);
    assert_eq!(
        holding.wait(&mut waiting, refusing(again), woken),
        Ok(again)
    );
    let end = woken + REFUSING;
    assert_eq!(
        holding.wait(&mut waiting, refusing(end), end),
        Err(GivenUp::Refused)
    );
    // The endpoints went: it waits for new ones as long as it may altogether.
    assert_eq!(holding.wait(&mut waiting, EMPTY, end), Ok(begun + CALL));
}

#[test]
fn an_actor_that_stays_busy_is_given_up() {
    let (holding, begun) = (holding(), now());
    let mut waiting = Waiting::new(false, begun);
    let wait = holding.wait(&mut waiting, Reason::Turn, begun + CALL);
    assert_eq!(wait, Err(GivenUp::ActorBusy));
}
