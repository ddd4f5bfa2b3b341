//! What the Configuration tells sentry.

use std::collections::BTreeMap;

use config::{GoDuration, duration::DurationError};
use crds::configuration::{Configuration, TokenValidator};
use serde_json::Value;

use crate::{
    issue::Terms,
    key_source::{KeySource, KeySourceError},
};

const DEFAULT_TTL: GoDuration = GoDuration::from_secs(24 * 3600);
const DEFAULT_SKEW: GoDuration = GoDuration::from_secs(15 * 60);

/// Where sentry runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// On files, for processes of one machine.
    Standalone,
    /// In a cluster.
    Kubernetes,
}

/// A way in which callers prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Not at all.
    Insecure,
    /// By a service account token.
    Kubernetes,
    /// By a JWT of a known key set.
    Jwks,
}

/// What the Configuration tells sentry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Lifetime of workload certificates.
    pub terms: Terms,
    /// What callers that name no method get; `None` if they must name one.
    pub default_method: Option<Method>,
    /// Where the JWKS method finds its keys, if it is asked for.
    pub jwks: Option<KeySource>,
    mode: Mode,
}

/// Why a Configuration is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// `spec.mtls.workloadCertTTL`.
    #[error("error parsing WorkloadCertTTL duration")]
    Ttl(#[source] DurationError),
    /// `spec.mtls.allowedClockSkew`.
    #[error("error parsing AllowedClockSkew duration")]
    Skew(#[source] DurationError),
    /// `spec.mtls.tokenValidators` names a built-in validator.
    #[error(
        "invalid token validator: the built-in 'kubernetes' and 'insecure' validators cannot be configured manually"
    )]
    BuiltIn,
    /// `spec.mtls.tokenValidators` names an unknown validator.
    #[error("invalid token validator name: '{0}'; supported values: 'jwks'")]
    Unknown(String),
    /// An option of the JWKS method.
    #[error("invalid token validator")]
    Jwks(#[from] KeySourceError),
}

// === impl Settings ===

impl Settings {
    /// Reads the part of a Configuration that concerns sentry.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn read(configuration: &Configuration, mode: Mode) -> Result<Self, SettingsError> {
        let mtls = configuration
            .spec
            .as_ref()
            .and_then(|spec| spec.mtls.clone());
        let mtls = mtls.unwrap_or_default();
        let duration = |text: Option<String>, default| match text.filter(|text| !text.is_empty()) {
            Some(text) => text.parse::<GoDuration>(),
            None => Ok(default),
        };
        let ttl = duration(mtls.workload_cert_ttl, DEFAULT_TTL).map_err(SettingsError::Ttl)?;
        let skew = duration(mtls.allowed_clock_skew, DEFAULT_SKEW).map_err(SettingsError::Skew)?;
        let jwks = jwks(&mtls.token_validators.unwrap_or_default())?;
        let default_method = match mode {
            Mode::Kubernetes => Some(Method::Kubernetes),
            Mode::Standalone if jwks.is_none() => Some(Method::Insecure),
            Mode::Standalone => None,
        };
        Ok(Self {
            terms: Terms { ttl, skew },
            default_method,
            jwks,
            mode,
        })
    }

    /// Whether callers may use the method.
    pub fn allows(&self, method: Method) -> bool {
        match method {
            Method::Insecure => self.mode == Mode::Standalone && self.jwks.is_none(),
            Method::Kubernetes => self.mode == Mode::Kubernetes,
            Method::Jwks => self.jwks.is_some(),
        }
    }
}

/// The options of the last entry count, as later entries replace earlier ones of the same name.
fn jwks(entries: &[TokenValidator]) -> Result<Option<KeySource>, SettingsError> {
    let mut found = None;
    for entry in entries {
        let name = entry.name.as_deref().unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "jwks" => found = Some(KeySource::read(&options(entry.options.as_ref()))?),
            "kubernetes" | "insecure" => return Err(SettingsError::BuiltIn),
            _ => return Err(SettingsError::Unknown(name.to_owned())),
        }
    }
    Ok(found)
}

/// Values are as text, keys in lower case.
fn options(value: Option<&Value>) -> BTreeMap<String, String> {
    let entries = value.and_then(Value::as_object).into_iter().flatten();
    entries
        .map(|(key, value)| (key.to_ascii_lowercase(), text(value)))
        .collect()
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn read(mtls: &Value, mode: Mode) -> Result<Settings, SettingsError> {
        let configuration = serde_json::from_value(json!({"spec": {"mtls": mtls}})).unwrap();
        Settings::read(&configuration, mode)
    }

    #[test]
    fn has_defaults_for_all() {
        let settings = Settings::read(&Configuration::default(), Mode::Standalone).unwrap();
        assert_eq!(
            settings.terms,
            Terms {
                ttl: DEFAULT_TTL,
                skew: DEFAULT_SKEW
            }
        );
        assert_eq!(settings.default_method, Some(Method::Insecure));
    }

    #[test]
    fn reads_durations_and_tolerates_null() {
        let mtls = json!({"enabled": null, "workloadCertTTL": "10s", "allowedClockSkew": "-5s"});
        let settings = read(&mtls, Mode::Kubernetes).unwrap();
        let (ttl, skew) = (GoDuration::from_secs(10), GoDuration::from_secs(-5));
        assert_eq!(settings.terms, Terms { ttl, skew });
    }

    #[rstest]
    #[case::plain(json!([]), Mode::Standalone, Some(Method::Insecure), [true, false, false])]
    #[case::jwks(json!([{"name": "JWKS"}]), Mode::Standalone, None, [false, false, true])]
    #[case::cluster(json!(null), Mode::Kubernetes, Some(Method::Kubernetes), [false, true, false])]
    #[case::both(json!([{"name": "jwks"}]), Mode::Kubernetes, Some(Method::Kubernetes), [false, true, true])]
    fn chooses_methods(
        #[case] validators: Value,
        #[case] mode: Mode,
        #[case] default: Option<Method>,
        #[case] allowed: [bool; 3],
    ) {
        let settings = read(&json!({"tokenValidators": validators}), mode).unwrap();
        assert_eq!(settings.default_method, default);
        let methods = [Method::Insecure, Method::Kubernetes, Method::Jwks];
        assert_eq!(methods.map(|method| settings.allows(method)), allowed);
    }

    #[rstest]
    #[case::ttl(json!({"workloadCertTTL": "1 day"}), "WorkloadCertTTL")]
    #[case::skew(json!({"allowedClockSkew": "x"}), "AllowedClockSkew")]
    #[case::built_in(json!({"tokenValidators": [{"name": "Insecure"}]}), "built-in")]
    #[case::unknown(json!({"tokenValidators": [{"name": "unknown"}]}), "'unknown'")]
    fn refuses_by_name(#[case] mtls: Value, #[case] text: &str) {
        let error = read(&mtls, Mode::Kubernetes).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }

    #[test]
    fn reads_options_of_any_case_and_type() {
        let mtls = json!({"tokenValidators": [{"name": "jwks", "options": {"minRefreshInterval": 5, "SOURCE": "x"}}]});
        let options = read(&mtls, Mode::Standalone).unwrap().jwks.unwrap();
        assert_eq!(options.min_refresh.as_secs(), 5);
        assert_eq!(options.source, "x");
    }
}
