//! What stands in the way of an instance, and who has to know.

use crds::shared_instance::SharedInstance;
use injector_core::shared::{MODE, Mode};

use super::binding::Binding;
use super::decision::{App, Decision};
use super::facts::Conflict;
use super::instance::{is_managed, reference};

// === impl App ===

impl App<'_> {
    /// The same app ID for sidecars and an instance: both would register it.
    pub(super) fn clash(&self, decision: &mut Decision) -> Option<Conflict> {
        let by_person = self.instances.iter().any(|instance| !is_managed(instance));
        let sidecar = self.sidecars.first()?;
        if self.shared.is_empty() && !by_person {
            return None;
        }
        let other = self.shared.first().map_or_else(
            || "a SharedInstance".to_owned(),
            |(workload, _)| workload.label(),
        );
        let message = format!(
            "app ID {} is that of sidecars ({}) and of a shared instance ({other}) at once, so the \
             instance is left as it is: give one of them another dapr.io/app-id, or set \
             trilby.dev/mode to the same on both",
            self.key.app_id,
            sidecar.label(),
        );
        let conflict = Conflict::new("SidecarWithSameAppId", message);
        let shared = self.shared.iter().map(|(workload, _)| *workload);
        for workload in shared.chain(self.sidecars.iter().copied()) {
            decision.notice(
                workload.reference(),
                conflict.reason,
                conflict.message.clone(),
            );
        }
        for instance in &self.instances {
            decision.notice(
                reference(instance),
                conflict.reason,
                conflict.message.clone(),
            );
        }
        Some(conflict)
    }

    /// Workloads that want different instances: the oldest has its way.
    pub(super) fn dispute(&self, decision: &mut Decision) -> Option<Conflict> {
        let (oldest, mode) = self.shared.first()?;
        let differs =
            |(other, its): &&(&Binding, Mode)| its != mode || other.settings != oldest.settings;
        let mut first = None;
        for (other, its) in self.shared.iter().filter(differs) {
            let message = format!(
                "{} and {} share app ID {} and differ in {}: those of {}, the older one, are in \
                 effect; make them equal, or give one of them another dapr.io/app-id",
                oldest.label(),
                other.label(),
                self.key.app_id,
                differences((oldest, *mode), (other, *its)),
                oldest.label(),
            );
            decision.notice(other.reference(), "SettingsDiffer", message.clone());
            first.get_or_insert(Conflict::new("SettingsDiffer", message));
        }
        first
    }

    /// Of several instances for one app ID, the oldest is it.
    pub(super) fn refuse(
        &self,
        instance: &SharedInstance,
        others: &[&SharedInstance],
        decision: &mut Decision,
    ) {
        let name = instance.metadata.name.as_deref().unwrap_or_default();
        for other in others {
            let message = format!(
                "SharedInstance {name} has app ID {} already, and is older: delete one of them, or \
                 make this one for another appId",
                self.key.app_id,
            );
            let conflict = Conflict::new("AppIdTaken", message);
            decision.notice(reference(other), conflict.reason, conflict.message.clone());
            decision.actions.extend(conflict.refusal(other, self.now));
        }
    }
}

/// The names of what two workloads say differently.
fn differences((one, its): (&Binding, Mode), (other, others): (&Binding, Mode)) -> String {
    let keys = one.settings.keys().chain(other.settings.keys());
    let differs = |key: &&String| one.settings.get(*key) != other.settings.get(*key);
    let mut names: Vec<&str> = keys.filter(differs).map(String::as_str).collect();
    if its != others {
        names.push(MODE);
    }
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}
