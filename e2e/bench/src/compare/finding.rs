//! What was found out about one pod.

use std::mem::discriminant;

use anyhow::Result;
use serde_json::json;

use super::{
    Both,
    cases::Case,
    difference::{Difference, differences},
    injector::Answer,
};

/// Where two answers differ in kind.
const ANSWER: &str = "answer";

/// All that was found out about one pod.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) case: String,
    pub(super) differences: Vec<Difference>,
    /// The operations of both in their order, where only that differs.
    pub(super) orders: Option<[Vec<String>; 2]>,
    pub(super) validity: Validity,
    /// What is wrong whatever the original does.
    pub(super) faults: Vec<String>,
}

/// Whether the API server takes the pods as they were patched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity {
    Both,
    OnlyOurs,
    OnlyOriginal,
    Neither,
    /// No patch to look at from at least one.
    Unpatched,
}

// === impl Finding ===

impl Finding {
    /// Has both look at the pod of the case.
    pub(super) async fn of(both: &Both<'_>, case: &Case) -> Result<Self> {
        let original = both.original.answer(case, &case.pod).await?;
        let ours = both.ours.answer(case, &case.pod).await?;
        let mut faults = Vec::from_iter(again(both, case, &ours, "its own").await?);
        faults.extend(again(both, case, &original, "the original's").await?);
        let (validity, refusal) = validity(both, case, &original, &ours).await?;
        faults.extend(refusal);
        let differences = compare(&original, &ours);
        let reordered = differences.is_empty() && original.order() != ours.order();
        Ok(Self {
            case: case.name.clone(),
            differences,
            orders: reordered.then(|| [original.order().to_vec(), ours.order().to_vec()]),
            validity,
            faults,
        })
    }
}

fn compare(original: &Answer, ours: &Answer) -> Vec<Difference> {
    match (original.pod(), ours.pod()) {
        (Some(original), Some(ours)) => differences(original, ours),
        // What a denial says is each maker's own.
        _ if discriminant(original) == discriminant(ours) => vec![],
        _ => vec![Difference {
            at: ANSWER.into(),
            original: json!(original.told()),
            ours: json!(ours.told()),
        }],
    }
}

/// Has ours look at a patched pod, as the API server may: it must leave it as it is.
async fn again(
    both: &Both<'_>,
    case: &Case,
    answer: &Answer,
    whose: &str,
) -> Result<Option<String>> {
    let Some(pod) = answer.pod() else {
        return Ok(None);
    };
    let second = both.ours.answer(case, pod).await?;
    let unchanged = matches!(second, Answer::Unpatched);
    Ok((!unchanged).then(|| format!("ours reviews a pod with {whose} patch: {}", second.told())))
}

/// Also the fault, where ours is refused though the original's is taken.
async fn validity(
    both: &Both<'_>,
    case: &Case,
    original: &Answer,
    ours: &Answer,
) -> Result<(Validity, Option<String>)> {
    let (Some(original), Some(ours)) = (original.pod(), ours.pod()) else {
        return Ok((Validity::Unpatched, None));
    };
    let original = both.dry_run.refusal(&case.namespace, original).await?;
    let ours = both.dry_run.refusal(&case.namespace, ours).await?;
    Ok(match (original, ours) {
        (None, None) => (Validity::Both, None),
        (Some(_), None) => (Validity::OnlyOurs, None),
        (Some(_), Some(_)) => (Validity::Neither, None),
        (None, Some(reason)) => {
            let fault =
                format!("the API server takes the original's pod and refuses ours: {reason}");
            (Validity::OnlyOriginal, Some(fault))
        }
    })
}
