//! Where events and calls go: Subscriptions and HTTP endpoints.

use serde_json::Value;

use super::{Problems, is_http_url, list, text};

pub(super) fn check_subscription(spec: &Value, found: &mut Problems) {
    for name in ["pubsubname", "topic"] {
        if text(&spec[name]).is_none() {
            found.partial(format!("spec.{name}"), "is empty, so nothing is delivered");
        }
    }
    let routes = &spec["routes"];
    let rules: Vec<_> = list(&routes["rules"]).collect();
    if rules.is_empty() && text(&routes["default"]).is_none() {
        let text = "has neither a default nor rules, so nothing is delivered; set routes.default";
        found.partial("spec.routes", text);
    }
    for (index, rule) in &rules {
        if text(&rule["path"]).is_none() {
            let field = format!("spec.routes.rules[{index}].path");
            found.partial(field, "is empty; say which path of the app gets the events");
        }
        let rest = rules.len() - index - 1;
        if is_blank(&rule["match"]) && rest > 0 {
            let text = format!("matches every event, so the {rest} after it are never asked");
            found.partial(format!("spec.routes.rules[{index}].match"), text);
        }
    }
}

fn is_blank(value: &Value) -> bool {
    value.as_str().unwrap_or_default().trim().is_empty()
}

pub(super) fn check_endpoint(spec: &Value, found: &mut Problems) {
    let url = spec["baseUrl"].as_str().unwrap_or_default();
    if !is_http_url(url) {
        let text = format!("{url:?} is no URL with http or https, and a host; calls fail");
        found.partial("spec.baseUrl", text);
    }
    let tls = &spec["clientTLS"];
    let given = |name: &str| {
        let document = &tls[name];
        text(&document["secretKeyRef"]["name"]).is_some() || !document["value"].is_null()
    };
    for (one, other) in [("certificate", "privateKey"), ("privateKey", "certificate")] {
        if given(one) && !given(other) {
            let text = format!("is missing, and {one} is no use without it");
            found.partial(format!("spec.clientTLS.{other}"), text);
        }
    }
}
