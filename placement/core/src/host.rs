//! What a sidecar says about itself.

use serde::{Serialize, Serializer};

/// The message of a sidecar: who it is, what it hosts, and what it reports or acknowledges.
///
/// The field order and the omitted zero values are those of the state endpoint's JSON, which
/// follows the protobuf message `dapr.proto.placement.v1.Host`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Host {
    /// The address other sidecars call, `host:port`; also this host's key in the hash ring.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// An extra port; sidecars leave it 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub port: i64,
    /// A load figure nobody uses; echoed.
    #[serde(skip_serializing_if = "is_zero")]
    pub load: i64,
    /// The actor types it hosts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<String>,
    /// The app ID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// A pod name; echoed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pod: String,
    /// The actor API level; echoed.
    #[serde(skip_serializing_if = "is_zero")]
    pub api_level: u32,
    /// The namespace of the app.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// What the message is for.
    #[serde(skip_serializing_if = "Operation::is_unknown")]
    pub operation: Operation,
    /// The version it acknowledges. Absent and 0 differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// What a message is for (`HostOperation` of the protobuf contract).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operation {
    /// Not said: the client means whatever the namespace waits for. Sidecars before 1.17 do so.
    #[default]
    Unknown,
    /// A report of the hosted types.
    Report,
    /// An answer to LOCK.
    Lock,
    /// An answer to UPDATE.
    Update,
    /// An answer to UNLOCK.
    Unlock,
}

// === impl Host ===

impl Host {
    /// Whether a table made with `other` in place of this host would differ, or its owner would.
    pub fn differs(&self, other: &Self) -> bool {
        self.entities != other.entities
            || self.id != other.id
            || self.namespace != other.namespace
            || self.name != other.name
            || self.port != other.port
    }
}

// === impl Operation ===

impl Operation {
    /// The operation of a wire number; `None` for a number the contract does not know.
    pub fn from_wire(number: i32) -> Option<Self> {
        match number {
            0 => Some(Self::Unknown),
            1 => Some(Self::Report),
            2 => Some(Self::Lock),
            3 => Some(Self::Update),
            4 => Some(Self::Unlock),
            _ => None,
        }
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}
