//! Who is back: with the same leader, or with a new one.

use std::time::Duration;

use placement_core::{Event, Namespace, Operation, Settings, StreamId};

use crate::script::{BUDGET, Script, host};

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
