//! Functions of `OpenFunction` that would share a daprd in `OpenFunction`'s way.
//!
//! `OpenFunction` runs a proxy of one replica for such a function, unless its serving names a mode
//! that `OpenFunction` does not know. So that is written, and ours beside it. It is written on the
//! Function: of the Servings made of it `OpenFunction` keeps a hash, and one that was changed on
//! its way would be made anew for ever.

use serde_json::{Value, json};

use super::{
    MODE, Mode,
    function::{SERVICE_MODE, STANDALONE, wants_dapr},
};
use crate::{Injection, Warning, operations::Operations};

/// In the place of [`SERVICE_MODE`]: `OpenFunction` has nothing to do.
const NEITHER: &str = "none";

/// What is changed in a Function, so that its pods use a shared instance of ours. No operations for
/// one that has a sidecar, wants no Dapr or was changed before.
///
/// # Errors
/// A part of the patch can't be written as JSON.
pub fn take_over(function: &Value) -> Result<Injection, serde_json::Error> {
    let serving = &function["spec"]["serving"];
    let annotations = &serving["annotations"];
    let mut injection = Injection::default();
    if !wants_dapr(serving) || !is_standalone(&annotations[SERVICE_MODE]) {
        return Ok(injection);
    }
    let own = annotations[MODE].as_str();
    let service = match own.map(str::parse) {
        Some(Ok(Mode::Sidecar)) => Mode::Sidecar.as_str(),
        _ => NEITHER,
    };
    let path = ["spec", "serving", "annotations"];
    let mut operations = Operations::default();
    if !annotations.is_object() {
        operations.add(&path, json!({}))?;
    }
    let mut write = |key, value| operations.add(&[&path[..], &[key]].concat(), value);
    write(SERVICE_MODE, service)?;
    if own.is_none() {
        write(MODE, Mode::SharedDeployment.as_str())?;
        injection.warnings.push(told());
    }
    injection.patch.0 = operations.0;
    Ok(injection)
}

fn is_standalone(service: &Value) -> bool {
    service.as_str().is_none_or(|mode| mode == STANDALONE)
}

fn told() -> Warning {
    Warning::new(format!(
        "spec.serving.annotations: this Function uses a shared instance of daprd ({MODE}: {}) in \
         the place of OpenFunction's proxy; write {SERVICE_MODE}: {} for a sidecar",
        Mode::SharedDeployment,
        Mode::Sidecar,
    ))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::shared::ENABLE;

    fn taken(annotations: Option<Value>) -> Value {
        let mut function = json!({"spec": {"serving": {"triggers": {"dapr": [{"name": "in"}]}}}});
        if let Some(annotations) = annotations {
            function["spec"]["serving"]["annotations"] = annotations;
        }
        let injection = take_over(&function).unwrap();
        json_patch::patch(&mut function, &injection.patch).unwrap();
        let again = take_over(&function).unwrap();
        assert!(again.patch.0.is_empty(), "it is changed once: {again:?}");
        function["spec"]["serving"]["annotations"].take()
    }

    #[rstest]
    #[case::no_annotations(None)]
    #[case::none_of_ours(Some(json!({})))]
    #[case::standalone(Some(json!({SERVICE_MODE: "standalone"})))]
    #[case::another_mode_of_ours(Some(json!({MODE: "shared-daemonset"})))]
    fn what_is_standalone_is_taken_over(#[case] annotations: Option<Value>) {
        let own = annotations.as_ref().and_then(|it| it.get(MODE)).cloned();
        let taken = taken(annotations);
        assert_eq!(taken[SERVICE_MODE], "none");
        assert_eq!(taken[MODE], own.unwrap_or(json!("shared-deployment")));
    }

    #[rstest]
    #[case::a_sidecar(json!({SERVICE_MODE: "sidecar"}))]
    #[case::no_dapr(json!({ENABLE: "false"}))]
    #[case::neither(json!({SERVICE_MODE: "other"}))]
    fn others_are_left_alone(#[case] annotations: Value) {
        assert_eq!(taken(Some(annotations.clone())), annotations);
    }

    #[test]
    fn our_word_for_a_sidecar_is_told_open_function() {
        let taken = taken(Some(json!({MODE: "sidecar"})));
        assert_eq!(taken, json!({MODE: "sidecar", SERVICE_MODE: "sidecar"}));
    }

    #[rstest]
    #[case(json!({}))]
    #[case(json!({"spec": null}))]
    #[case(json!({"spec": {"serving": {"annotations": [], "triggers": {"http": {}}}}}))]
    fn functions_without_dapr_are_none_of_ours(#[case] function: Value) {
        let injection = take_over(&function).unwrap();
        assert!(injection.patch.0.is_empty(), "{injection:?}");
    }
}
