use rstest::rstest;
use serde_json::json;

use super::*;

/// Field and severity of what is found in a `spec`.
fn found(kind: Kind, spec: &Value) -> Vec<(String, bool)> {
    problems(kind, &json!({ "spec": spec }))
        .into_iter()
        .map(|problem| (problem.field, problem.fatal))
        .collect()
}

fn one(field: &str, fatal: bool) -> Vec<(String, bool)> {
    vec![(field.to_owned(), fatal)]
}

#[rstest]
#[case(json!({"type": "state.redis"}), None)]
#[case(json!({"type": "middleware.http.bearer", "initTimeout": "1m"}), None)]
#[case(json!({}), Some(("spec.type", true)))]
#[case(json!({"type": "state"}), Some(("spec.type", true)))]
#[case(json!({"type": "state."}), Some(("spec.type", true)))]
#[case(json!({"type": "stat.redis"}), Some(("spec.type", true)))]
#[case(json!({"type": "workflowbackend.actor"}), Some(("spec.type", true)))]
#[case(json!({"type": "stat.redis", "ignoreErrors": true}), Some(("spec.type", false)))]
#[case(json!({"type": "state.redis", "initTimeout": "soon"}), Some(("spec.initTimeout", false)))]
#[case(json!({"type": "state.redis", "initTimeout": "0s"}), Some(("spec.initTimeout", true)))]
#[case(json!({"type": "state.redis", "metadata": [{"name": "a"}, {"name": "b", "value": 1}]}), None)]
#[case(json!({"type": "state.redis", "metadata": [{"name": "a"}, {"name": "A"}]}), Some(("spec.metadata[1].name", false)))]
#[case(json!({"type": "state.redis", "metadata": [{"value": "x"}]}), Some(("spec.metadata[0].name", false)))]
#[case(
    json!({"type": "state.redis", "metadata": [{"name": "a", "value": "x", "secretKeyRef": {"name": "s"}}]}),
    Some(("spec.metadata[0].value", false))
)]
#[case(json!({"type": "state.redis", "metadata": [{"name": "a", "secretKeyRef": {"name": "s"}}]}), None)]
fn components(#[case] spec: Value, #[case] expected: Option<(&str, bool)>) {
    let expected = expected.map_or_else(Vec::new, |(field, fatal)| one(field, fatal));
    assert_eq!(found(Kind::Component, &spec), expected);
}

#[rstest]
#[case(json!({}), None)]
#[case(json!({"secrets": {"scopes": [{"storeName": "a"}, {"storeName": "a"}]}}), Some(("spec.secrets.scopes[1].storeName", true)))]
#[case(json!({"secrets": {"scopes": [{"storeName": "a", "defaultAccess": "Deny"}]}}), None)]
#[case(json!({"secrets": {"scopes": [{"storeName": "a", "defaultAccess": "no"}]}}), Some(("spec.secrets.scopes[0].defaultAccess", true)))]
#[case(json!({"accessControl": {"defaultAction": "block"}}), Some(("spec.accessControl.defaultAction", false)))]
#[case(
    json!({"accessControl": {"policies": [{"appId": "a", "trustDomain": "public"}]}}),
    Some(("spec.accessControl.policies[0].namespace", true))
)]
#[case(json!({"tracing": {"samplingRate": "0.5"}}), None)]
#[case(json!({"tracing": {"samplingRate": "50%"}}), Some(("spec.tracing.samplingRate", false)))]
#[case(json!({"tracing": {"samplingRate": "NaN"}}), Some(("spec.tracing.samplingRate", false)))]
#[case(
    json!({"tracing": {"otel": {"headers": [{"name": "a", "secretKeyRef": {"name": "s"}}]}}}),
    Some(("spec.tracing.otel.headers[0].secretKeyRef.key", true))
)]
#[case(json!({"mtls": {"workloadCertTTL": "a day"}}), Some(("spec.mtls.workloadCertTTL", false)))]
#[case(
    json!({"workflow": {"stateRetentionPolicy": {"failed": "7d"}}}),
    Some(("spec.workflow.stateRetentionPolicy.failed", true))
)]
fn configurations(#[case] spec: Value, #[case] expected: Option<(&str, bool)>) {
    let expected = expected.map_or_else(Vec::new, |(field, fatal)| one(field, fatal));
    assert_eq!(found(Kind::Configuration, &spec), expected);
}

#[rstest]
#[case(json!({"policies": {}, "targets": {}}), None)]
#[case(json!({"policies": {"timeouts": {"a": "5s", "b": "100"}}}), None)]
#[case(json!({"policies": {"timeouts": {"a": "5 s"}}}), Some("spec.policies.timeouts.a"))]
#[case(json!({"policies": {"retries": {"a": {"policy": "linear"}}}}), Some("spec.policies.retries.a.policy"))]
#[case(json!({"policies": {"retries": {"a": {"policy": "Constant", "duration": "x"}}}}), Some("spec.policies.retries.a.duration"))]
#[case(json!({"policies": {"circuitBreakers": {"a": {"interval": "x"}}}}), Some("spec.policies.circuitBreakers.a.interval"))]
#[case(json!({"targets": {"apps": {"a": {"circuitBreakerCacheSize": -1}}}}), Some("spec.targets.apps.a.circuitBreakerCacheSize"))]
#[case(json!({"targets": {"actors": {"a": {"circuitBreaker": "c"}}}}), Some("spec.targets.actors.a.circuitBreakerScope"))]
#[case(json!({"targets": {"actors": {"a": {"circuitBreaker": "c", "circuitBreakerScope": "both"}}}}), None)]
fn resiliencies(#[case] spec: Value, #[case] expected: Option<&str>) {
    let expected = expected.map_or_else(Vec::new, |field| one(field, false));
    assert_eq!(found(Kind::Resiliency, &spec), expected);
}

#[rstest]
#[case(json!({"default": "/a"}), None)]
#[case(json!({"rules": [{"match": "event.type == 'a'", "path": "/a"}]}), None)]
#[case(json!({}), Some("spec.routes"))]
#[case(json!({"rules": [{"match": "true", "path": ""}]}), Some("spec.routes.rules[0].path"))]
#[case(json!({"rules": [{"path": "/a"}]}), None)]
#[case(json!({"rules": [{"match": " ", "path": "/a"}, {"path": "/b"}]}), Some("spec.routes.rules[0].match"))]
fn subscriptions(#[case] routes: Value, #[case] expected: Option<&str>) {
    let spec = json!({"pubsubname": "bus", "topic": "t", "routes": routes});
    let expected = expected.map_or_else(Vec::new, |field| one(field, false));
    assert_eq!(found(Kind::Subscription, &spec), expected);
}

#[rstest]
#[case(json!({"baseUrl": "https://host:8443/path"}), None)]
#[case(json!({"baseUrl": "HTTP://host"}), None)]
#[case(json!({"baseUrl": "host:80"}), Some("spec.baseUrl"))]
#[case(json!({"baseUrl": "https://"}), Some("spec.baseUrl"))]
#[case(json!({"baseUrl": "http://é"}), None)]
#[case(json!({"baseUrl": "héttp"}), Some("spec.baseUrl"))]
#[case(
    json!({"baseUrl": "https://host", "clientTLS": {"certificate": {"secretKeyRef": {"name": "s"}}}}),
    Some("spec.clientTLS.privateKey")
)]
fn endpoints(#[case] spec: Value, #[case] expected: Option<&str>) {
    let expected = expected.map_or_else(Vec::new, |field| one(field, false));
    assert_eq!(found(Kind::HttpEndpoint, &spec), expected);
}

#[rstest]
#[case(json!({"endpoint": {"sse": {"url": "https://host"}}}), None)]
#[case(json!({"endpoint": {"sse": {"url": "ftp://host"}}}), Some(("spec.endpoint.sse.url", true)))]
#[case(json!({"endpoint": {"stdio": {"command": "x"}}}), Some(("spec.endpoint.stdio", true)))]
#[case(json!({"ignoreErrors": true, "endpoint": {"stdio": {"command": "x"}}}), Some(("spec.endpoint.stdio", false)))]
#[case(
    json!({"endpoint": {"sse": {"url": "https://host", "timeout": "x"}}}),
    Some(("spec.endpoint.sse.timeout", false))
)]
fn mcp_servers(#[case] spec: Value, #[case] expected: Option<(&str, bool)>) {
    let expected = expected.map_or_else(Vec::new, |(field, fatal)| one(field, fatal));
    assert_eq!(found(Kind::McpServer, &spec), expected);
}

#[test]
fn nothing_of_the_wrong_shape_is_a_panic_and_few_are_told() {
    for object in [
        json!(null),
        json!({"spec": []}),
        json!({"spec": {"metadata": 1}}),
    ] {
        for kind in Kind::ALL {
            problems(kind, &object);
        }
    }
    let many = vec![json!({}); 10_000];
    let spec = json!({"type": "state.redis", "metadata": many});
    assert_eq!(found(Kind::Component, &spec).len(), MOST);
}

#[test]
fn a_problem_names_field_and_remedy() {
    let found = problems(Kind::Component, &json!({"spec": {"type": "stat.redis"}}));
    let text = found[0].to_string();
    assert!(
        text.starts_with("spec.type: \"stat.redis\" is not"),
        "{text}"
    );
    assert!(text.contains("state"), "{text}");
}
