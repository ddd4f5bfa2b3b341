//! Configurations. One that cannot be read ends every sidecar that it is assigned to.

use std::collections::BTreeSet;

use config::GoDuration;
use serde_json::Value;

use super::{Problems, list, map, text};

pub(super) fn check(spec: &Value, found: &mut Problems) {
    check_secret_scopes(&spec["secrets"]["scopes"], found);
    check_access(&spec["accessControl"], found);
    check_tracing(&spec["tracing"], found);
    for name in ["workloadCertTTL", "allowedClockSkew"] {
        let field = format!("spec.mtls.{name}");
        found.duration(field, &spec["mtls"][name], "so the default is taken");
    }
    for (name, value) in map(&spec["workflow"]["stateRetentionPolicy"]) {
        if let Some(value) = text(value)
            && value.parse::<GoDuration>().is_err()
        {
            let text = format!("{value:?} is no duration; write it like 1h30m");
            found.fatal(format!("spec.workflow.stateRetentionPolicy.{name}"), text);
        }
    }
}

fn check_secret_scopes(scopes: &Value, found: &mut Problems) {
    let mut stores = BTreeSet::new();
    for (index, scope) in list(scopes) {
        let field = format!("spec.secrets.scopes[{index}]");
        let store = scope["storeName"].as_str().unwrap_or_default();
        if !stores.insert(store) {
            let text = format!("{store:?} is there twice; join the entries");
            found.fatal(format!("{field}.storeName"), text);
        }
        if let Some(access) = text(&scope["defaultAccess"])
            && !is_action(access)
        {
            found.fatal(format!("{field}.defaultAccess"), action(access));
        }
    }
}

fn check_access(access: &Value, found: &mut Problems) {
    if let Some(text) = text(&access["defaultAction"])
        && !is_action(text)
    {
        found.partial("spec.accessControl.defaultAction", action(text));
    }
    for (index, policy) in list(&access["policies"]) {
        for name in ["appId", "trustDomain", "namespace"] {
            if text(&policy[name]).is_none() {
                let field = format!("spec.accessControl.policies[{index}].{name}");
                found.fatal(field, "is missing; say which callers the policy is for");
            }
        }
    }
}

fn check_tracing(tracing: &Value, found: &mut Problems) {
    if let Some(rate) = text(&tracing["samplingRate"]) {
        let number = rate.parse::<f64>();
        if !number.is_ok_and(|number| (0.0..=1.0).contains(&number)) {
            let text = format!("{rate:?} is no rate; write a number from 0 to 1");
            found.partial("spec.tracing.samplingRate", text);
        }
    }
    for (index, header) in list(&tracing["otel"]["headers"]) {
        let reference = &header["secretKeyRef"];
        if text(&reference["name"]).is_some() && text(&reference["key"]).is_none() {
            let field = format!("spec.tracing.otel.headers[{index}].secretKeyRef.key");
            found.fatal(
                field,
                "is missing, and the Secret's name does not stand for it here",
            );
        }
    }
}

fn is_action(text: &str) -> bool {
    ["allow", "deny"]
        .iter()
        .any(|action| text.eq_ignore_ascii_case(action))
}

fn action(given: &str) -> String {
    format!("{given:?} is neither allow nor deny")
}
