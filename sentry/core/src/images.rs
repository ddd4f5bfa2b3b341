//! The extension that names the container images of a workload.

use serde::Serialize;

use crate::x509::extension::Extension;

/// Dapr's extension for container images (Dapr: `pkg/sentry/server/ca`).
pub const OID: &[u64] = &[1, 3, 6, 1, 4, 1, 57683, 100, 1];

/// The sidecar's container.
const SIDECAR: &str = "daprd";

/// An image that a container of the workload's pod runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    role: Role,
    #[serde(rename = "containerName")]
    container: String,
    #[serde(rename = "image")]
    reference: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    digest: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Daprd,
    App,
}

// === impl Image ===

impl Image {
    /// The image of a container: its name as in the pod's spec, and `image_id` as in the pod's
    /// status, empty before the container has run.
    pub fn new(container: &str, image: &str, image_id: &str) -> Self {
        Self {
            role: if container == SIDECAR {
                Role::Daprd
            } else {
                Role::App
            },
            container: container.to_owned(),
            reference: image.to_owned(),
            digest: digest(image_id).to_owned(),
        }
    }
}

/// Container runtimes write `repository@sha256:..`, some only `sha256:..`.
fn digest(image_id: &str) -> &str {
    match image_id.rsplit_once('@') {
        Some((_, digest)) => digest,
        None if image_id.starts_with("sha256:") => image_id,
        None => "",
    }
}

/// The extension, or none if no image is known.
pub(crate) fn extension(images: &[Image]) -> Option<Extension> {
    if images.is_empty() {
        return None;
    }
    let json = serde_json::to_string(images).ok()?;
    Some(Extension::octets(OID, escape(&json).as_bytes()))
}

/// Go's encoder escapes these three inside strings, and they can't stand anywhere else.
fn escape(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::repository("ghcr.io/a/b@sha256:12", "sha256:12")]
    #[case::bare("sha256:12", "sha256:12")]
    #[case::two("a@b@sha256:12", "sha256:12")]
    #[case::other("docker://12", "")]
    #[case::none("", "")]
    fn reads_digests(#[case] image_id: &str, #[case] expected: &str) {
        assert_eq!(digest(image_id), expected);
    }

    #[test]
    fn writes_the_keys_in_the_order_that_clients_compare() {
        let images = [
            Image::new("daprd", "daprio/daprd:1.18.2", "x@sha256:1"),
            Image::new("app", "a&b", ""),
        ];
        let json = escape(&serde_json::to_string(&images).unwrap());
        assert_eq!(
            json,
            r#"[{"role":"daprd","containerName":"daprd","image":"daprio/daprd:1.18.2","digest":"sha256:1"},{"role":"app","containerName":"app","image":"a\u0026b"}]"#
        );
    }
}
