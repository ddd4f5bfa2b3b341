//! What `OpenFunction`'s annotations ask for (there: `pkg/core/serving/common/common.go`).
//!
//! `OpenFunction` writes the annotations of a Function's serving on the pods of the function and,
//! where the function shares its daprd ("standalone"), on those of a proxy beside that daprd.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Mode;

/// "false" is no, and everything else yes.
pub const ENABLE: &str = "openfunction.io/enable-dapr";
/// `standalone`, as if absent, or `sidecar`.
pub const SERVICE_MODE: &str = "openfunction.io/dapr-service-mode";
/// Label of all that `OpenFunction` makes for a function's pods.
pub const SERVING: &str = "openfunction.io/serving";
/// Label of the proxies that `OpenFunction` makes; they have sidecars.
const PROXY: &str = "openfunction.io/proxy";

/// As if [`SERVICE_MODE`] were absent.
pub(super) const STANDALONE: &str = "standalone";

/// What Dapr has to do with a function by itself, in its serving.
const PARTS: [&str; 4] = ["/triggers/dapr", "/triggers/inputs", "/outputs", "/states"];

/// Variables of a function's container that tell the function's name.
pub const FUNCTION_CONTEXTS: [&str; 2] = ["FUNC_CONTEXT", "FUNC_CONTEXT_V1BETA2"];

/// What a pod says of itself as a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// Its mode, if it wants Dapr at all.
    pub(super) mode: Option<Mode>,
    /// Whether [`ENABLE`] says yes.
    pub(super) enabled: bool,
}

#[derive(Deserialize)]
struct Context {
    name: String,
}

/// Whether `OpenFunction` made the pod for a function; then it decided about `dapr.io/enabled`.
pub(super) fn is_served(has_label: impl Fn(&str) -> bool) -> bool {
    has_label(SERVING)
}

/// Whether it is a proxy of `OpenFunction`'s.
pub(super) fn is_proxy(has_label: impl Fn(&str) -> bool) -> bool {
    has_label(PROXY)
}

/// The app-id of a function without an annotation for it. `context` is the value of one of
/// [`FUNCTION_CONTEXTS`]; none if that is no JSON object with a name.
pub fn function_app_id(context: &str, namespace: &str) -> Option<String> {
    let context: Context = serde_json::from_str(context).ok()?;
    Some(format!("{}-{namespace}", context.name)).filter(|_| !context.name.is_empty())
}

/// Whether the serving of a Function has to do with Dapr: [`ENABLE`] decides, or else what it uses.
pub fn wants_dapr(serving: &Value) -> bool {
    match serving["annotations"].get(ENABLE) {
        Some(said) => said != "false",
        None => PARTS.iter().any(|part| has(serving, part)),
    }
}

fn has(serving: &Value, part: &str) -> bool {
    serving.pointer(part).is_some_and(|part| match part {
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => false,
    })
}

// === impl Function ===

impl Function {
    /// None for a pod that has neither annotation.
    pub(super) fn read(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let enable = annotations.get(ENABLE).map(String::as_str);
        let service = annotations.get(SERVICE_MODE).map(String::as_str);
        enable.or(service)?;
        let mode = match (enable, service) {
            (Some("false"), _) => None,
            (_, None | Some(STANDALONE)) => Some(Mode::SharedDeployment),
            (_, Some("sidecar")) => Some(Mode::Sidecar),
            (_, Some(_)) => None,
        };
        let enabled = enable.is_some_and(|enable| enable != "false");
        Some(Self { mode, enabled })
    }
}
