//! The app-id of a pod: what names its Services, its identity and its subscriptions.

use crate::warning::quoted;

/// The annotation that says it, and the label that pods with daprd, or bound to one, have.
pub const APP_ID: &str = "dapr.io/app-id";

/// Why an app-id can't be used. The text is shown to the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppIdError {
    /// Neither annotation nor pod name gives one.
    #[error("{APP_ID} is missing, and the pod has no name yet to take its place; set {APP_ID}")]
    Missing,
    /// A shared instance is named for it, so the name of one pod can't take its place.
    #[error(
        "{APP_ID} is missing, and pods can't be bound to a shared instance without it; set {APP_ID}"
    )]
    MissingForShared,
    /// It makes no service name.
    #[error(
        "{APP_ID}: {} is not valid: its service would be named {}, which must consist of lower \
         case letters, digits and '-', and begin and end with a letter or digit; change {APP_ID}",
        quoted(.0), quoted(&format!("{}-dapr", .0))
    )]
    Shape(String),
    /// It is no value of a label, by which a shared instance finds its pods.
    #[error(
        "{APP_ID}: {} is not valid for a shared instance: it must end with a letter or digit; \
         change {APP_ID}", quoted(.0)
    )]
    Label(String),
    /// It is too long.
    #[error(
        "{APP_ID}: {} is not valid: it has {} characters, and {most} are the most; change {APP_ID}",
        quoted(app_id), app_id.len()
    )]
    Long {
        /// The app-id.
        app_id: String,
        /// Most characters.
        most: usize,
    },
}

/// Checks an app-id of which names of up to `most` characters begin.
pub(crate) fn check(app_id: &str, most: usize) -> Result<(), AppIdError> {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    match app_id {
        "" => Err(AppIdError::Missing),
        long if long.len() > most => Err(AppIdError::Long {
            app_id: long.into(),
            most,
        }),
        odd if !odd.starts_with(edge) || odd.contains(|c| !edge(c) && c != '-') => {
            Err(AppIdError::Shape(odd.into()))
        }
        _ => Ok(()),
    }
}
