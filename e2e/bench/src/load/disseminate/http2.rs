//! Just enough of HTTP/2 and gRPC to be a sidecar's stream, at next to no cost.
//!
//! A client library would take more of the machine than the server that is measured: it would
//! decode every table, thousands of times.

/// What is read of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Lock,
    Update,
    Unlock,
}

/// What a connection tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// An order of the server.
    Order { step: Step, version: u64 },
    /// The server ended the stream or the connection.
    Ended,
}

/// One connection with one stream.
#[derive(Default)]
pub(super) struct Connection {
    frames: Vec<u8>,
    messages: Vec<u8>,
    locked: u64,
    unacknowledged: usize,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const STREAM: u32 = 1;
/// What may be on its way to us.
const WINDOW: u32 = 8 << 20;
/// What is given back at once.
const REPLENISH: usize = 1 << 20;
/// The tags of an order's fields: its number and its kind.
const OPERATION: u64 = 2 << 3 | 2;
const VERSION: u64 = 3 << 3;
const SETTINGS_INITIAL_WINDOW_SIZE: [u8; 2] = [0, 4];

/// The opening of a connection and its stream, with the first message.
pub(super) fn open(report: &[u8]) -> Vec<u8> {
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let mut setting = SETTINGS_INITIAL_WINDOW_SIZE.to_vec();
    setting.extend(WINDOW.to_be_bytes());
    frame(&mut out, SETTINGS, 0, 0, &setting);
    frame(
        &mut out,
        WINDOW_UPDATE,
        0,
        0,
        &(WINDOW - 65_535).to_be_bytes(),
    );
    let mut headers = vec![];
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (
            ":path",
            "/dapr.proto.placement.v1.Placement/ReportDaprStatus",
        ),
        (":authority", "placement"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("grpc-accept-encoding", "gzip"),
    ] {
        // A literal field that is not indexed, and not compressed.
        headers.push(0);
        put_bytes(&mut headers, name);
        put_bytes(&mut headers, value);
    }
    frame(&mut out, HEADERS, END_HEADERS, STREAM, &headers);
    message(&mut out, report);
    out
}

/// A gRPC message in a frame of its own.
pub(super) fn message(out: &mut Vec<u8>, message: &[u8]) {
    let mut body = vec![0];
    body.extend(length(message).to_be_bytes());
    body.extend(message);
    frame(out, DATA, 0, STREAM, &body);
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend(&length(payload).to_be_bytes()[1..]);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
}

// === impl Connection ===

impl Connection {
    /// Takes in bytes; writes what HTTP/2 has to answer, and tells what gRPC had to say.
    pub(super) fn read(&mut self, bytes: &[u8], out: &mut Vec<u8>, events: &mut Vec<Event>) {
        self.frames.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(header) = self.frames.get(at..at + 9) {
            let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
            let (kind, flags) = (header[3], header[4]);
            let Some(payload) = self.frames.get(at + 9..at + 9 + length) else {
                break;
            };
            at += 9 + length;
            match kind {
                DATA => {
                    self.messages.extend_from_slice(payload);
                    self.unacknowledged += length;
                }
                SETTINGS if flags & ACK == 0 => frame(out, SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => frame(out, PING, ACK, 0, payload),
                RST_STREAM | GOAWAY => events.push(Event::Ended),
                _ => {}
            }
            if kind == HEADERS && flags & END_STREAM != 0 {
                events.push(Event::Ended);
            }
        }
        self.frames.drain(..at);
        if self.unacknowledged > REPLENISH {
            let given = u32::try_from(self.unacknowledged)
                .unwrap_or(WINDOW)
                .to_be_bytes();
            frame(out, WINDOW_UPDATE, 0, 0, &given);
            frame(out, WINDOW_UPDATE, 0, STREAM, &given);
            self.unacknowledged = 0;
        }
        self.orders(events);
    }

    fn orders(&mut self, events: &mut Vec<Event>) {
        let mut at = 0;
        while let Some(prefix) = self.messages.get(at..at + 5) {
            let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
            let compressed = prefix[0] == 1;
            let Some(body) = self.messages.get(at + 5..at + 5 + length) else {
                break;
            };
            at += 5 + length;
            let (step, version) = if compressed {
                // Only tables are worth it, and an answer to a table names the version locked.
                (Step::Update, self.locked)
            } else {
                order(body)
            };
            if step == Step::Lock {
                self.locked = version;
            }
            events.push(Event::Order { step, version });
        }
        self.messages.drain(..at);
        if self.messages.is_empty() {
            self.messages = Vec::new();
        }
    }
}

/// The operation and version of an order, whose table is passed over.
fn order(mut body: &[u8]) -> (Step, u64) {
    let (mut step, mut version) = (Step::Lock, 0);
    while !body.is_empty() {
        let tag = varint(&mut body);
        let number = varint(&mut body);
        if tag == VERSION {
            version = number;
            continue;
        }
        let length = usize::try_from(number).unwrap_or(usize::MAX);
        let Some((value, rest)) = body.split_at_checked(length) else {
            break;
        };
        body = rest;
        step = match (tag, value) {
            (OPERATION, b"update") => Step::Update,
            (OPERATION, b"unlock") => Step::Unlock,
            _ => step,
        };
    }
    (step, version)
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    while let Some((byte, rest)) = bytes.split_first() {
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

/// Short texts alone, as all here are.
fn put_bytes(out: &mut Vec<u8>, text: &str) {
    out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.extend(text.as_bytes());
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_orders_and_answers_what_http_asks() {
        let (mut bytes, mut out, mut events) = (vec![], vec![], vec![]);
        frame(&mut bytes, SETTINGS, 0, 0, &[]);
        message(&mut bytes, &[18, 4, b'l', b'o', b'c', b'k', 24, 7]);
        let mut connection = Connection::default();
        for byte in bytes {
            connection.read(&[byte], &mut out, &mut events);
        }
        let lock = Event::Order {
            step: Step::Lock,
            version: 7,
        };
        assert_eq!(events, [lock]);
        assert_eq!(out, [0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0]);
    }
}
