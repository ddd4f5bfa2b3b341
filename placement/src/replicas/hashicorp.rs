//! The language of Dapr's own replicas among themselves, as far as it is needed: hashicorp/raft
//! 1.7, protocol version 3.
//!
//! A question is one byte for its kind and a `MessagePack` map; the answer is a text, empty unless
//! something went wrong, and a map (`net_transport.go`, `commands.go` there).

use std::io;

use bytes::{Buf, BufMut, BytesMut};
use rmp_serde::decode::Error;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::{Decoder, Encoder, Framed};

/// What may be said to such a replica.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    /// Follow the leader of this term. 0 is of the past for everybody, and changes nothing.
    Follow { term: u64 },
    /// Stand for election now, and be voted for even by those that know a leader.
    StandNow,
}

/// What it answers.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Answer {
    /// Its term.
    pub(super) term: u64,
}

/// A connection to such a replica.
pub(super) type Line<S> = Framed<S, Language>;

#[derive(Debug)]
pub(super) struct Language;

/// The fields that are left out mean nothing new: no entries, no name of the leader.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Question {
    protocol_version: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    term: Option<u64>,
}

const PROTOCOL_VERSION: u8 = 3;
const APPEND_ENTRIES: u8 = 0;
const TIMEOUT_NOW: u8 = 3;
/// Real answers have some hundred bytes.
const LONGEST: usize = 4 << 10;

/// A connection as one to such a replica.
pub(super) fn line<S: AsyncRead + AsyncWrite>(stream: S) -> Line<S> {
    Framed::new(stream, Language)
}

// === impl Language ===

impl Encoder<Call> for Language {
    type Error = io::Error;

    fn encode(&mut self, call: Call, bytes: &mut BytesMut) -> io::Result<()> {
        let (kind, term) = match call {
            Call::Follow { term } => (APPEND_ENTRIES, Some(term)),
            Call::StandNow => (TIMEOUT_NOW, None),
        };
        let protocol_version = PROTOCOL_VERSION;
        let question = Question {
            protocol_version,
            term,
        };
        let question = rmp_serde::to_vec_named(&question).map_err(io::Error::other)?;
        bytes.put_u8(kind);
        bytes.put_slice(&question);
        Ok(())
    }
}

impl Decoder for Language {
    type Item = Answer;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<Answer>> {
        let mut rest = bytes.as_ref();
        let answer = read(&mut rest);
        let read = bytes.len() - rest.len();
        let (wrong, answer) = match answer {
            Err(error) if is_cut_off(&error) && bytes.len() < LONGEST => return Ok(None),
            answer => answer.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?,
        };
        bytes.advance(read);
        if wrong.is_empty() {
            Ok(Some(answer))
        } else {
            Err(io::Error::other(wrong))
        }
    }
}

fn read(rest: &mut &[u8]) -> Result<(String, Answer), Error> {
    let mut reader = rmp_serde::Deserializer::new(rest);
    let wrong = String::deserialize(&mut reader)?;
    Ok((wrong, Answer::deserialize(&mut reader)?))
}

fn is_cut_off(error: &Error) -> bool {
    match error {
        Error::InvalidMarkerRead(error) | Error::InvalidDataRead(error) => {
            error.kind() == io::ErrorKind::UnexpectedEof
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What hashicorp/raft 1.7.3 answers to a question of the past, with text as raw bytes.
    const ANSWER: &[u8] =
        b"\xa0\x87\xa4Addr\xa3a:1\xa2ID\xa1a\xa7LastLog\x02\xaeNoRetryBackoff\xc2\
        \xafProtocolVersion\x03\xa7Success\xc2\xa4Term\x2a";

    #[test]
    fn a_question_is_its_kind_and_a_map() {
        let mut bytes = BytesMut::new();
        Language
            .encode(Call::Follow { term: 7 }, &mut bytes)
            .unwrap();
        assert_eq!(
            bytes.as_ref(),
            b"\x00\x82\xafProtocolVersion\x03\xa4Term\x07"
        );
        bytes.clear();
        Language.encode(Call::StandNow, &mut bytes).unwrap();
        assert_eq!(bytes.as_ref(), b"\x03\x81\xafProtocolVersion\x03");
    }

    #[test]
    fn an_answer_is_read_when_all_of_it_is_there() {
        for end in 0..ANSWER.len() {
            let read = Language.decode(&mut ANSWER[..end].into()).unwrap();
            assert_eq!(read, None, "the first {end} bytes");
        }
        let mut twice = BytesMut::from(&[ANSWER, ANSWER].concat()[..]);
        for _ in 0..2 {
            let read = Language.decode(&mut twice).unwrap();
            assert_eq!(read, Some(Answer { term: 42 }));
        }
        assert!(twice.is_empty());
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for bytes in [&b"\xa4oops\x80"[..], b"{\"Vote\":1}", b"\xc0", &[0xa0; 8]] {
            assert!(Language.decode(&mut bytes.into()).is_err(), "{bytes:?}");
        }
    }
}
