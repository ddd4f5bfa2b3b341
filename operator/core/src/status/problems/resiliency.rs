//! Resiliencies. Sidecars stop reading one at its first mistake, and use what they read before.

use config::GoDuration;
use serde_json::Value;

use super::{Problems, map, text};

const EFFECT: &str = "so sidecars use a part of this object at most";

pub(super) fn check(spec: &Value, found: &mut Problems) {
    let policies = &spec["policies"];
    for (name, value) in map(&policies["timeouts"]) {
        duration(format!("spec.policies.timeouts.{name}"), value, found);
    }
    for (name, retry) in map(&policies["retries"]) {
        check_retry(&format!("spec.policies.retries.{name}"), retry, found);
    }
    for (name, breaker) in map(&policies["circuitBreakers"]) {
        for part in ["interval", "timeout"] {
            let field = format!("spec.policies.circuitBreakers.{name}.{part}");
            duration(field, &breaker[part], found);
        }
    }
    for (name, target) in map(&spec["targets"]["apps"]) {
        check_cache(&format!("spec.targets.apps.{name}"), target, found);
    }
    for (name, target) in map(&spec["targets"]["actors"]) {
        let field = format!("spec.targets.actors.{name}");
        check_cache(&field, target, found);
        check_scope(&field, target, found);
    }
}

fn check_retry(field: &str, retry: &Value, found: &mut Problems) {
    if let Some(policy) = text(&retry["policy"])
        && !["constant", "exponential"].contains(&policy.to_lowercase().as_str())
    {
        let text = format!("{policy:?} is neither constant nor exponential, {EFFECT}");
        found.partial(format!("{field}.policy"), text);
    }
    for part in ["duration", "maxInterval"] {
        duration(format!("{field}.{part}"), &retry[part], found);
    }
}

fn check_cache(field: &str, target: &Value, found: &mut Problems) {
    let size = target["circuitBreakerCacheSize"].as_i64();
    if size.is_some_and(|size| size < 0) {
        let text = format!("is less than nothing, {EFFECT}; leave it out for the default");
        found.partial(format!("{field}.circuitBreakerCacheSize"), text);
    }
}

fn check_scope(field: &str, target: &Value, found: &mut Problems) {
    let scope = target["circuitBreakerScope"].as_str().unwrap_or_default();
    let breaks = text(&target["circuitBreaker"]).is_some();
    if breaks && !["type", "id", "both"].contains(&scope) {
        let text = format!("{scope:?} is none of type, id and both, {EFFECT}");
        found.partial(format!("{field}.circuitBreakerScope"), text);
    }
}

/// A whole number counts as milliseconds.
fn duration(field: String, value: &Value, found: &mut Problems) {
    if let Some(text) = text(value)
        && text.parse::<i64>().is_err()
        && text.parse::<GoDuration>().is_err()
    {
        let text = format!("{text:?} is no duration, {EFFECT}; write it like 30s or 500ms");
        found.partial(field, text);
    }
}
