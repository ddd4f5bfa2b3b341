//! Pods that are being deleted.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use placement_core::{Event, Host, Operation, StreamId};

use crate::script::{Script, host};

fn join(script: &mut Script, stream: u64, address: &str) -> String {
    let host = Host {
        name: format!("{address}:50002"),
        ..host(stream, &["x"], Operation::Report)
    };
    let stream = StreamId(stream);
    script.event(Event::Opened { stream, host })
}

fn leaving(script: &mut Script, addresses: &[[u8; 4]]) -> String {
    let addresses: BTreeSet<IpAddr> = addresses.iter().map(|it| IpAddr::from(*it)).collect();
    let addresses = Arc::new(addresses);
    script.event(Event::Leaving { addresses })
}

/// The original moves actors when the stream is gone, and with it the calls that ran.
#[test]
fn actors_leave_before_their_host_does() {
    let mut script = Script::new();
    join(&mut script, 1, "10.0.0.1");
    script.complete(&[1], 1);
    join(&mut script, 2, "10.0.0.2");
    script.complete(&[1, 2], 2);
    let told = leaving(&mut script, &[[10, 0, 0, 1]]);
    assert_eq!(told, "1:lock 3, 2:lock 3", "who leaves is told as well");
    script.complete(&[1, 2], 3);
    assert_eq!(script.close(1), "", "nobody has to be told that it went");
    assert_eq!(leaving(&mut script, &[]), "");
}

#[test]
fn the_last_host_of_a_type_keeps_it() {
    let mut script = Script::new();
    join(&mut script, 1, "10.0.0.1");
    script.complete(&[1], 1);
    assert_eq!(leaving(&mut script, &[[10, 0, 0, 1]]), "");
    let told = join(&mut script, 2, "10.0.0.2");
    assert_eq!(told, "1:lock 2, 2:lock 2", "until there is another");
}
