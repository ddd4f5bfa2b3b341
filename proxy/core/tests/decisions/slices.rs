use k8s_openapi::{
    api::{
        core::v1::ObjectReference,
        discovery::v1::{Endpoint as Listed, EndpointConditions, EndpointPort, EndpointSlice},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use proxy_core::{endpoint::State, slices::Slices};
use rstest::rstest;

fn listed(ip: &str, pod: &str) -> Listed {
    Listed {
        addresses: vec![ip.into()],
        node_name: Some("node".into()),
        zone: Some("zone".into()),
        target_ref: Some(ObjectReference {
            name: Some(pod.into()),
            ..ObjectReference::default()
        }),
        ..Listed::default()
    }
}

fn slice(name: &str, endpoints: Vec<Listed>) -> EndpointSlice {
    EndpointSlice {
        metadata: ObjectMeta {
            name: Some(name.into()),
            ..ObjectMeta::default()
        },
        endpoints,
        ports: Some(vec![EndpointPort {
            port: Some(8080),
            ..EndpointPort::default()
        }]),
        ..EndpointSlice::default()
    }
}

fn addresses(slices: &Slices) -> Vec<String> {
    let endpoints = slices.endpoints();
    endpoints
        .iter()
        .map(|endpoint| endpoint.address.to_string())
        .collect()
}

#[test]
fn follows_slices() {
    let mut slices = Slices::new(None);
    let (first, second) = (
        slice("a", vec![listed("10.0.0.1", "one")]),
        slice("b", vec![listed("10.0.0.2", "two")]),
    );
    slices.reset(&[first.clone(), second.clone()]);
    assert_eq!(addresses(&slices), ["10.0.0.1:8080", "10.0.0.2:8080"]);
    slices.apply(&slice("a", vec![listed("10.0.0.3", "three")]));
    assert_eq!(addresses(&slices), ["10.0.0.2:8080", "10.0.0.3:8080"]);
    slices.delete(&second);
    assert_eq!(addresses(&slices), ["10.0.0.3:8080"]);
    slices.reset(&[]);
    assert!(slices.endpoints().is_empty());
    assert_eq!(&*first.endpoints[0].addresses[0], "10.0.0.1");
}

#[test]
fn a_port_of_ones_own_counts_more_than_the_slices() {
    let mut slices = Slices::new(Some(3000));
    slices.apply(&EndpointSlice {
        ports: None,
        ..slice("a", vec![listed("10.0.0.1", "one")])
    });
    assert_eq!(addresses(&slices), ["10.0.0.1:3000"]);
}

#[test]
fn knows_pod_node_and_zone() {
    let mut slices = Slices::new(None);
    slices.apply(&slice("a", vec![listed("10.0.0.1", "one")]));
    let endpoint = slices.endpoints().remove(0);
    assert_eq!(&*endpoint.name, "one");
    assert_eq!(
        (endpoint.node.as_deref(), endpoint.zone.as_deref()),
        (Some("node"), Some("zone"))
    );
}

#[rstest]
#[case::unknown(None, None, State::Ready)]
#[case::ready(Some(true), Some(false), State::Ready)]
#[case::unready(Some(false), None, State::Unready)]
#[case::ends(Some(false), Some(true), State::Terminating)]
#[case::published_to_the_end(Some(true), Some(true), State::Terminating)]
fn reads_conditions(
    #[case] ready: Option<bool>,
    #[case] terminating: Option<bool>,
    #[case] state: State,
) {
    let conditions = EndpointConditions {
        ready,
        terminating,
        serving: None,
    };
    let mut slices = Slices::new(None);
    let listed = Listed {
        conditions: Some(conditions),
        ..listed("10.0.0.1", "one")
    };
    slices.apply(&slice("a", vec![listed]));
    assert_eq!(slices.endpoints()[0].state, state);
}

#[test]
fn a_pod_of_two_families_counts_once() {
    let mut slices = Slices::new(None);
    slices.apply(&slice(
        "six",
        vec![listed("fd00::1", "one"), listed("fd00::2", "two")],
    ));
    slices.apply(&slice("four", vec![listed("10.0.0.1", "one")]));
    assert_eq!(addresses(&slices), ["10.0.0.1:8080", "[fd00::2]:8080"]);
}

#[rstest]
#[case::name("app.example.org")]
#[case::nothing("")]
fn what_is_no_address_is_left_out(#[case] text: &str) {
    let mut slices = Slices::new(None);
    slices.apply(&slice(
        "a",
        vec![listed(text, "one"), listed("10.0.0.2", "two")],
    ));
    assert_eq!(addresses(&slices), ["10.0.0.2:8080"]);
}
