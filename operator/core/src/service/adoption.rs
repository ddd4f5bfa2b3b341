//! Taking over Services that were written by updates, before server-side apply.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;

/// Who we are to the API server when we apply.
pub const FIELD_MANAGER: &str = "dapr-operator";

/// Who the original was when it updated.
const FORMER_MANAGER: &str = "operator";

/// The entries with the former owner's made ours; none if there are none of those.
///
/// Without this, a port that the former owner wrote would stay for ever, because an apply removes
/// only what the same owner applied before.
pub fn adopted(entries: &[ManagedFieldsEntry]) -> Option<Vec<ManagedFieldsEntry>> {
    entries
        .iter()
        .any(is_former)
        .then(|| entries.iter().cloned().map(adopt).collect())
}

fn is_former(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(FORMER_MANAGER)
        && entry.operation.as_deref() == Some("Update")
        && entry.subresource.as_deref().unwrap_or_default().is_empty()
}

fn adopt(entry: ManagedFieldsEntry) -> ManagedFieldsEntry {
    if !is_former(&entry) {
        return entry;
    }
    ManagedFieldsEntry {
        manager: Some(FIELD_MANAGER.to_owned()),
        operation: Some("Apply".to_owned()),
        ..entry
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn entry(manager: &str, operation: &str, subresource: Option<&str>) -> ManagedFieldsEntry {
        ManagedFieldsEntry {
            manager: Some(manager.to_owned()),
            operation: Some(operation.to_owned()),
            subresource: subresource.map(str::to_owned),
            ..ManagedFieldsEntry::default()
        }
    }

    #[test]
    fn former_owner_becomes_us_and_others_stay() {
        let others = entry("kubectl", "Update", None);
        let adopted = adopted(&[others.clone(), entry("operator", "Update", None)]).unwrap();
        assert_eq!(adopted, [others, entry(FIELD_MANAGER, "Apply", None)]);
    }

    #[rstest]
    #[case(entry("operator", "Apply", None))]
    #[case(entry("operator", "Update", Some("status")))]
    #[case(entry(FIELD_MANAGER, "Apply", None))]
    fn nothing_to_adopt(#[case] only: ManagedFieldsEntry) {
        assert_eq!(adopted(&[only]), None);
    }
}
