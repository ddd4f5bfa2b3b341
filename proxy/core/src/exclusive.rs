//! Input bindings of which each instance gets its own copy of an event, and calls that carry one.

use std::collections::BTreeMap;

/// Annotation of an instance's Lease that says which bindings are exclusive: an object with the
/// route of each binding, by its name.
pub const EXCLUSIVE: &str = "trilby.dev/exclusive-bindings";

/// The method of `dapr/proto/runtime/v1/appcallback.proto`.
const ON_BINDING_EVENT: &str = "/dapr.proto.runtime.v1.AppCallback/OnBindingEvent";

/// Whether a gRPC call is an event of some binding; which one is in its message.
pub fn is_grpc_event(path: &str) -> bool {
    path == ON_BINDING_EVENT
}

/// The exclusive bindings of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings {
    routes: BTreeMap<String, String>,
}

/// The beginning of a gRPC message as far as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning<'a> {
    /// More of it is needed.
    Short,
    /// The event is of this binding.
    Of(&'a str),
    /// The message is none that daprd sends.
    Unreadable,
}

// === impl Bindings ===

impl Bindings {
    /// By name, with the route of each.
    pub fn new(routes: BTreeMap<String, String>) -> Self {
        Self { routes }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Whether an event of the binding is exclusive.
    pub fn has(&self, name: &str) -> bool {
        self.routes.contains_key(name)
    }

    /// Whether an HTTP request is an event of one of them, if it is not a call of another app.
    pub fn has_route(&self, method: &str, path: &str) -> bool {
        let route = path.trim_matches('/');
        method == "POST"
            && self
                .routes
                .values()
                .any(|one| one.trim_matches('/') == route)
    }
}

// === impl Beginning ===

impl<'a> Beginning<'a> {
    /// Longest name of a Kubernetes object, and so of a binding.
    const LONGEST: usize = 253;

    /// Reads the name of the binding: field 1 of `BindingEventRequest`, which comes first, after
    /// the five bytes before each message.
    pub fn read(bytes: &'a [u8]) -> Self {
        let (Some(compressed), Some(message)) = (bytes.first(), bytes.get(5..)) else {
            return Self::Short;
        };
        if *compressed != 0 {
            return Self::Unreadable;
        }
        match message {
            [0x0a, low, rest @ ..] if low & 0x80 == 0 => Self::name(usize::from(*low), rest),
            [0x0a, low, high, rest @ ..] if high & 0x80 == 0 => {
                let length = usize::from(low & 0x7f) | usize::from(*high) << 7;
                Self::name(length, rest)
            }
            [] | [0x0a] | [0x0a, _] => Self::Short,
            _ => Self::Unreadable,
        }
    }

    fn name(length: usize, rest: &'a [u8]) -> Self {
        if length > Self::LONGEST {
            return Self::Unreadable;
        }
        let name = rest.get(..length).map(std::str::from_utf8);
        match name {
            None => Self::Short,
            Some(Ok(name)) => Self::Of(name),
            Some(Err(_)) => Self::Unreadable,
        }
    }
}
