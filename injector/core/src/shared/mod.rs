//! Shared instances: one daprd, in pods of its own, for all pods of an app.
//!
//! Whatever belongs to an instance has a name that follows from the app-id alone ([`Names`]), so
//! that pods can be bound before their instance exists.

mod ask;
mod binding;
mod function;
mod mode;
mod names;
mod takeover;
mod template;

pub use ask::{Ask, ask};
pub use binding::Binding;
pub use function::{ENABLE, FUNCTION_CONTEXTS, SERVICE_MODE, SERVING, function_app_id, wants_dapr};
pub use mode::{MODE, Mode, ModeError};
pub use names::Names;
pub use takeover::take_over;
pub use template::{App, Instance, Template, TemplateError};

/// Label of bound pods: the app-id of their instance.
pub const BOUND_TO: &str = "trilby.dev/bound-to";
/// Label of an instance's pods and of all its objects: the app-id.
pub const INSTANCE: &str = "trilby.dev/instance";

/// Annotation: the Secret, of type `kubernetes.io/tls`, by which an instance speaks TLS at its
/// [`HTTP_PORT`] and [`GRPC_PORT`]. Sidecars are reached on loopback, where it has no effect.
pub const API_TLS_SECRET: &str = "trilby.dev/api-tls-secret";

/// Annotation of an instance's pods: changes when daprd has to ask the app anew.
pub const APP_REVISION: &str = "trilby.dev/app-revision";

/// Key of an instance's Secret: the token that new pods get as `DAPR_API_TOKEN`.
pub const TOKEN: &str = "token";
/// Key of an instance's Secret: all tokens that are still good, one a line.
pub const ACCEPTED: &str = "accepted";
/// Key of an instance's Secret: the token that daprd shows to the app, `APP_API_TOKEN`.
pub const APP_TOKEN: &str = "app-token";

/// Port for apps in front of daprd's HTTP API.
pub const HTTP_PORT: u16 = 3500;
/// Port for apps in front of daprd's gRPC API.
pub const GRPC_PORT: u16 = 50001;
/// Port of the proxy's metrics; daprd's are on its own port.
pub const PROXY_METRICS_PORT: u16 = 9091;
/// Port of the proxy's health, on the pod's address.
pub const PROXY_HEALTH_PORT: u16 = 3511;
/// Port that daprd takes for the app's, on loopback.
pub const FORWARDER_PORT: u16 = 3510;
