//! The Configuration, from a file or from the cluster. Read once: a change needs a restart.

use std::path::PathBuf;

use config::yaml::{self, YamlError};
use crds::configuration::Configuration;
use kube::{Api, Client};

/// Why there is no Configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// The file can't be read.
    #[error("read the Configuration file {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// The file holds something else.
    #[error("parse the Configuration file {}", .0.display())]
    Parse(PathBuf, #[source] YamlError),
    /// The API server has none, or refuses.
    #[error("get Configuration {name} of namespace {namespace}")]
    Get {
        /// Name of the Configuration.
        name: String,
        /// Its namespace.
        namespace: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
}

/// Reads a Configuration file; an empty one holds the defaults. Variables of the environment are
/// filled in before it is parsed, as daprd does with the same file.
///
/// # Errors
/// If the file is missing, unreadable or no Configuration.
pub fn from_file(path: &str) -> Result<Configuration, ConfigurationError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigurationError::Read(path.into(), error))?;
    let text = expand(&text, |name| std::env::var(name).unwrap_or_default());
    let documents = yaml::documents::<Configuration>(&text)
        .map_err(|error| ConfigurationError::Parse(path.into(), error))?;
    Ok(documents.into_iter().next().unwrap_or_default())
}

/// Reads a Configuration of the cluster.
///
/// # Errors
/// If there is none, or the API server refuses.
pub async fn from_cluster(
    client: Client,
    namespace: &str,
    name: &str,
) -> Result<Configuration, ConfigurationError> {
    let found = Api::<Configuration>::namespaced(client, namespace)
        .get(name)
        .await;
    found.map_err(|error| ConfigurationError::Get {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        source: Box::new(error),
    })
}

/// Replaces `$NAME` and `${NAME}` by what `lookup` says; any other dollar sign stays.
fn expand(text: &str, lookup: impl Fn(&str) -> String) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        rest = after;
        if let Some((name, after)) = variable(after) {
            expanded.push_str(&lookup(name));
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded + rest
}

/// The name at the start of the text behind a dollar sign, and what follows it.
fn variable(text: &str) -> Option<(&str, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        return braced.split_once('}').filter(|(name, _)| !name.is_empty());
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_variables() {
        let expanded = expand("a: $A\nb: ${B}x\nc: 5$ $\nd: ${\n", str::to_lowercase);
        assert_eq!(expanded, "a: a\nb: bx\nc: 5$ $\nd: ${\n");
    }

    #[test]
    fn takes_an_empty_file_but_no_missing_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        assert_eq!(from_file(&path).unwrap(), Configuration::default());
        std::fs::write(&path, "spec:\n  mtls:\n    workloadCertTTL: 10s\n").unwrap();
        let mtls = from_file(&path).unwrap().spec.unwrap().mtls.unwrap();
        assert_eq!(mtls.workload_cert_ttl.as_deref(), Some("10s"));
        drop(file);
        assert!(matches!(
            from_file(&path),
            Err(ConfigurationError::Read(..))
        ));
    }
}
