//! What a namespace does, event by event; the cases Dapr gets wrong among them.

use std::time::Duration;

use placement_core::{
    Command, Counts, Event, Host, Namespace, Operation, Settings, StateTable, Step, StreamId,
};
use rstest::rstest;

const BUDGET: Duration = Duration::from_secs(8);
const INSTANT: Duration = Duration::from_millis(1);

/// A namespace and its clock; every call returns what was sent, as `stream:order version`.
struct Script {
    namespace: Namespace,
    now: Duration,
}

impl Script {
    fn new() -> Self {
        Self::with_window(Duration::ZERO)
    }

    fn with_window(window: Duration) -> Self {
        let namespace = Namespace::new(Settings {
            budget: BUDGET,
            window,
        });
        Self {
            namespace,
            now: Duration::from_secs(1000),
        }
    }

    fn event(&mut self, event: Event) -> String {
        let mut commands = self.namespace.handle(self.now, event);
        commands.extend(self.namespace.settle(self.now));
        told(&commands)
    }

    fn join(&mut self, stream: u64, types: &[&str]) -> String {
        let host = host(stream, types, Operation::Report);
        self.event(Event::Opened {
            stream: StreamId(stream),
            host,
        })
    }

    fn report(&mut self, stream: u64, types: &[&str]) -> String {
        let host = host(stream, types, Operation::Report);
        self.event(Event::Received {
            stream: StreamId(stream),
            host,
        })
    }

    fn answer(&mut self, stream: u64, operation: Operation, version: u64) -> String {
        let host = Host {
            operation,
            version: Some(version),
            ..Host::default()
        };
        self.event(Event::Received {
            stream: StreamId(stream),
            host,
        })
    }

    /// A message of a client that does not say what it is for.
    fn mumble(&mut self, stream: u64, types: &[&str]) -> String {
        let host = host(stream, types, Operation::Unknown);
        self.event(Event::Received {
            stream: StreamId(stream),
            host,
        })
    }

    fn close(&mut self, stream: u64) -> String {
        self.event(Event::Closed {
            stream: StreamId(stream),
        })
    }

    fn after(&mut self, pause: Duration) -> String {
        self.now += pause;
        let mut commands = self.namespace.tick(self.now);
        commands.extend(self.namespace.settle(self.now));
        told(&commands)
    }

    /// All `streams` answer the three steps of `version`; returns what followed the last answer.
    fn complete(&mut self, streams: &[u64], version: u64) -> String {
        let steps = [Operation::Lock, Operation::Update, Operation::Unlock];
        let all = steps
            .iter()
            .flat_map(|step| streams.iter().map(|stream| (*stream, *step)));
        all.fold(String::new(), |_, (stream, step)| {
            self.answer(stream, step, version)
        })
    }

    fn listed(&self) -> Vec<String> {
        let state = StateTable::from(&self.namespace);
        state.hosts.into_iter().map(|host| host.name).collect()
    }
}

fn host(stream: u64, types: &[&str], operation: Operation) -> Host {
    Host {
        name: format!("host-{stream}"),
        entities: types.iter().map(ToString::to_string).collect(),
        id: "app".into(),
        namespace: "default".into(),
        operation,
        ..Host::default()
    }
}

fn told(commands: &[Command]) -> String {
    let words = commands.iter().map(|command| match command {
        Command::Send { stream, order } => {
            let step = match order.step {
                Step::Lock => "lock",
                Step::Update => "update",
                Step::Unlock => "unlock",
            };
            format!("{}:{step} {}", stream.0, order.version)
        }
        Command::Close { stream, timeout } => format!("{}:{timeout}", stream.0),
    });
    words.collect::<Vec<_>>().join(", ")
}

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

/// 20.2: what everybody has is not spread again.
#[test]
fn who_is_back_under_the_same_name_gets_the_table_alone() {
    let mut script = Script::new();
    script.join(1, &["x"]);
    script.complete(&[1], 1);
    script.join(2, &["y"]);
    script.complete(&[1, 2], 2);
    let mut back = host(1, &["x"], Operation::Report);
    let stream = StreamId(3);
    let opened = script.event(Event::Opened {
        stream,
        host: back.clone(),
    });
    assert_eq!(opened, "3:lock 2, 3:update 2, 3:unlock 2");
    assert_eq!(
        script.close(1),
        "",
        "the old stream is gone: nothing changed"
    );
    assert_eq!(script.listed(), ["host-1", "host-2"]);
    back.id = "other".into();
    let opened = script.event(Event::Opened {
        stream: StreamId(4),
        host: back,
    });
    assert_eq!(
        opened, "2:lock 3, 3:lock 3, 4:lock 3",
        "another app under the name is news"
    );
}

fn reunion(names: &[&str]) -> Script {
    let now = Duration::from_secs(1000);
    let settings = Settings {
        budget: BUDGET,
        window: Duration::ZERO,
    };
    let names = names.iter().map(ToString::to_string).collect();
    let namespace = Namespace::reuniting(settings, names, now + Duration::from_secs(2));
    Script { namespace, now }
}

#[test]
fn a_new_leader_begins_when_all_are_back() {
    let mut script = reunion(&["host-1", "host-2"]);
    assert_eq!(script.join(1, &["x"]), "");
    assert_eq!(script.join(3, &["x"]), "", "another one changes nothing");
    assert_eq!(script.join(2, &["x"]), "1:lock 3, 2:lock 3, 3:lock 3");
}

#[test]
fn a_new_leader_waits_no_longer_than_it_may() {
    let mut script = reunion(&["host-1", "host-2"]);
    assert_eq!(script.join(1, &["x"]), "");
    assert_eq!(script.after(Duration::from_millis(1999)), "");
    assert_eq!(
        script.namespace.deadline(),
        Some(script.now + Duration::from_millis(1))
    );
    assert_eq!(script.after(Duration::from_millis(1)), "1:lock 1");
    assert_eq!(script.join(2, &["x"]), "");
    assert_eq!(script.complete(&[1], 1), "1:lock 2, 2:lock 2");
}

#[test]
fn a_leader_that_expects_nobody_begins_at_once() {
    assert_eq!(reunion(&[]).join(1, &["x"]), "1:lock 1");
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
