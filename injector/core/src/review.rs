//! The `AdmissionReview` on the wire, `v1` and `v1beta1` alike.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Denial, Injection, Warning, pod::nullable};

/// A review as the API server posts it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Review<'a> {
    /// Echoed in the answer.
    #[serde(default, deserialize_with = "nullable")]
    pub api_version: String,
    /// Echoed in the answer.
    #[serde(default, deserialize_with = "nullable")]
    pub kind: String,
    /// What is asked.
    #[serde(borrow)]
    pub request: Request<'a>,
}

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    /// Echoed in the answer.
    #[serde(default, deserialize_with = "nullable")]
    pub uid: String,
    /// Kind of the object.
    #[serde(default, deserialize_with = "nullable")]
    pub kind: GroupVersionKind,
    /// Namespace of the object; the object itself may not name it yet.
    #[serde(default, deserialize_with = "nullable")]
    pub namespace: String,
    /// Who asks.
    #[serde(default, deserialize_with = "nullable")]
    pub user_info: UserInfo,
    /// Whether nothing will come of it.
    #[serde(default, deserialize_with = "nullable")]
    pub dry_run: bool,
    /// The object, as text.
    #[serde(borrow)]
    pub object: Option<&'a RawValue>,
}

/// Kind of the object; group and version don't matter here.
#[derive(Debug, Default, Deserialize)]
pub struct GroupVersionKind {
    /// Its kind.
    #[serde(default, deserialize_with = "nullable")]
    pub kind: String,
}

/// Who asks.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct UserInfo {
    /// Name, for a service account `system:serviceaccount:<namespace>:<name>`.
    #[serde(default, deserialize_with = "nullable")]
    pub username: String,
    /// UID of the account.
    #[serde(default, deserialize_with = "nullable")]
    pub uid: String,
    /// Groups of the account.
    #[serde(default, deserialize_with = "nullable")]
    pub groups: Vec<String>,
}

/// A body that is no review.
#[derive(Debug, thiserror::Error)]
#[error("the body is not an AdmissionReview with a request")]
pub struct ReviewError(#[source] serde_json::Error);

/// The answer, ready to be written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    #[serde(skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    api_version: String,
    #[serde(rename = "response")]
    body: Body,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Status {
    metadata: Empty,
    message: String,
}

/// Serialises as `{}`, which Go's clients expect in a status.
#[derive(Debug, Serialize)]
struct Empty {}

// === impl Review ===

impl<'a> Review<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// The body is not JSON, or not a review with a request.
    pub fn read(body: &'a [u8]) -> Result<Self, ReviewError> {
        serde_json::from_slice(body).map_err(ReviewError)
    }

    /// Allows the object as it is.
    pub fn allow(self, warnings: &[Warning]) -> Response {
        self.answer(Body {
            warnings: texts(warnings),
            ..Body::allowed()
        })
    }

    /// Refuses the object.
    pub fn deny(self, denial: &Denial) -> Response {
        self.answer(Body::denied(denial.to_string()))
    }

    /// Allows the object with changes, if there are any.
    ///
    /// # Errors
    /// The patch can't be written as JSON.
    pub fn patch(self, injection: &Injection) -> Result<Response, serde_json::Error> {
        if injection.patch.is_empty() {
            return Ok(self.allow(&injection.warnings));
        }
        let patch = serde_json::to_vec(&injection.patch)?;
        Ok(self.answer(Body {
            patch: Some(STANDARD.encode(patch)),
            patch_type: Some("JSONPatch"),
            warnings: texts(&injection.warnings),
            ..Body::allowed()
        }))
    }

    fn answer(self, body: Body) -> Response {
        let body = Body {
            uid: self.request.uid,
            ..body
        };
        Response {
            kind: self.kind,
            api_version: self.api_version,
            body,
        }
    }
}

fn texts(warnings: &[Warning]) -> Vec<String> {
    warnings.iter().map(ToString::to_string).collect()
}

// === impl Response ===

impl Response {
    /// The answer to a body that could not be read: nothing of it can be echoed.
    pub fn unreadable(error: &ReviewError) -> Self {
        let message = format!("{error}: {}", error.0);
        Self {
            kind: String::new(),
            api_version: String::new(),
            body: Body::denied(message),
        }
    }
}

// === impl Body ===

impl Body {
    const fn allowed() -> Self {
        Self {
            uid: String::new(),
            allowed: true,
            status: None,
            patch: None,
            patch_type: None,
            warnings: Vec::new(),
        }
    }

    fn denied(message: String) -> Self {
        let status = Some(Status {
            metadata: Empty {},
            message,
        });
        Self {
            allowed: false,
            status,
            ..Self::allowed()
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const REVIEW: &str = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1",
        "request":{"uid":"u1","object":null,"userInfo":null,"operation":"CREATE"}}"#;

    #[test]
    fn echoes_version_and_uid() {
        let review = Review::read(REVIEW.as_bytes()).unwrap();
        let answer = serde_json::to_value(review.allow(&[])).unwrap();
        let expected = json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1beta1",
            "response": {"uid": "u1", "allowed": true}});
        assert_eq!(answer, expected);
    }

    #[rstest]
    #[case("")]
    #[case("{")]
    #[case("[]")]
    #[case(r#"{"kind":"AdmissionReview"}"#)]
    #[case(r#"{"request":null}"#)]
    fn answers_what_is_no_review(#[case] body: &str) {
        let error = Review::read(body.as_bytes()).unwrap_err();
        let answer = serde_json::to_value(Response::unreadable(&error)).unwrap();
        assert_eq!(answer["response"]["allowed"], json!(false));
        assert_eq!(answer["response"]["uid"], json!(""));
        assert!(answer.get("kind").is_none());
        assert!(
            answer["response"]["status"]["message"]
                .as_str()
                .unwrap()
                .contains("AdmissionReview")
        );
    }
}
