//! The one place that speaks YAML; everything else in the workspace is JSON.

use serde::{Serialize, de::DeserializeOwned};

/// A text is no YAML, or not of the wanted shape.
#[derive(Debug, thiserror::Error)]
#[error("the YAML could not be read or written")]
pub struct YamlError(#[from] serde_yaml::Error);

/// Reads one document.
///
/// # Errors
/// If the text is no YAML or has another shape.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    Ok(serde_yaml::from_str(text)?)
}

/// Reads all documents of a stream; empty ones are left out.
///
/// # Errors
/// If any document is no YAML or has another shape.
pub fn documents<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, YamlError> {
    let mut found = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let value = <serde_yaml::Value as serde::Deserialize>::deserialize(document)?;
        if !value.is_null() {
            found.push(serde_yaml::from_value(value)?);
        }
    }
    Ok(found)
}

/// Writes one document.
///
/// # Errors
/// If the value has no YAML form, such as a map with a map as key.
pub fn to_string<T: Serialize>(value: &T) -> Result<String, YamlError> {
    Ok(serde_yaml::to_string(value)?)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn reads_many_documents_and_skips_empty_ones() {
        let found: Vec<Value> = documents("a: 1\n---\n---\n# nothing\n---\na: 2\n").unwrap();
        assert_eq!(found, [json!({"a": 1}), json!({"a": 2})]);
    }

    #[test]
    fn refuses_duplicate_keys() {
        assert!(from_str::<serde_yaml::Value>("a: 1\na: 2\n").is_err());
    }

    /// Go's parser for Kubernetes objects follows YAML 1.1 only for untyped booleans; Dapr's
    /// own Configuration fields are typed, so 1.2 reading of `yes` as text is what they need.
    #[test]
    fn reads_words_as_text_and_numbers_as_numbers() {
        let value: Value = from_str("a: yes\nb: 0x10\nc: 1e3\n").unwrap();
        assert_eq!(value, json!({"a": "yes", "b": 16, "c": 1000.0}));
    }

    #[test]
    fn writes_what_it_reads() {
        let value = json!({"kind": "Configuration", "spec": {"mtls": {"enabled": true}}});
        assert_eq!(
            from_str::<Value>(&to_string(&value).unwrap()).unwrap(),
            value
        );
    }
}
