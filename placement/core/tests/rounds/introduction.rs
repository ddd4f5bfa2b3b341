//! What a sidecar is told first on a stream.

use placement_core::{Event, Operation, StreamId};

use crate::script::{Script, host, told};

fn opened(script: &mut Script, stream: u64, types: &[&str], operation: Operation) -> String {
    let (host, stream) = (host(stream, types, operation), StreamId(stream));
    told(&script.commands(Event::Opened { stream, host }))
}

/// Such a sidecar may hold calls back since an UPDATE that no UNLOCK followed, and forget it.
#[test]
fn a_sidecar_sees_every_type_change_before_its_first_unlock() {
    let mut script = Script::new();
    let first = opened(&mut script, 1, &["a"], Operation::Report);
    assert_eq!(first, "1:lock 0, 1:preview 0, 1:lock 1");
    assert_eq!(script.answer(1, Operation::Lock, 0), "", "of the past");
    assert_eq!(script.answer(1, Operation::Update, 0), "", "of the past");
    script.complete(&[1], 1);
    let newcomer = opened(&mut script, 2, &[], Operation::Report);
    let push = "2:lock 1, 2:update 1, 2:unlock 1";
    assert_eq!(newcomer, format!("2:lock 1, 2:preview 1, {push}"));
    let again = host(2, &[], Operation::Report);
    let stream = StreamId(2);
    let again = script.commands(Event::Received {
        stream,
        host: again,
    });
    assert_eq!(told(&again), push, "once for each stream");
}

/// Its answers carry no version, and would be taken for those of the round.
#[test]
fn a_client_that_does_not_say_what_it_answers_is_asked_for_nothing_more() {
    let mut script = Script::new();
    let told = opened(&mut script, 1, &["a"], Operation::Unknown);
    assert_eq!(told, "1:lock 1");
}
