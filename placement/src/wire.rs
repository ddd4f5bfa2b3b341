//! Between the contract's messages and the core's, and the bytes of an order.

use bytes::{BufMut, Bytes, BytesMut};
use placement_core::{Address, Host, Operation, Order, Step, Table};
use prost::Message;
use proto::placement::v1;
use tonic::Status;

/// The most a sidecar accepts in one message: gRPC-Go's default, which it does not raise.
pub(crate) const MESSAGE_LIMIT: usize = 4 * 1024 * 1024;

/// Reads a client's message.
#[expect(deprecated, reason = "echoed by the state endpoint")]
pub(crate) fn host(message: v1::Host) -> Result<Host, Status> {
    let operation = Operation::from_wire(message.operation).ok_or_else(|| {
        Status::invalid_argument(format!("host operation {} is not known", message.operation))
    })?;
    Ok(Host {
        name: message.name,
        port: message.port,
        load: message.load,
        entities: message.entities,
        id: message.id,
        pod: message.pod,
        api_level: message.api_level,
        namespace: message.namespace,
        operation,
        version: message.version,
    })
}

/// Writes an order as one gRPC message: a flag (not compressed), the length, the content.
pub(crate) fn frame(order: Order, table: &Table, replication_factor: i64) -> Bytes {
    let message = v1::PlacementOrder {
        tables: (order.step == Step::Update).then(|| tables(order, table, replication_factor)),
        operation: word(order.step).into(),
        version: order.version,
    };
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(5 + length);
    bytes.put_u8(0);
    // A table beyond 4 GiB cannot be: reports are bounded, and streams by memory long before.
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    bytes.put_slice(&message.encode_to_vec());
    bytes.freeze()
}

fn word(step: Step) -> &'static str {
    match step {
        Step::Lock => "lock",
        Step::Update => "update",
        Step::Unlock => "unlock",
    }
}

#[expect(
    deprecated,
    reason = "sidecars read the version from here if the order's is 0"
)]
fn tables(order: Order, table: &Table, replication_factor: i64) -> v1::PlacementTables {
    let entries = table.types().map(|(kind, hosts)| {
        let load_map = hosts
            .map(|host| (host.name.clone(), address(host)))
            .collect();
        (
            kind.to_owned(),
            v1::PlacementTable {
                load_map,
                ..Default::default()
            },
        )
    });
    v1::PlacementTables {
        entries: entries.collect(),
        version: order.version.to_string(),
        replication_factor,
        ..Default::default()
    }
}

/// Only what a sidecar reads. The types of a host in each of its entries would make the table
/// grow with their square.
fn address(host: &Address) -> v1::Host {
    let (name, id) = (host.name.clone(), host.id.clone());
    v1::Host {
        name,
        id,
        port: host.port,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use placement_core::{Event, Namespace, Settings, StreamId};

    use super::*;

    fn decoded(frame: &Bytes) -> v1::PlacementOrder {
        assert_eq!(frame[0], 0, "not compressed");
        let length = u32::from_be_bytes(frame[1..5].try_into().unwrap());
        assert_eq!(usize::try_from(length).unwrap(), frame.len() - 5);
        v1::PlacementOrder::decode(frame.slice(5..)).unwrap()
    }

    #[test]
    #[expect(deprecated, reason = "the field is part of the contract")]
    fn an_update_carries_what_sidecars_read_and_no_more() {
        let budget = std::time::Duration::from_secs(8);
        let mut namespace = Namespace::new(Settings {
            budget,
            window: std::time::Duration::ZERO,
        });
        let host = Host {
            name: "1.2.3.4:5".into(),
            id: "app".into(),
            port: 6,
            pod: "pod".into(),
            entities: vec!["b".into(), "a".into()],
            ..Host::default()
        };
        namespace.handle(
            budget,
            Event::Opened {
                stream: StreamId(1),
                host,
            },
        );
        let order = Order {
            step: Step::Update,
            version: 7,
        };
        let order = decoded(&frame(order, namespace.hosts().table(), 100));
        assert_eq!((&*order.operation, order.version), ("update", 7));
        let tables = order.tables.unwrap();
        assert_eq!((&*tables.version, tables.replication_factor), ("7", 100));
        assert_eq!(tables.entries.keys().collect::<Vec<_>>(), ["a", "b"]);
        let (name, id) = ("1.2.3.4:5".to_owned(), "app".to_owned());
        let host = v1::Host {
            name: name.clone(),
            id,
            port: 6,
            ..Default::default()
        };
        assert_eq!(tables.entries["a"].load_map, [(name, host)].into());
    }

    #[test]
    fn locks_and_unlocks_carry_no_table() {
        for (step, word) in [(Step::Lock, "lock"), (Step::Unlock, "unlock")] {
            let order = decoded(&frame(Order { step, version: 0 }, &Table::default(), 100));
            assert_eq!(
                (&*order.operation, order.version, order.tables),
                (word, 0, None)
            );
        }
    }

    #[test]
    fn a_version_of_zero_is_not_an_absent_one() {
        let message = v1::Host {
            version: Some(0),
            ..Default::default()
        };
        let bytes = message.encode_to_vec();
        assert_eq!(
            host(v1::Host::decode(&*bytes).unwrap()).unwrap().version,
            Some(0)
        );
        assert_eq!(host(v1::Host::default()).unwrap().version, None);
    }

    #[test]
    fn an_unknown_operation_is_refused() {
        let status = host(v1::Host {
            operation: 9,
            ..Default::default()
        })
        .unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
    }
}
