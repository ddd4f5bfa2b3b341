//! What a namespace does, event by event; the cases Dapr gets wrong among them.

mod back;
mod gathering;
mod introduction;
mod leaving;
mod script;
mod silence;

use std::time::Duration;

use placement_core::{Counts, Event, Host, Operation, StateTable, StreamId};

use crate::script::{Script, host, told};

#[test]
fn a_first_host_goes_through_a_round() {
    let mut script = Script::new();
    assert_eq!(script.join(1, &["a"]), "1:lock 1");
    assert_eq!(script.answer(1, Operation::Lock, 1), "1:update 1");
    assert_eq!(script.answer(1, Operation::Update, 1), "1:unlock 1");
    assert_eq!(script.answer(1, Operation::Unlock, 1), "");
    assert_eq!(script.namespace.deadline(), None, "nothing is waited for");
    assert_eq!(script.listed(), ["host-1"]);
}

#[test]
fn a_client_that_says_nothing_answers_what_is_asked() {
    let mut script = Script::new();
    assert_eq!(script.join(1, &["a"]), "1:lock 1");
    assert_eq!(script.mumble(1, &["a", "ignored in a round"]), "1:update 1");
    assert_eq!(script.mumble(1, &["a"]), "1:unlock 1");
    assert_eq!(script.mumble(1, &["a"]), "");
    assert_eq!(
        script.mumble(1, &["a"]),
        "",
        "an idle heartbeat changes nothing"
    );
    assert_eq!(script.mumble(1, &["b"]), "1:lock 2", "a changed one does");
}

#[test]
fn joins_during_a_round_wait_for_one_round_together() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    assert_eq!(script.join(2, &["a"]) + &script.join(3, &["b"]), "");
    assert_eq!(script.listed(), ["host-1"], "who waits is not listed");
    assert_eq!(script.complete(&[1], 1), "1:lock 3, 2:lock 3, 3:lock 3");
    assert_eq!(script.listed(), ["host-1", "host-2", "host-3"]);
}

#[test]
fn a_host_without_types_gets_the_table_alone_and_votes_later() {
    let mut script = Script::new();
    assert_eq!(script.join(1, &[]), "1:lock 0, 1:update 0, 1:unlock 0");
    assert_eq!(
        script.complete(&[1], 0),
        "",
        "nobody waits for those answers"
    );
    assert_eq!(script.join(2, &["a"]), "1:lock 1, 2:lock 1");
    assert_eq!(script.answer(2, Operation::Lock, 1), "");
    assert_eq!(
        script.answer(1, Operation::Lock, 1),
        "1:update 1, 2:update 1"
    );
    script.answer(1, Operation::Update, 1);
    assert_eq!(script.join(3, &[]), "");
    script.answer(2, Operation::Update, 1);
    script.answer(1, Operation::Unlock, 1);
    assert_eq!(
        script.answer(2, Operation::Unlock, 1),
        "3:lock 1, 3:update 1, 3:unlock 1"
    );
    assert_eq!(
        script.report(3, &[]),
        "3:lock 1, 3:update 1, 3:unlock 1",
        "it asks again"
    );
    assert_eq!(script.close(3), "", "it took nothing with it");
}

#[test]
fn a_host_that_leaves_is_gone_from_the_next_round() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    script.complete(&[1], 1);
    script.join(2, &["a"]);
    script.answer(1, Operation::Lock, 2);
    assert_eq!(
        script.answer(2, Operation::Lock, 2),
        "1:update 2, 2:update 2"
    );
    script.answer(1, Operation::Update, 2);
    assert_eq!(script.close(2), "1:unlock 2", "nobody is missing any more");
    assert_eq!(
        script.listed(),
        ["host-1", "host-2"],
        "the round goes on as it began"
    );
    assert_eq!(script.answer(1, Operation::Unlock, 2), "1:lock 3");
    assert_eq!(script.listed(), ["host-1"]);
}

#[test]
fn a_leave_and_a_join_share_a_round() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    script.complete(&[1], 1);
    script.join(2, &["a"]);
    script.join(3, &["a"]);
    script.close(2);
    assert_eq!(script.complete(&[1], 2), "1:lock 4, 3:lock 4");
}

#[test]
fn an_answer_counts_for_its_step_and_version_only() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    assert_eq!(script.answer(1, Operation::Update, 1), "", "nobody asked");
    assert_eq!(
        script.answer(1, Operation::Lock, 9),
        "",
        "there is no such version"
    );
    assert_eq!(script.answer(1, Operation::Lock, 0), "", "that is over");
    assert_eq!(script.answer(1, Operation::Lock, 1), "1:update 1");
    assert_eq!(script.answer(1, Operation::Lock, 1), "", "said before");
    let answer = Host {
        operation: Operation::Update,
        ..Host::default()
    };
    let unversioned = Event::Received {
        stream: StreamId(1),
        host: answer,
    };
    assert_eq!(script.event(unversioned), "1:unlock 1");
}

#[test]
fn reports_in_lock_begin_anew_once_for_all_of_them() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    let report = |types: &[&str]| {
        let host = host(1, types, Operation::Report);
        Event::Received {
            stream: StreamId(1),
            host,
        }
    };
    let now = script.now;
    assert_eq!(script.namespace.handle(now, report(&["a", "b"])), []);
    assert_eq!(script.namespace.handle(now, report(&["a", "b", "c"])), []);
    assert_eq!(
        told(&script.namespace.settle(now)),
        "1:lock 3",
        "each change counts"
    );
    assert_eq!(
        script.answer(1, Operation::Lock, 1),
        "",
        "the round of before is over"
    );
    assert_eq!(script.answer(1, Operation::Lock, 3), "1:update 3");
}

#[test]
fn reports_after_lock_wait_for_the_next_round() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    script.answer(1, Operation::Lock, 1);
    assert_eq!(script.report(1, &["b"]), "");
    assert_eq!(script.answer(1, Operation::Update, 1), "1:unlock 1");
    assert_eq!(script.report(1, &["c"]), "");
    assert_eq!(script.answer(1, Operation::Unlock, 1), "1:lock 3");
}

#[test]
fn a_queued_stream_that_goes_away_leaves_no_trace() {
    let mut script = Script::with_window(Duration::from_secs(1));
    script.join(1, &["a"]);
    script.join(2, &["b"]);
    assert_eq!(script.close(2), "");
    script.complete(&[1], 1);
    assert_eq!(script.after(Duration::from_secs(1)), "");
    assert_eq!(
        (script.listed(), script.namespace.version()),
        (vec!["host-1".into()], 1)
    );
}

#[test]
fn versions_count_changes() {
    let mut script = Script::new();
    script.join(1, &["a"]);
    script.complete(&[1], 1);
    script.join(2, &["b"]);
    script.complete(&[1, 2], 2);
    script.report(1, &["a", "c"]);
    script.complete(&[1, 2], 3);
    script.close(2);
    assert_eq!(script.namespace.version(), 4);
}

#[test]
fn counts_streams_and_remembers_their_first_message() {
    let mut script = Script::new();
    let counts = |runtimes, actor_runtimes| Counts {
        runtimes,
        actor_runtimes,
    };
    script.join(1, &[]);
    assert_eq!(
        script.namespace.counts(),
        counts(1, None),
        "no actor stream was ever seen"
    );
    script.join(2, &["a"]);
    script.join(3, &["a"]);
    assert_eq!(
        script.namespace.counts(),
        counts(2, Some(1)),
        "who waits is not counted"
    );
    script.complete(&[1, 2], 1);
    script.report(1, &["late"]);
    assert_eq!(
        script.namespace.counts(),
        counts(3, Some(2)),
        "the mark is frozen"
    );
    for stream in [3, 2, 1] {
        script.close(stream);
    }
    assert_eq!(script.namespace.counts(), counts(0, Some(0)));
}

#[test]
fn the_state_shows_the_round_in_progress() {
    let mut script = Script::new();
    script.join(1, &["b", "a"]);
    let state = StateTable::from(&script.namespace);
    assert_eq!(state.version, 1);
    assert_eq!(state.hosts.first().unwrap().entities, ["a", "b"]);
}
