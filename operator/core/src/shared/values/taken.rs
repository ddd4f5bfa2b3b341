//! What becomes of each value.

use serde_json::{Map, Value, json};

use super::{Values, ValuesError, invalid};

/// Annotations with the value of a key, and what the chart has where the value is left out, as far
/// as that differs from what sidecars have.
const SETTINGS: [(&str, &str, Option<&str>); 13] = [
    ("shared.log.level", "dapr.io/log-level", None),
    ("shared.log.json", "dapr.io/log-as-json", Some("true")),
    ("shared.daprd.config", "dapr.io/config", None),
    (
        "shared.daprd.internalGrpcPort",
        "dapr.io/internal-grpc-port",
        None,
    ),
    (
        "shared.daprd.metrics.enabled",
        "dapr.io/enable-metrics",
        None,
    ),
    ("shared.daprd.metrics.port", "dapr.io/metrics-port", None),
    (
        "shared.daprd.apiLogging.enabled",
        "dapr.io/enable-api-logging",
        Some("true"),
    ),
    (
        "shared.daprd.appHealth.enabled",
        "dapr.io/enable-app-health-check",
        None,
    ),
    (
        "shared.daprd.appHealth.path",
        "dapr.io/app-health-check-path",
        None,
    ),
    // The chart's values name the key above, its template reads this one.
    (
        "shared.daprd.appHealth.checkPath",
        "dapr.io/app-health-check-path",
        None,
    ),
    (
        "shared.daprd.appHealth.probeInterval",
        "dapr.io/app-health-probe-interval",
        None,
    ),
    (
        "shared.daprd.appHealth.probeTimeout",
        "dapr.io/app-health-probe-timeout",
        None,
    ),
    (
        "shared.daprd.appHealth.threshold",
        "dapr.io/app-health-threshold",
        None,
    ),
];

const ADDRESSES: &str = "the operator tells instances where the control plane is";
const IMAGE: &str = "instances have the image that sidecars have; for another one, set \
                     dapr.io/sidecar-image in spec.annotations";
const INIT: &str =
    "there is no init container any more, and no key of the authority outside sentry";
const PORTS: &str = "apps reach instances on 3500 and 50001";
const TOKENS: &str = "tokens are made, and followed by others, by the operator; for one of your own, \
                      name its Secret by dapr.io/api-token-secret in spec.annotations";
const APP_TOKEN: &str = "a token is made by the operator; for one of your own, name its Secret by \
                         dapr.io/app-token-secret in spec.annotations";
const NAMES: &str = "all names follow from the app ID";
const SECURITY: &str = "instances pass the restricted Pod Security Standard as they are";

/// Keys that have no place, and why.
const LEFT_OUT: [(&str, &str); 34] = [
    ("shared.controlPlane.namespace", ADDRESSES),
    ("shared.controlPlane.trustDomain", ADDRESSES),
    ("shared.controlPlane.operatorAddress", ADDRESSES),
    ("shared.controlPlane.placementServerAddress", ADDRESSES),
    ("shared.controlPlane.sentryAddress", ADDRESSES),
    ("shared.controlPlane.operator.address", ADDRESSES),
    ("shared.controlPlane.operator.port", ADDRESSES),
    ("shared.controlPlane.sentry.address", ADDRESSES),
    ("shared.controlPlane.sentry.port", ADDRESSES),
    ("shared.controlPlane.placementServer.address", ADDRESSES),
    ("shared.controlPlane.placementServer.port", ADDRESSES),
    ("shared.scheduler.address", ADDRESSES),
    (
        "shared.serviceAccount.annotations",
        "make the account with its annotations, and set spec.serviceAccountName",
    ),
    ("shared.initContainer.image.registry", INIT),
    ("shared.initContainer.image.name", INIT),
    ("shared.initContainer.image.tag", INIT),
    ("shared.initContainer.image.pullPolicy", INIT),
    ("shared.initContainer.token", APP_TOKEN),
    (
        "shared.daprd.serviceAccountIdentityToken.audience",
        ADDRESSES,
    ),
    ("shared.daprd.app.token", APP_TOKEN),
    ("shared.daprd.token", TOKENS),
    ("shared.daprd.httpPort", PORTS),
    ("shared.daprd.grpcPort", PORTS),
    ("shared.daprd.publicPort", PORTS),
    (
        "shared.daprd.listenAddresses",
        "daprd listens on loopback, behind the proxy",
    ),
    ("shared.daprd.image.registry", IMAGE),
    ("shared.daprd.image.name", IMAGE),
    ("shared.daprd.image.tag", IMAGE),
    ("shared.daprd.image.pullPolicy", IMAGE),
    (
        "shared.daprd.mtls.enabled",
        "instances speak mTLS where the cluster's sidecars do",
    ),
    ("podSecurityContext", SECURITY),
    ("securityContext", SECURITY),
    ("nameOverride", NAMES),
    ("fullnameOverride", NAMES),
];

// === impl Values ===

impl Values {
    /// The spec, of all values that have a place in it.
    pub(super) fn spec(&mut self) -> Result<Value, ValuesError> {
        let mut spec = json!({});
        self.strategy(&mut spec)?;
        self.app(&mut spec)?;
        self.account(&mut spec)?;
        self.scheduling(&mut spec)?;
        if let Some(type_) = self.text("shared.service.type")? {
            let known = ["ClusterIP", "NodePort", "LoadBalancer"].contains(&type_.as_str());
            if !known {
                let expected = "ClusterIP, NodePort or LoadBalancer";
                return Err(invalid("shared.service.type", &type_.into(), expected));
            }
            spec["service"] = json!({"type": type_});
        }
        self.annotations(&mut spec)?;
        Ok(spec)
    }

    /// Takes out all that has no place, and says so.
    pub(super) fn left_out(&mut self) {
        for (key, why) in LEFT_OUT {
            let taken = self.take(key);
            if taken.is_some_and(|value| !is_empty(&value)) {
                self.remark(key, why);
            }
        }
    }

    fn strategy(&mut self, spec: &mut Value) -> Result<(), ValuesError> {
        let replicas = self.number("shared.deployment.replicas")?;
        let strategy = self.text("shared.strategy")?;
        match strategy.as_deref() {
            None | Some("daemonset") => {
                spec["strategy"] = "DaemonSet".into();
                if replicas.is_some() {
                    let why = "a DaemonSet has one instance on each node";
                    self.remark("shared.deployment.replicas", why);
                }
            }
            Some("deployment") => {
                spec["strategy"] = "Deployment".into();
                spec["replicas"] = replicas.unwrap_or(1).into();
            }
            Some(other) => {
                let value = other.into();
                return Err(invalid(
                    "shared.strategy",
                    &value,
                    "daemonset or deployment",
                ));
            }
        }
        Ok(())
    }

    /// Without a port daprd calls nobody.
    fn app(&mut self, spec: &mut Value) -> Result<(), ValuesError> {
        const PORT: &str = "shared.remotePort";
        let host = self.text("shared.remoteURL")?;
        let port = self.number(PORT)?.unwrap_or_default();
        let protocol = self.text("shared.daprd.app.protocol")?;
        if let Some(protocol) = &protocol
            && !["http", "https", "grpc", "grpcs", "h2c"].contains(&protocol.as_str())
        {
            let expected = "http, https, grpc, grpcs or h2c";
            return Err(invalid(
                "shared.daprd.app.protocol",
                &protocol.as_str().into(),
                expected,
            ));
        }
        if !(0..=65535).contains(&port) {
            return Err(invalid(
                PORT,
                &port.into(),
                "a port from 1 to 65535, or 0 for no app",
            ));
        }
        match host {
            Some(host) if port > 0 => {
                spec["app"] = json!({"host": self.host(&host), "port": port});
                if let Some(protocol) = protocol {
                    spec["app"]["protocol"] = protocol.into();
                }
            }
            Some(_) => self.remark(
                "shared.remoteURL",
                "without shared.remotePort there is no app",
            ),
            None if port > 0 => {
                self.remark(
                    PORT,
                    "without shared.remoteURL it is that of the bound pods",
                );
                spec["app"] = json!({"port": port});
            }
            None => {}
        }
        Ok(())
    }

    /// The chart's own tests give a URL, which daprd can't use.
    fn host(&mut self, text: &str) -> String {
        const KEY: &str = "shared.remoteURL";
        let host = text.split_once("://").map_or(text, |(_, rest)| rest);
        let host = host.split('/').next().unwrap_or_default();
        if host != text {
            self.remark(KEY, format!("taken over as the host {host:?}"));
        }
        let why = "calls go where this name leads; to have them spread over the app's pods, with \
                   actors kept in one, replace spec.app.host by spec.app.selector with their labels";
        self.remark(KEY, why);
        host.to_owned()
    }

    fn account(&mut self, spec: &mut Value) -> Result<(), ValuesError> {
        const NAME: &str = "shared.serviceAccount.name";
        let create = self.flag("shared.serviceAccount.create")?.unwrap_or(true);
        match self.text(NAME)? {
            Some(_) if create => self.remark(NAME, NAMES),
            Some(name) => spec["serviceAccountName"] = name.into(),
            None if create => {}
            None => spec["serviceAccountName"] = "default".into(),
        }
        Ok(())
    }

    fn scheduling(&mut self, spec: &mut Value) -> Result<(), ValuesError> {
        if let Some(nodes) = self.object("shared.scheduling.nodeSelector")? {
            spec["nodeSelector"] = nodes.into();
        }
        if let Some(affinity) = self.object("affinity")? {
            spec["affinity"] = affinity.into();
        }
        let list = |value: &Value| value.as_array().cloned();
        let secrets = self.parsed("imagePullSecrets", "a list", list)?;
        if let Some(secrets) = secrets {
            spec["imagePullSecrets"] = secrets.into();
        }
        let tolerations = self.parsed("tolerations", "a list", list)?;
        spec["tolerations"] = tolerations.unwrap_or_else(control_plane).into();
        Ok(())
    }

    fn annotations(&mut self, spec: &mut Value) -> Result<(), ValuesError> {
        let mut settings = Map::new();
        for (key, annotation, default) in SETTINGS {
            let value = self.parsed(key, "a text, a number or true or false", scalar)?;
            let value = value.filter(|text| !text.is_empty());
            if let Some(value) = value.or_else(|| default.map(str::to_owned)) {
                settings.insert(annotation.to_owned(), value.into());
            }
        }
        let grace = self.number("shared.daprd.gracefulShutdownSeconds")?;
        if let Some(seconds) = grace.filter(|seconds| *seconds >= 0) {
            let seconds = seconds.to_string();
            settings.insert(
                "dapr.io/graceful-shutdown-seconds".to_owned(),
                seconds.into(),
            );
        }
        let mut others = Map::new();
        for (key, value) in self.object("podAnnotations")?.unwrap_or_default() {
            let place = if key.starts_with("dapr.io/") {
                &mut settings
            } else {
                &mut others
            };
            place.insert(key, value);
        }
        spec["annotations"] = settings.into();
        if !others.is_empty() {
            spec["podAnnotations"] = others.into();
        }
        Ok(())
    }
}

/// What the chart bears where nothing else is said.
fn control_plane() -> Vec<Value> {
    let toleration = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoSchedule"});
    vec![
        toleration("node-role.kubernetes.io/control-plane"),
        toleration("node-role.kubernetes.io/master"),
    ]
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}
