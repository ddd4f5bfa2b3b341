//! Where no window is set: who came during a round, and for how long the next one waits for more.

use std::time::Duration;

use placement_core::{Namespace, Operation, Settings};
use rstest::rstest;

use crate::script::{BUDGET, Script};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A round of host 1 that took so long; returns what followed its last answer.
fn round(script: &mut Script, time: Duration, version: u64) -> String {
    assert_eq!(script.after(time), "");
    script.complete(&[1], version)
}

#[rstest]
#[case::short(Duration::from_millis(100), Duration::from_millis(50))]
#[case::long(SECOND, Duration::from_millis(250))]
fn who_came_during_a_round_waits_for_others(#[case] lasts: Duration, #[case] window: Duration) {
    let mut script = Script::new();
    script.join(1, &["a"]);
    script.join(2, &["a"]);
    assert_eq!(round(&mut script, lasts, 1), "");
    assert_eq!(script.namespace.deadline(), Some(script.now + window));
    assert_eq!(script.join(3, &["a"]), "");
    assert_eq!(script.after(window.saturating_sub(MILLISECOND)), "");
    let told = script.after(MILLISECOND);
    assert_eq!(told, "1:lock 3, 2:lock 3, 3:lock 3");
}

#[test]
fn who_comes_between_rounds_does_not_wait() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    assert_eq!(round(&mut script, SECOND, 1), "");
    assert_eq!(script.namespace.deadline(), None);
    assert_eq!(script.join(2, &["a"]), "1:lock 2, 2:lock 2");
}

#[test]
fn who_changes_no_table_does_not_wait() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    script.join(2, &[]);
    let told = round(&mut script, SECOND, 1);
    assert_eq!(told, "2:lock 1, 2:update 1, 2:unlock 1");
}

#[test]
fn a_report_does_not_wait() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    script.join(2, &["a"]);
    assert_eq!(round(&mut script, SECOND, 1), "");
    assert_eq!(script.report(1, &["b"]), "1:lock 3, 2:lock 3");
}

#[test]
fn who_is_left_behind_by_a_silent_one_does_not_wait() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    script.join(2, &["a"]);
    let told = script.after(BUDGET);
    assert!(told.ends_with("2:lock 3"), "{told}");
}

/// 20.2: without it the first to be back would be given all actors, or no address of any.
#[test]
fn a_new_leader_that_knows_nobody_waits_a_moment() {
    let now = Duration::from_secs(1000);
    let settings = Settings {
        budget: BUDGET,
        window: Duration::ZERO,
    };
    let namespace = Namespace::gathering(settings, now + SECOND);
    let mut script = Script { namespace, now };
    assert_eq!(script.join(1, &[]) + &script.join(2, &["x"]), "");
    assert_eq!(script.after(SECOND), "1:lock 1, 2:lock 1");
    script.answer(1, Operation::Lock, 1);
    assert_eq!(
        script.answer(2, Operation::Lock, 1),
        "1:update 1, 2:update 1"
    );
}
