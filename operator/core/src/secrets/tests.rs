use rstest::rstest;
use serde_json::json;

use super::*;

fn secrets() -> BTreeMap<Box<str>, Secret> {
    let secret = |pairs: &[(&str, &[u8])]| {
        Secret::new(
            pairs
                .iter()
                .map(|(key, value)| ((*key).into(), value.to_vec()))
                .collect(),
        )
    };
    BTreeMap::from([
        (
            "redis".into(),
            secret(&[("password", b"super"), ("redis", b"named")]),
        ),
        ("binary".into(), secret(&[("key", &[0xff, 0x00])])),
    ])
}

fn reference(secret: &str, key: &str) -> Value {
    json!({"name": "a", "value": "before", "secretKeyRef": {"name": secret, "key": key}})
}

fn with(kind: Kind, slot: &Value) -> (Value, &'static str) {
    match kind {
        Kind::Component => (
            json!({"spec": {"metadata": [slot]}}),
            "/spec/metadata/0/value",
        ),
        Kind::HttpEndpoint => (
            json!({"spec": {"headers": [slot]}}),
            "/spec/headers/0/value",
        ),
        Kind::McpServer => (
            json!({"spec": {"endpoint": {"sse": {"headers": [slot]}}}}),
            "/spec/endpoint/sse/headers/0/value",
        ),
        _ => (
            json!({"spec": {"tracing": {"otel": {"headers": [slot]}}}}),
            "/spec/tracing/otel/headers/0/value",
        ),
    }
}

const NO_KEY: &str = "Secret \"redis\" has no key \"absent\"";
const UNNAMED: &str = "the reference to Secret \"redis\" names no key";
const NOT_TEXT: &str = "key \"key\" of Secret \"binary\" is not text";
const MISSING: &str = "Secret \"missing\" not found";

#[rstest]
#[case(Kind::Component, "redis", "password", Ok(json!("c3VwZXI=")))]
#[case(Kind::Component, "redis", "", Ok(json!("bmFtZWQ=")))]
#[case(Kind::Component, "redis", "absent", Ok(json!("before")))]
#[case(Kind::Component, "binary", "key", Ok(json!("/wA=")))]
#[case(Kind::Component, "missing", "key", Err(MISSING))]
#[case(Kind::Component, "", "key", Ok(json!("before")))]
#[case(Kind::HttpEndpoint, "redis", "password", Ok(json!("c3VwZXI=")))]
#[case(Kind::HttpEndpoint, "redis", "absent", Ok(Value::Null))]
#[case(Kind::HttpEndpoint, "missing", "key", Err(MISSING))]
#[case(Kind::McpServer, "redis", "", Ok(json!("bmFtZWQ=")))]
#[case(Kind::McpServer, "redis", "absent", Ok(Value::Null))]
#[case(Kind::Configuration, "redis", "password", Ok(json!("super")))]
#[case(Kind::Configuration, "redis", "absent", Err(NO_KEY))]
#[case(Kind::Configuration, "redis", "", Err(UNNAMED))]
#[case(Kind::Configuration, "binary", "key", Err(NOT_TEXT))]
#[case(Kind::Configuration, "missing", "key", Err(MISSING))]
fn each_kind_has_its_rules(
    #[case] kind: Kind,
    #[case] secret: &str,
    #[case] key: &str,
    #[case] expected: Result<Value, &str>,
) {
    let (mut object, path) = with(kind, &reference(secret, key));
    let result = resolve(kind, &mut object, &secrets());
    match expected {
        Ok(value) => {
            result.unwrap();
            assert_eq!(object.pointer(path), Some(&value));
        }
        Err(message) => assert_eq!(result.unwrap_err().to_string(), message),
    }
}

#[test]
fn references_stay() {
    let (mut object, _) = with(Kind::Component, &reference("redis", "password"));
    resolve(Kind::Component, &mut object, &secrets()).unwrap();
    assert_eq!(
        object["spec"]["metadata"][0]["secretKeyRef"]["key"],
        "password"
    );
}

#[rstest]
#[case(json!({}), &["a"])]
#[case(json!({"auth": {"secretStore": ""}}), &["a"])]
#[case(json!({"auth": {"secretStore": "kubernetes"}}), &["a"])]
#[case(json!({"auth": {"secretStore": "vault"}}), &[])]
fn other_stores_are_for_the_sidecar(#[case] mut object: Value, #[case] expected: &[&str]) {
    object["spec"] = json!({"metadata": [reference("a", "k"), reference("a", "l"), {"name": "b"}]});
    let names = referenced(Kind::Component, &mut object);
    assert_eq!(
        names.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        expected
    );
}

#[test]
fn documents_of_an_endpoint_are_resolved() {
    let mut object = json!({"spec": {"clientTLS": {
        "renegotiation": "Never",
        "rootCA": {"secretKeyRef": {"name": "redis", "key": "password"}},
        "privateKey": {"value": "in place"},
    }}});
    resolve(Kind::HttpEndpoint, &mut object, &secrets()).unwrap();
    assert_eq!(object["spec"]["clientTLS"]["rootCA"]["value"], "c3VwZXI=");
    assert_eq!(
        object["spec"]["clientTLS"]["privateKey"]["value"],
        "in place"
    );
}

#[rstest]
#[case(json!({"streamableHTTP": {"headers": [reference("a", "k")], "auth": {"secretStore": "vault"}}}), &[])]
#[case(json!({"streamableHTTP": {"headers": [reference("a", "k")]}, "sse": {"headers": [reference("b", "k")]}}), &["a"])]
#[case(json!({"stdio": {"command": "x", "env": [reference("c", "k")]}}), &["c"])]
#[case(json!({"sse": {"auth": {"oauth2": {"secretKeyRef": {"name": "d"}}}}}), &[])]
#[case(Value::Null, &[])]
fn first_transport_of_a_server_counts(#[case] endpoint: Value, #[case] expected: &[&str]) {
    let mut object = json!({"spec": {"endpoint": endpoint}});
    let names = referenced(Kind::McpServer, &mut object);
    assert_eq!(
        names.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        expected
    );
}

#[test]
fn debug_shows_keys_only() {
    assert_eq!(
        format!("{:?}", secrets()["redis"]),
        r#"{"password", "redis"}"#
    );
}
