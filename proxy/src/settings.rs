//! From flags to what the parts are told.

use std::{sync::Arc, time::Duration};

use config::GoDuration;
use proxy_core::{limits, patience, pool::Locality};

use crate::{
    exclusive::{self, Exclusive},
    flags::{AppFlags, GuardFlags},
    forwarder::{self, Checks, Forwarder},
    guard::{self, OwnToken, TokenFile},
    metrics::Metrics,
    random,
};

/// Go's durations may be negative; for all of ours that means none.
pub(crate) fn positive(duration: GoDuration) -> Duration {
    duration.as_std().unwrap_or_default()
}

/// Unlike the name of any other instance, and of this pod's earlier lives.
fn unlike_others() -> String {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    format!("{host}_{:x}", random::number())
}

// === impl AppFlags ===

impl AppFlags {
    pub(crate) fn settings(&self, metrics: &Metrics) -> forwarder::Settings {
        let text = |text: &Option<String>| {
            let text = text.as_deref().filter(|text| !text.is_empty());
            text.map(Arc::from)
        };
        forwarder::Settings {
            locality: Locality {
                node: text(&self.node_name),
                zone: text(&self.zone),
                spill: self.spill,
            },
            holding: patience::Bounds {
                calls: self.hold_limit,
                call: positive(self.hold_timeout),
                once: positive(self.hold_subscriptions_timeout),
            },
            connect: positive(self.connect_timeout),
            checks: self.enable_app_health_check.then(|| self.checks()),
            exclusive: self.lease.is_some().then(|| self.exclusive(metrics)),
        }
    }

    fn exclusive(&self, metrics: &Metrics) -> Arc<Exclusive> {
        let bounds = exclusive::Bounds {
            events: self.hold_limit,
            event: positive(self.hold_timeout),
        };
        let revision = self.app_revision.clone();
        Exclusive::new(&unlike_others(), revision, bounds, metrics.clone())
    }

    fn checks(&self) -> Checks {
        Checks {
            path: format!("/{}", self.app_health_check_path.trim_start_matches('/')),
            protocol: self.app_protocol,
            interval: positive(self.app_health_probe_interval),
            timeout: positive(self.app_health_probe_timeout),
            threshold: self.app_health_threshold,
        }
    }

    pub(crate) fn port(&self) -> Option<u16> {
        (self.app_port != 0).then_some(self.app_port)
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.app_service.is_some() || self.app_address.is_some()
    }
}

// === impl GuardFlags ===

impl GuardFlags {
    pub(crate) fn settings(&self, forwarder: &Arc<Forwarder>) -> guard::Settings {
        guard::Settings {
            bounds: limits::Bounds {
                connections: self.client_connections,
                requests: self.client_requests,
            },
            sources: self.allow_from.clone(),
            app: self.allow_from_app.then(|| forwarder.clone()),
            tokens: self.tokens(),
            own: OwnToken::default(),
        }
    }

    fn tokens(&self) -> Option<TokenFile> {
        let paths = self.api_token_file.clone();
        let grace = positive(self.api_token_grace);
        (!paths.is_empty()).then(|| TokenFile::new(paths, grace))
    }
}
