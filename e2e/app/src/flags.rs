use clap::{ArgAction, Parser, ValueEnum};

/// How the sidecar talks to this application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    Http,
    Grpc,
}

/// An application with a Dapr sidecar, to be driven over HTTP
#[derive(Debug, Parser)]
pub(crate) struct Flags {
    /// Where the sidecar calls
    #[arg(long, env, default_value_t = 3000)]
    pub(crate) app_port: u16,
    /// How the sidecar calls
    #[arg(long, env, value_enum, default_value_t = Protocol::Http)]
    pub(crate) protocol: Protocol,
    /// Where people and tests call if the protocol is gRPC; else it is the app port
    #[arg(long, env, default_value_t = 3001)]
    pub(crate) driver_port: u16,
    /// The sidecar's HTTP port on localhost
    #[arg(long, env, default_value_t = 3500)]
    pub(crate) dapr_http_port: u16,
    /// Where daprd's HTTP API is, if not on localhost
    #[arg(long, env)]
    pub(crate) dapr_http_endpoint: Option<String>,
    /// What daprd wants to see
    #[arg(long, env, hide_env_values = true)]
    pub(crate) dapr_api_token: Option<String>,
    /// The state store's name
    #[arg(long, env, default_value = "statestore")]
    pub(crate) state_store: String,
    /// The publish and subscribe component's name
    #[arg(long, env, default_value = "pubsub")]
    pub(crate) pubsub: String,
    /// The topics to subscribe to
    #[arg(long, env, value_delimiter = ',')]
    pub(crate) topics: Vec<String>,
    /// Whether to host actors
    #[arg(long, env, action = ArgAction::Set, default_value_t = true)]
    pub(crate) host_actors: bool,
    /// Their type
    #[arg(long, env, default_value = "counter")]
    pub(crate) actor_type: String,
    /// Get this URL, print the answer, and end; success decides the exit code
    #[arg(long)]
    pub(crate) get: Option<String>,
    /// After that ask the sidecar to end, as jobs do
    #[arg(long, requires = "get")]
    pub(crate) shutdown: bool,
    /// Tell the application at this URL of each event before it is acknowledged
    #[arg(long, env)]
    pub(crate) ledger: Option<String>,
    /// What `/hello` answers; a pod's host name is the pod's name
    #[arg(long, env, default_value = "testapp")]
    pub(crate) hostname: String,
}

impl Flags {
    /// The port of the HTTP server.
    pub(crate) fn http_port(&self) -> u16 {
        match self.protocol {
            Protocol::Http => self.app_port,
            Protocol::Grpc => self.driver_port,
        }
    }
}
