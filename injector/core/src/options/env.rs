//! Variables of daprd, from `dapr.io/env` and `dapr.io/env-from-secret`.

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, SecretKeySelector};

use super::Reader;

const PLAIN: &str = "dapr.io/env";
const SECRET: &str = "dapr.io/env-from-secret";

/// The variables in order, and the names that components may read. A name may lack its variable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Env {
    pub(crate) variables: Vec<EnvVar>,
    pub(crate) names: Vec<String>,
}

// === impl Env ===

impl Env {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut env = Self::default();
        for (name, value) in pairs(reader, PLAIN) {
            env.variables.push(plain(&name, value));
            env.names.push(name);
        }
        for (name, value) in pairs(reader, SECRET) {
            env.variables.extend(secret(reader, &name, &value));
            env.names.push(name);
        }
        env
    }
}

/// A variable with a value; an empty one is left out, as Kubernetes does.
pub(crate) fn plain(name: &str, value: impl Into<String>) -> EnvVar {
    let value = Some(value.into()).filter(|value| !value.is_empty());
    EnvVar {
        name: name.into(),
        value,
        value_from: None,
    }
}

/// A variable that Kubernetes takes from a Secret.
pub(crate) fn from_secret(name: &str, secret: &str, key: &str) -> EnvVar {
    let secret = SecretKeySelector {
        name: secret.into(),
        key: key.into(),
        optional: None,
    };
    let source = EnvVarSource {
        secret_key_ref: Some(secret),
        ..EnvVarSource::default()
    };
    EnvVar {
        name: name.into(),
        value: None,
        value_from: Some(source),
    }
}

/// A variable that Kubernetes takes from a field of the pod.
pub(crate) fn from_field(name: &str, path: &str) -> EnvVar {
    let field = ObjectFieldSelector {
        api_version: None,
        field_path: path.into(),
    };
    let source = EnvVarSource {
        field_ref: Some(field),
        ..EnvVarSource::default()
    };
    EnvVar {
        name: name.into(),
        value: None,
        value_from: Some(source),
    }
}

fn secret(reader: &mut Reader<'_>, name: &str, value: &str) -> Option<EnvVar> {
    let value = value.trim();
    match value.split(':').collect::<Vec<_>>()[..] {
        [both] => Some(from_secret(name, both, both)),
        [secret, key] => Some(from_secret(name, secret.trim(), key.trim())),
        _ => {
            let remedy = "write NAME=secret:key, or NAME=secret";
            reader.warn(
                SECRET,
                value,
                "has more than one colon and was ignored",
                remedy,
            );
            None
        }
    }
}

/// The parts of an annotation as name and value; a part without `=` is dropped.
fn pairs(reader: &mut Reader<'_>, key: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for part in parts(reader.raw(key).unwrap_or_default()) {
        match part.split_once('=') {
            Some((name, value)) => pairs.push((name.to_owned(), value.to_owned())),
            None if part.is_empty() => {}
            None => reader.warn(
                key,
                part,
                "has no \"=\" and was ignored",
                "write NAME=value",
            ),
        }
    }
    pairs
}

/// Cuts at each comma that an assignment follows; other commas belong to the value.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (comma, _) in text.match_indices(',') {
        if begins_assignment(&text[comma + 1..]) {
            parts.push(text[start..comma].trim());
            start = comma + 1;
        }
    }
    parts.push(text[start..].trim());
    parts
}

/// Whether `text` begins, after white space, with an identifier and `=`.
fn begins_assignment(text: &str) -> bool {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']);
    let name = text
        .split('=')
        .next()
        .filter(|name| name.len() < text.len());
    name.is_some_and(|name| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one("A=1", &["A=1"])]
    #[case::commas_in_a_value("A=1, B=x,y,C= z", &["A=1", "B=x,y", "C= z"])]
    #[case::dotted("OTEL=a.b=1,c.d=2,X=3", &["OTEL=a.b=1,c.d=2", "X=3"])]
    #[case::identifier("OTEL=a=1,c=2", &["OTEL=a=1", "c=2"])]
    #[case::newline("A=1,\n B=2", &["A=1", "B=2"])]
    #[case::trailing("A=1,", &["A=1,"])]
    #[case::empty("", &[""])]
    #[case::word("A", &["A"])]
    fn cuts(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(parts(text), expected);
    }
}
