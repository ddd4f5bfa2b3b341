//! What is wrong with a resource by itself: the field, what a sidecar makes of it, and the remedy.
//!
//! Only what the schema of a kind cannot say is looked for here. What ends a sidecar is taken from
//! Dapr's source: `pkg/runtime/processor`, `pkg/config`, `pkg/acl`, `pkg/resiliency`.

mod component;
mod configuration;
mod mcp_server;
mod resiliency;
mod routes;

use std::fmt;

use config::GoDuration;
use serde_json::Value;

use crate::kind::Kind;

/// More of them in one resource are not told.
const MOST: usize = 8;

/// Something that is wrong with a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field.
    pub field: String,
    /// What is wrong, and the remedy.
    pub text: String,
    /// Whether sidecars that load the resource end because of it.
    pub fatal: bool,
}

/// What is wrong with an object of a kind; the first few.
pub fn problems(kind: Kind, object: &Value) -> Vec<Problem> {
    let mut found = Problems::default();
    let spec = &object["spec"];
    match kind {
        Kind::Component => component::check(spec, &mut found),
        Kind::Configuration => configuration::check(spec, &mut found),
        Kind::HttpEndpoint => routes::check_endpoint(spec, &mut found),
        Kind::McpServer => mcp_server::check(spec, &mut found),
        Kind::Resiliency => resiliency::check(spec, &mut found),
        Kind::Subscription => routes::check_subscription(spec, &mut found),
        // The schema says all there is to say.
        Kind::WorkflowAccessPolicy => {}
    }
    found.0
}

/// Collects what is found.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.field, self.text)
    }
}

// === impl Problems ===

impl Problems {
    /// Sidecars go on, without what cannot be used.
    fn partial(&mut self, field: impl Into<String>, text: impl Into<String>) {
        self.add(field.into(), text.into(), false);
    }

    /// Sidecars end.
    fn fatal(&mut self, field: impl Into<String>, text: impl Into<String>) {
        self.add(field.into(), text.into(), true);
    }

    fn add(&mut self, field: String, text: String, fatal: bool) {
        if self.0.len() < MOST {
            self.0.push(Problem { field, text, fatal });
        }
    }

    /// Looks at a Go duration, if there is one.
    fn duration(&mut self, field: String, value: &Value, effect: &str) {
        if let Some(text) = text(value)
            && text.parse::<GoDuration>().is_err()
        {
            let text = format!("{text:?} is no duration, {effect}; write it like 30s or 1m30s");
            self.partial(field, text);
        }
    }
}

/// A text that says something.
fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// The objects of a list, numbered.
fn list(value: &Value) -> impl Iterator<Item = (usize, &Value)> {
    value.as_array().into_iter().flatten().enumerate()
}

/// The entries of a map.
fn map(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Whether sidecars can call it: a scheme they know, and a host.
fn is_http_url(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| {
        let rest = text
            .get(..scheme.len())
            .filter(|start| start.eq_ignore_ascii_case(scheme));
        let host = rest.and_then(|_| text.get(scheme.len()..));
        host.is_some_and(|host| !host.is_empty() && !host.starts_with(['/', ':', '?', '#']))
    })
}

#[cfg(test)]
mod tests;
