//! The token by which a process proves to sentry who it is.

use std::{env, io, path::PathBuf};

use proto::sentry::v1::sign_certificate_request::TokenValidator;
use secrecy::SecretString;

/// The variable that names another token file.
const OVERRIDE: &str = "DAPR_SENTRY_TOKEN_FILE";
/// The token that the chart mounts, bound to sentry as audience.
const BOUND: &str = "/var/run/secrets/dapr.io/sentrytoken/token";
/// The service account's general token.
const LEGACY: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The token file can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("{OVERRIDE} is set but empty: name a file, or unset it")]
    NoName,
    #[error("the token file {path} could not be read")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the token file {0} is empty")]
    Empty(PathBuf),
}

/// The token and who is to check it, read anew for each request since tokens rotate.
///
/// Without any token file the token is empty and sentry's default validator decides.
pub(crate) fn read(kubernetes: bool) -> Result<(SecretString, TokenValidator), TokenError> {
    if let Some(name) = env::var_os(OVERRIDE) {
        let validator = if kubernetes {
            TokenValidator::Kubernetes
        } else {
            TokenValidator::Jwks
        };
        return Ok((from_file(PathBuf::from(name))?, validator));
    }
    for path in [BOUND, LEGACY].map(PathBuf::from) {
        if kubernetes && path.exists() {
            return Ok((from_file(path)?, TokenValidator::Kubernetes));
        }
    }
    Ok((SecretString::default(), TokenValidator::Unknown))
}

fn from_file(path: PathBuf) -> Result<SecretString, TokenError> {
    if path.as_os_str().is_empty() {
        return Err(TokenError::NoName);
    }
    match std::fs::read_to_string(&path) {
        Ok(token) if token.is_empty() => Err(TokenError::Empty(path)),
        Ok(token) => Ok(token.into()),
        Err(source) => Err(TokenError::Unreadable { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn an_empty_or_missing_file_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let missing = from_file(path.clone()).unwrap_err();
        assert!(missing.to_string().contains(path.to_str().unwrap()));
        std::fs::write(&path, "").unwrap();
        assert!(matches!(from_file(path.clone()), Err(TokenError::Empty(_))));
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(from_file(path).unwrap().expose_secret(), "abc");
        assert!(matches!(from_file(PathBuf::new()), Err(TokenError::NoName)));
    }
}
