use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use proxy_core::{
    exclusive::{Beginning, Bindings},
    leader::{APART, Candidate, LASTS, Lease, RENEWS, Step, Verdict},
};
use rstest::rstest;

use crate::pool::now;

fn bindings() -> Bindings {
    let routes = [("tick", "tick"), ("nightly", "/jobs/nightly")];
    Bindings::new(
        routes
            .map(|(name, route)| (name.into(), route.into()))
            .into(),
    )
}

#[rstest]
#[case("POST", "/tick", true)]
#[case("POST", "/jobs/nightly", true)]
#[case("OPTIONS", "/tick", false)]
#[case("POST", "/nightly", false)]
#[case("POST", "/tick/tock", false)]
fn an_event_goes_to_the_route_of_its_binding(
    #[case] method: &str,
    #[case] path: &str,
    #[case] expected: bool,
) {
    assert_eq!(bindings().has_route(method, path), expected);
}

#[rstest]
#[case(b"", Beginning::Short)]
#[case(b"\0\0\0\0\x06", Beginning::Short)]
#[case(b"\0\0\0\0\x06\x0a", Beginning::Short)]
#[case(b"\0\0\0\0\x06\x0a\x04tic", Beginning::Short)]
#[case(b"\0\0\0\0\x06\x0a\x04tick", Beginning::Of("tick"))]
#[case(b"\0\0\0\0\x06\x0a\x04tick\x12\x01x", Beginning::Of("tick"))]
#[case(b"\0\0\0\0\x06\x0a\x84", Beginning::Short)]
#[case(b"\0\0\0\0\x06\x0a\x84\x00tick", Beginning::Of("tick"))]
#[case(b"\0\0\0\0\x06\x0a\xff\x7f", Beginning::Unreadable)]
#[case(b"\0\0\0\0\x06\x0a\xff\xff", Beginning::Unreadable)]
#[case(b"\0\0\0\0\x06\x12\x04tick", Beginning::Unreadable)]
#[case(b"\x01\0\0\0\x06\x0a\x04tick", Beginning::Unreadable)]
#[case(b"\0\0\0\0\x06\x0a\x01\xff", Beginning::Unreadable)]
fn the_binding_of_a_grpc_event_comes_first(
    #[case] bytes: &'static [u8],
    #[case] expected: Beginning<'static>,
) {
    assert_eq!(Beginning::read(bytes), expected);
}

fn lease(holder: &str, renewed: u64) -> Lease {
    Lease {
        holder: holder.into(),
        renewed: renewed.to_string().into(),
    }
}

#[test]
fn whoever_finds_the_lease_free_takes_it_and_renews_it() {
    let (mut one, begun) = (Candidate::new("one"), now());
    assert_eq!(one.next(true, begun), Step::Wait(None));
    one.observe(lease("", 0), begun);
    assert_eq!(one.next(false, begun), Step::Wait(None));
    assert_eq!(one.next(true, begun), Step::Hold);
    one.observe(lease("one", 1), begun);
    assert!(one.leads());
    assert_eq!(one.next(true, begun), Step::Wait(Some(begun + RENEWS)));
    assert_eq!(one.next(true, begun + RENEWS), Step::Hold);
    assert_eq!(one.next(false, begun), Step::Release);
}

#[test]
fn another_takes_it_only_when_it_ran_out() {
    let (mut other, begun) = (Candidate::new("other"), now());
    other.observe(lease("one", 1), begun);
    assert_eq!(other.next(true, begun), Step::Wait(Some(begun + LASTS)));
    assert!(!other.observe(lease("one", 1), begun + RENEWS), "no news");
    assert_eq!(other.next(true, begun + LASTS), Step::Hold);
    other.observe(lease("one", 2), begun + RENEWS);
    assert_eq!(
        other.next(true, begun + LASTS),
        Step::Wait(Some(begun + RENEWS + LASTS))
    );
}

#[test]
fn a_copy_is_dropped_only_when_the_leader_was_there_after_it() {
    let (mut other, begun) = (Candidate::new("other"), now());
    assert_eq!(other.judge(begun), Verdict::Wait, "nothing is known");
    other.observe(lease("one", 1), begun);
    assert_eq!(other.judge(begun), Verdict::Wait, "that one may be gone");
    other.observe(lease("one", 2), begun + APART / 2);
    assert_eq!(other.judge(begun), Verdict::Wait, "its copy may come later");
    other.observe(lease("one", 3), begun + APART);
    assert_eq!(other.judge(begun), Verdict::Drop);
    let (late, end) = (begun + RENEWS, begun + RENEWS + APART);
    other.observe(lease("", 4), end);
    assert_eq!(other.judge(late), Verdict::Drop);
    assert_eq!(other.judge(end), Verdict::Wait);
    other.observe(lease("other", 5), end);
    assert_eq!(other.judge(late), Verdict::Drop, "the one before had it");
    assert_eq!(other.judge(end), Verdict::Deliver);
}

#[test]
fn a_former_leader_delivers_what_comes_late() {
    let (mut one, begun) = (Candidate::new("one"), now());
    one.observe(lease("one", 1), begun);
    one.observe(lease("", 2), begun + RENEWS);
    assert_eq!(one.judge(begun + RENEWS), Verdict::Deliver);
    assert_eq!(one.judge(begun + RENEWS + APART), Verdict::Wait);
}

/// A machine with one instance, which hears of the lease late and gets its copies late.
struct Machine {
    candidate: Candidate,
    hears_after: u64,
    is_late_by: u64,
    ends: Option<(u64, bool)>,
    held: Vec<(u64, Instant)>,
    delivered: Vec<u64>,
}

const STEP: u64 = 50;
const EVENT: u64 = 1_000;
const LENGTH: u64 = 60_000;

/// How often each event was delivered. Each instance has at most one that is on its way out.
fn simulate(mut machines: Vec<Machine>) -> BTreeMap<u64, usize> {
    let begun = now();
    let mut history = vec![(0, lease("", 0))];
    for time in (0..LENGTH).step_by(usize::try_from(STEP).unwrap()) {
        let instant = begun + Duration::from_millis(time);
        for machine in &mut machines {
            if machine
                .ends
                .is_some_and(|(end, gracious)| end <= time && !gracious)
            {
                continue;
            }
            let heard = history
                .iter()
                .rev()
                .find(|(at, _)| *at == 0 || at + machine.hears_after <= time);
            let heard = heard.unwrap().1.clone();
            machine.candidate.observe(heard.clone(), instant);
            let leaves = machine.ends.is_some_and(|(end, _)| end <= time);
            let holder = match machine.candidate.next(!leaves, instant) {
                Step::Hold => Some(machine.candidate.name().to_owned()),
                Step::Release => Some(String::new()),
                Step::Wait(_) => None,
            };
            let newest = history.last().unwrap().1.clone();
            if let Some(holder) = holder.filter(|_| newest == heard) {
                let written = lease(&holder, u64::try_from(history.len()).unwrap());
                machine.candidate.observe(written.clone(), instant);
                history.push((time, written));
            }
            // Its daprd takes no events any more soon after it was told to end.
            let takes = machine.ends.is_none_or(|(end, _)| time < end + 100);
            if takes && time >= machine.is_late_by && (time - machine.is_late_by) % EVENT == 0 {
                machine.held.push((time - machine.is_late_by, instant));
            }
            let Machine {
                candidate,
                held,
                delivered,
                ..
            } = machine;
            held.retain(|(event, arrived)| match candidate.judge(*arrived) {
                Verdict::Wait => true,
                Verdict::Drop => false,
                Verdict::Deliver => {
                    delivered.push(*event);
                    false
                }
            });
        }
    }
    let mut counts: BTreeMap<u64, usize> = (0..LENGTH / EVENT)
        .map(|event| (event * EVENT, 0))
        .collect();
    for event in machines.iter().flat_map(|machine| &machine.delivered) {
        *counts.get_mut(event).unwrap() += 1;
    }
    counts
}

fn machine(name: &str, late: (u64, u64), ends: Option<(u64, bool)>) -> Machine {
    Machine {
        candidate: Candidate::new(name),
        hears_after: late.0 * STEP,
        is_late_by: late.1 * STEP,
        ends,
        held: Vec::new(),
        delivered: Vec::new(),
    }
}

proptest! {
    #[test]
    fn every_event_is_delivered_and_once_unless_the_leader_changes(
        late in proptest::collection::vec((0_u64..4, 0_u64..9), 3),
        end in 5_000_u64..40_000,
        gracious: bool,
    ) {
        let ends = [Some((end / STEP * STEP, gracious)), None, None];
        let names = ["one", "two", "three"];
        let machines = names.iter().zip(late).zip(ends).map(|((name, late), ends)| machine(name, late, ends));
        let counts = simulate(machines.collect());
        // The last ones may wait at the end.
        let settled = counts.iter().filter(|(event, _)| **event < LENGTH - 15_000);
        for (event, count) in settled {
            let changes = event.abs_diff(end) < 15_000;
            prop_assert!(*count == 1 || (changes && *count == 2), "{event}: {count} of {counts:?}, end {end}");
        }
    }
}

#[test]
fn a_leader_that_says_goodbye_leaves_next_to_nothing_to_do_twice() {
    let one = machine("one", (0, 0), Some((20_000, true)));
    let counts = simulate(vec![
        one,
        machine("two", (1, 1), None),
        machine("three", (2, 2), None),
    ]);
    let twice = counts.values().filter(|count| **count > 1).count();
    assert!(twice <= 1, "{counts:?}");
}
