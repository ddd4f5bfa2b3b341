//! Who is silent, who stalls, and who would put a table off.

use std::time::Duration;

use placement_core::{Operation, StreamId};
use rstest::rstest;

use crate::script::{BUDGET, INSTANT, Script};

#[rstest]
#[case::lock(&[])]
#[case::update(&[Operation::Lock])]
#[case::unlock(&[Operation::Lock, Operation::Update])]
fn a_silent_stream_is_dropped_and_the_others_go_on(#[case] answers: &[Operation]) {
    let mut script = Script::new();
    script.join(1, &["a"]);
    script.complete(&[1], 1);
    script.join(2, &["a"]);
    for answer in answers {
        script.answer(1, *answer, 2);
        script.answer(2, *answer, 2);
    }
    let next = [Operation::Lock, Operation::Update, Operation::Unlock][answers.len()];
    script.answer(1, next, 2);
    script.join(3, &[]);
    assert_eq!(script.after(BUDGET.saturating_sub(INSTANT)), "");
    assert_eq!(
        script.after(INSTANT),
        "2:dissemination timeout after 8s for version 2, 1:lock 3, 3:lock 3"
    );
    assert_eq!(script.listed(), ["host-1"]);
    assert_eq!(script.complete(&[1, 3], 3), "");
}

/// Weak point 1 of the original: such a leave did not advance the round.
#[test]
fn a_typeless_stream_that_leaves_does_not_stall_a_round() {
    let mut script = Script::new();
    script.join(1, &[]);
    script.join(2, &["a"]);
    script.answer(2, Operation::Lock, 1);
    assert_eq!(script.close(1), "2:update 1");
}

/// Weak point 2: the last registered stream left, and who waited was let wait.
#[test]
fn who_waits_goes_on_when_nobody_else_is_left() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    script.join(2, &["b"]);
    assert_eq!(script.close(1), "2:lock 3");
    assert_eq!(script.listed(), ["host-2"]);
}

/// Weak point 3: a timer of a round that had just completed dropped everybody.
#[test]
fn a_late_tick_drops_nobody() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    script.complete(&[1], 1);
    assert_eq!(script.after(BUDGET * 2), "");
    assert!(script.namespace.is_registered(StreamId(1)));
}

/// Weak point 4: a report of a dropped stream came back as a ghost.
#[test]
fn a_dropped_stream_says_nothing_any_more() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    script.after(BUDGET);
    assert_eq!(script.report(1, &["ghost"]), "");
    assert_eq!(script.listed(), Vec::<String>::new());
    assert_eq!(script.close(1), "");
}

/// Weak point 8: each answer of such a client to a push brought another push.
#[test]
fn an_answer_to_a_push_brings_no_push() {
    let mut script = Script::new();
    script.join(1, &[]);
    assert_eq!(script.mumble(1, &[]) + &script.mumble(1, &[]), "");
}

/// Weak point 9: a push in a round made the round's own answers be ignored.
#[test]
fn an_unchanged_report_in_a_round_brings_no_push() {
    let mut script = Script::new();
    script.join(1, &[]);
    script.join(2, &["a"]);
    assert_eq!(script.report(1, &[]), "");
    script.answer(1, Operation::Lock, 1);
    assert_eq!(
        script.answer(2, Operation::Lock, 1),
        "1:update 1, 2:update 1"
    );
}

/// Weak point 10: a window that ended in a round made voters of streams nobody had asked.
#[test]
fn a_report_ends_the_window_and_takes_all_along() {
    let mut script = Script::with_window(Duration::from_millis(500));
    script.join(1, &["a"]);
    script.complete(&[1], 1);
    assert_eq!(script.join(2, &[]), "", "the window is open");
    assert_eq!(script.report(1, &["b"]), "1:lock 2, 2:lock 2");
    assert_eq!(
        script.after(Duration::from_millis(500)),
        "",
        "the window is no more"
    );
    assert_eq!(script.complete(&[1, 2], 2), "");
}

/// Weak point 11: constant change gave a silent stream time without end.
#[test]
fn constant_reports_neither_save_a_silent_stream_nor_put_the_table_off() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    script.complete(&[1], 1);
    script.join(2, &["a"]);
    let started = script.now;
    let mut told = String::new();
    for n in 0.. {
        told += &script.report(1, &["a", if n % 2 == 0 { "b" } else { "c" }]);
        let version = script.namespace.version();
        told += &script.answer(1, Operation::Lock, version);
        told += &script.after(Duration::from_millis(100));
        if told.contains("1:update") {
            break;
        }
    }
    assert!(told.contains("2:dissemination timeout after 8s"), "{told}");
    assert!(script.now <= started + BUDGET * 3 / 2, "{:?}", script.now);
}

/// A client whose answers take longer than another's next report would never be in time.
#[test]
fn reports_in_quick_succession_do_not_put_the_table_off() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    script.complete(&[1], 1);
    script.join(2, &["a"]);
    let started = script.now;
    let mut told = String::new();
    let types = ["b", "c"].iter().cycle();
    for (kind, late) in types.zip(2..) {
        script.report(1, &["a", kind]);
        let version = script.namespace.version();
        script.answer(1, Operation::Lock, version);
        told += &script.answer(2, Operation::Lock, late);
        if told.contains("1:update") || script.now > started + BUDGET {
            break;
        }
        script.after(Duration::from_millis(100));
    }
    assert!(told.contains("1:update"), "{told}");
    assert!(
        script.now <= started + BUDGET / 2 + Duration::from_millis(200),
        "{:?}",
        script.now
    );
}

#[test]
fn who_was_asked_late_is_not_dropped_with_who_was_asked_early() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    script.complete(&[1], 1);
    script.join(2, &["a"]);
    script.answer(1, Operation::Lock, 2);
    script.after((BUDGET / 2).saturating_sub(INSTANT));
    assert_eq!(script.report(1, &["b"]), "1:lock 3, 2:lock 3");
    let told = script.after(BUDGET / 2 + INSTANT);
    assert_eq!(
        told,
        "2:dissemination timeout after 8s for version 3, 1:lock 4"
    );
}

#[test]
fn a_window_gathers_joins_and_leaves() {
    let window = Duration::from_millis(500);
    let mut script = Script::with_window(window);
    assert_eq!(
        script.join(1, &["a"]),
        "1:lock 1",
        "the first event is never delayed"
    );
    script.join(2, &["a"]);
    assert_eq!(script.complete(&[1], 1), "");
    assert_eq!(script.namespace.deadline(), Some(script.now + window));
    assert_eq!(script.after(Duration::from_millis(200)), "");
    assert_eq!(script.join(3, &["a"]) + &script.close(1), "");
    assert_eq!(
        script.after(Duration::from_millis(300)),
        "2:lock 4, 3:lock 4"
    );
    script.complete(&[2, 3], 4);
    assert_eq!(script.after(window), "");
    assert_eq!(script.namespace.deadline(), None);
}
