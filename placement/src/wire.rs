//! Between the contract's messages and the core's, and the bytes of an order.

use std::{cell::OnceCell, io::Write};

use bytes::{BufMut, Bytes, BytesMut};
use flate2::{Compression, write::GzEncoder};
use placement_core::{Address, Host, Operation, Order, Step, Table};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use proto::placement::v1;
use tonic::Status;

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

/// An order as gRPC messages, made once for all streams of a namespace.
pub(crate) struct Frames {
    plain: Bytes,
    /// Made when the first stream wants it; absent for what is too short to be worth it.
    gzip: OnceCell<Option<Bytes>>,
}

/// Before each gRPC message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// Shorter messages are sent as they are.
const WORTH_COMPRESSING: usize = 512;

// === impl Frames ===

impl Frames {
    /// Writes an order, which carries the table if it is an UPDATE or the preview of one.
    pub(crate) fn new(order: Order, table: &Table, replication_factor: i64) -> Self {
        let mut message = Vec::new();
        let factor = match order.step {
            Step::Update => Some(replication_factor),
            Step::Preview => Some(other_than(replication_factor)),
            Step::Lock | Step::Unlock => None,
        };
        if let Some(factor) = factor {
            put_bytes(&mut message, 1, &tables(order, table, factor));
        }
        put_bytes(&mut message, 2, word(order.step).as_bytes());
        put_number(&mut message, 3, order.version);
        Self {
            plain: prefixed(false, &message),
            gzip: OnceCell::new(),
        }
    }

    /// How long the message is before it is compressed, which is what sidecars limit.
    pub(crate) fn inflated(&self) -> usize {
        self.plain.len() - PREFIX
    }

    /// What to send to a stream, which may take compressed messages.
    pub(crate) fn bytes(&self, gzip: bool) -> Bytes {
        let compressed = gzip && self.inflated() >= WORTH_COMPRESSING;
        let short = compressed.then(|| self.gzip.get_or_init(|| self.compress()).clone());
        short.flatten().unwrap_or_else(|| self.plain.clone())
    }

    fn compress(&self) -> Option<Bytes> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to memory does not fail; if it did, the message goes out as it is.
        encoder.write_all(self.plain.get(PREFIX..)?).ok()?;
        Some(prefixed(true, &encoder.finish().ok()?))
    }
}

fn prefixed(compressed: bool, message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(PREFIX + message.len());
    bytes.put_u8(compressed.into());
    // A table beyond 4 GiB cannot be: reports are bounded, and streams by memory long before.
    bytes.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    bytes.put_slice(message);
    bytes.freeze()
}

fn word(step: Step) -> &'static str {
    match step {
        Step::Lock => "lock",
        Step::Preview | Step::Update => "update",
        Step::Unlock => "unlock",
    }
}

/// The least number of virtual nodes that makes each ring another: the cheapest for sidecars.
fn other_than(replication_factor: i64) -> i64 {
    if replication_factor == 1 { 2 } else { 1 }
}

/// The message `PlacementTables`. Written by hand, since prost would first want a copy of every
/// name: with thousands of hosts that is most of the work of a round.
fn tables(order: Order, table: &Table, replication_factor: i64) -> Vec<u8> {
    let (mut tables, mut entry, mut hosts) = (Vec::new(), Vec::new(), Vec::new());
    let mut pair = Vec::new();
    for (kind, addresses) in table.types() {
        hosts.clear();
        for address in addresses {
            pair.clear();
            put_bytes(&mut pair, 1, address.name.as_bytes());
            put_host(&mut pair, address);
            put_bytes(&mut hosts, 3, &pair);
        }
        entry.clear();
        put_bytes(&mut entry, 1, kind.as_bytes());
        put_bytes(&mut entry, 2, &hosts);
        put_bytes(&mut tables, 1, &entry);
    }
    // Sidecars read the version from here if the order's is 0.
    put_bytes(&mut tables, 2, order.version.to_string().as_bytes());
    put_number(&mut tables, 4, replication_factor.cast_unsigned());
    tables
}

/// Only what a sidecar reads. The types of a host in each of its entries would make the table
/// grow with their square.
fn put_host(out: &mut Vec<u8>, address: &Address) {
    let (name, id) = (address.name.as_bytes(), address.id.as_bytes());
    let port = address.port.cast_unsigned();
    let length = field_len(1, name) + number_len(port) + field_len(5, id);
    encode_key(2, WireType::LengthDelimited, out);
    encode_varint(length as u64, out);
    put_bytes(out, 1, name);
    put_number(out, 2, port);
    put_bytes(out, 5, id);
}

fn put_bytes(out: &mut Vec<u8>, tag: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        encode_key(tag, WireType::LengthDelimited, out);
        encode_varint(bytes.len() as u64, out);
        out.extend_from_slice(bytes);
    }
}

fn put_number(out: &mut Vec<u8>, tag: u32, number: u64) {
    if number != 0 {
        encode_key(tag, WireType::Varint, out);
        encode_varint(number, out);
    }
}

fn field_len(tag: u32, bytes: &[u8]) -> usize {
    let length = bytes.len();
    if length == 0 {
        return 0;
    }
    key_len(tag) + encoded_len_varint(length as u64) + length
}

fn number_len(number: u64) -> usize {
    if number == 0 {
        return 0;
    }
    key_len(2) + encoded_len_varint(number)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use placement_core::{Event, Namespace, Settings, StreamId};
    use prost::Message;
    use rstest::rstest;

    use super::*;

    fn decoded(frames: &Frames) -> v1::PlacementOrder {
        let frame = frames.bytes(false);
        assert_eq!(frame[0], 0, "not compressed");
        let length = u32::from_be_bytes(frame[1..5].try_into().unwrap());
        assert_eq!(usize::try_from(length).unwrap(), frame.len() - 5);
        v1::PlacementOrder::decode(frame.slice(5..)).unwrap()
    }

    /// One with all these hosts in its table.
    fn namespace(hosts: impl IntoIterator<Item = Host>) -> Namespace {
        let hosts: Vec<_> = hosts.into_iter().collect();
        let names = hosts.iter().map(|host| host.name.clone()).collect();
        let budget = std::time::Duration::from_secs(8);
        let settings = Settings {
            budget,
            window: std::time::Duration::ZERO,
        };
        let mut namespace = Namespace::reuniting(settings, names, budget);
        for (stream, host) in (1..).map(StreamId).zip(hosts) {
            namespace.handle(std::time::Duration::ZERO, Event::Opened { stream, host });
        }
        namespace
    }

    #[test]
    #[expect(deprecated, reason = "the field is part of the contract")]
    fn an_update_carries_what_sidecars_read_and_no_more() {
        let host = Host {
            name: "1.2.3.4:5".into(),
            id: "app".into(),
            port: 6,
            pod: "pod".into(),
            entities: vec!["b".into(), "a".into()],
            ..Host::default()
        };
        let namespace = namespace([host]);
        let order = Order {
            step: Step::Update,
            version: 7,
        };
        let order = decoded(&Frames::new(order, namespace.hosts().table(), 100));
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

    #[rstest]
    #[case(100, 1)]
    #[case(1, 2)]
    fn a_preview_is_an_update_with_other_rings(#[case] factor: i64, #[case] other: i64) {
        let host = Host {
            entities: vec!["a".into()],
            ..Host::default()
        };
        let (namespace, version) = (namespace([host]), 7);
        let written = |step| {
            let order = Order { step, version };
            decoded(&Frames::new(order, namespace.hosts().table(), factor))
        };
        let (preview, mut update) = (written(Step::Preview), written(Step::Update));
        update.tables.as_mut().unwrap().replication_factor = other;
        assert_eq!(preview, update);
    }

    #[test]
    fn a_table_is_compressed_once_for_those_who_take_it() {
        let hosts = (0..100).map(|host| Host {
            name: format!("10.0.0.{host}:50002"),
            id: "app".into(),
            entities: vec!["a".into()],
            ..Host::default()
        });
        let (namespace, step) = (namespace(hosts), Step::Update);
        let frames = Frames::new(Order { step, version: 1 }, namespace.hosts().table(), 100);
        let (plain, gzip) = (frames.bytes(false), frames.bytes(true));
        assert_eq!((plain[0], gzip[0]), (0, 1));
        assert!(
            gzip.len() * 3 < plain.len(),
            "{} {}",
            gzip.len(),
            plain.len()
        );
        assert_eq!(gzip.as_ptr(), frames.bytes(true).as_ptr(), "the same bytes");
        let mut inflated = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&gzip[PREFIX..]);
        decoder.read_to_end(&mut inflated).unwrap();
        assert_eq!(inflated, plain[PREFIX..]);
        let lock = Order {
            step: Step::Lock,
            version: 1,
        };
        assert_eq!(
            Frames::new(lock, namespace.hosts().table(), 100).bytes(true)[0],
            0
        );
    }

    #[test]
    fn locks_and_unlocks_carry_no_table() {
        for (step, word) in [(Step::Lock, "lock"), (Step::Unlock, "unlock")] {
            let order = decoded(&Frames::new(
                Order { step, version: 0 },
                &Table::default(),
                100,
            ));
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
