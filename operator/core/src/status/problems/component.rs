//! Components.

use std::collections::BTreeSet;

use config::GoDuration;
use serde_json::Value;

use super::{Problems, list, text};

/// What sidecars have a loader for (Dapr: `pkg/runtime/processor`).
const CATEGORIES: [&str; 9] = [
    "bindings",
    "configuration",
    "conversation",
    "crypto",
    "lock",
    "middleware",
    "pubsub",
    "secretstores",
    "state",
];

pub(super) fn check(spec: &Value, found: &mut Problems) {
    let tolerated = spec["ignoreErrors"].as_bool().unwrap_or(false);
    let mut report = |field: &str, text: String| {
        if tolerated {
            found.partial(field, text);
        } else {
            found.fatal(field, text);
        }
    };
    let kind = spec["type"].as_str().unwrap_or_default();
    if !is_loadable(kind) {
        let known = CATEGORIES.join(", ");
        let text = format!("{kind:?} is not <kind>.<implementation> with one of the kinds {known}");
        report("spec.type", text);
    }
    if let Some(text) = text(&spec["initTimeout"])
        && text.parse::<GoDuration>().is_ok_and(is_never)
    {
        report(
            "spec.initTimeout",
            format!("{text:?} leaves no time to start; write it like 30s, or leave it out for 5s"),
        );
    }
    let field = "spec.initTimeout".to_owned();
    found.duration(field, &spec["initTimeout"], "so 5s are taken");
    check_metadata(&spec["metadata"], found);
}

fn is_loadable(kind: &str) -> bool {
    let parts = kind.split_once('.');
    parts.is_some_and(|(category, name)| CATEGORIES.contains(&category) && !name.is_empty())
}

fn is_never(duration: GoDuration) -> bool {
    duration.as_std().is_none_or(|duration| duration.is_zero())
}

/// Sidecars compare names without regard to case.
fn check_metadata(metadata: &Value, found: &mut Problems) {
    let mut names = BTreeSet::new();
    for (index, entry) in list(metadata) {
        let field = format!("spec.metadata[{index}]");
        let Some(name) = text(&entry["name"]) else {
            found.partial(format!("{field}.name"), "has no name and is not used");
            continue;
        };
        if !names.insert(name.to_lowercase()) {
            let text = format!("{name:?} is there twice and only one counts; remove the other");
            found.partial(format!("{field}.name"), text);
        }
        if text(&entry["secretKeyRef"]["name"]).is_some() && is_given(&entry["value"]) {
            let text = "has a value beside its secretKeyRef, which wins; remove one";
            found.partial(format!("{field}.value"), text);
        }
    }
}

fn is_given(value: &Value) -> bool {
    !value.is_null() && *value != ""
}
