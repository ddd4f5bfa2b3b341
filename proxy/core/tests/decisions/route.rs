use proxy_core::{
    actors::Turn,
    route::{ApiCall, AppCall, api_call, app_call},
};
use rstest::rstest;

const HEALTH: Option<&str> = Some("/healthz");

#[rstest]
#[case::event("POST", "/orders", AppCall::Any)]
#[case::subscriptions("GET", "/dapr/subscribe", AppCall::Once)]
#[case::config("GET", "/dapr/config", AppCall::Once)]
#[case::posted_config("POST", "/dapr/config", AppCall::Any)]
#[case::topics(
    "POST",
    "/dapr.proto.runtime.v1.AppCallback/ListTopicSubscriptions",
    AppCall::Once
)]
#[case::bindings(
    "POST",
    "/dapr.proto.runtime.v1.AppCallback/ListInputBindings",
    AppCall::Once
)]
#[case::grpc(
    "POST",
    "/dapr.proto.runtime.v1.AppCallback/OnTopicEvent",
    AppCall::Any
)]
#[case::health("GET", "/healthz", AppCall::Health)]
#[case::grpc_health(
    "POST",
    "/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck",
    AppCall::Health
)]
#[case::no_actor("GET", "/actors/Counter/1", AppCall::Any)]
#[case::no_id("DELETE", "/actors/Counter", AppCall::Any)]
#[case::empty_id("DELETE", "/actors/Counter/", AppCall::Any)]
fn reads_what_daprd_sends(#[case] method: &str, #[case] path: &str, #[case] is: AppCall<'_>) {
    assert_eq!(app_call(method, path, HEALTH, false), is);
}

#[test]
fn health_is_the_apps_unless_it_is_answered_here() {
    assert_eq!(app_call("GET", "/healthz", None, false), AppCall::Any);
}

#[rstest]
#[case::call("PUT", "/actors/Counter/1/method/add", false, "Counter/1", Turn::New)]
#[case::chain(
    "PUT",
    "/actors/Counter/1/method/add",
    true,
    "Counter/1",
    Turn::Reentrant
)]
#[case::timer(
    "PUT",
    "/actors/Counter/1/method/timer/tick",
    false,
    "Counter/1",
    Turn::New
)]
#[case::reminder(
    "PUT",
    "/actors/Counter/1/method/remind/method/x",
    false,
    "Counter/1",
    Turn::New
)]
#[case::slash(
    "PUT",
    "/actors/Counter/a/b/method/add",
    false,
    "Counter/a/b",
    Turn::New
)]
#[case::end("DELETE", "/actors/Counter/1", false, "Counter/1", Turn::Deactivation)]
fn reads_actor_calls(
    #[case] method: &str,
    #[case] path: &str,
    #[case] reentrant: bool,
    #[case] actor: &str,
    #[case] turn: Turn,
) {
    let AppCall::Actor(call) = app_call(method, path, HEALTH, reentrant) else {
        panic!("{path} is no actor call");
    };
    assert_eq!((call.path, call.turn), (actor, turn));
    assert_eq!(call.deactivation(), format!("/actors/{actor}"));
}

#[rstest]
#[case::grpc("POST", "/dapr.proto.runtime.v1.Dapr/Shutdown", ApiCall::Shutdown)]
#[case::http("POST", "/v1.0/shutdown", ApiCall::Shutdown)]
#[case::slashes("POST", "//v1.0//shutdown/", ApiCall::Shutdown)]
#[case::dots("POST", "/v1.0/x/.././shutdown", ApiCall::Shutdown)]
#[case::escaped("POST", "/v1.0/%73hutdown", ApiCall::Shutdown)]
#[case::another("GET", "/v1.0/shutdown", ApiCall::Call)]
#[case::method("POST", "/v1.0/invoke/a/method/v1.0/shutdown", ApiCall::Call)]
#[case::health("GET", "/v1.0/healthz", ApiCall::Health)]
#[case::outbound("GET", "/v1.0/healthz/outbound/", ApiCall::Health)]
#[case::posted_health("POST", "/v1.0/healthz", ApiCall::Call)]
#[case::hidden("GET", "/v1.0/healthz/../state/a/b", ApiCall::Call)]
#[case::state("GET", "/v1.0/state/a/b", ApiCall::Call)]
fn reads_what_apps_send(#[case] method: &str, #[case] path: &str, #[case] is: ApiCall) {
    assert_eq!(api_call(method, path), is);
}
