//! From what was seen to the registry.

use crds::shared_instance::SharedInstance;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use operator_core::shared::{
    AppKey, Binding, BindingKey, BoundKind, Look, ObjectKey, ObjectKind, Seen,
};
use process::kubernetes::Event;

use super::Controller;
use super::observe::Source;

// === impl Controller ===

impl Controller {
    pub(super) fn take_workloads(
        &mut self,
        kind: BoundKind,
        event: Event<Result<Binding, BindingKey>>,
    ) -> Look {
        match event {
            Event::Reset(workloads) => {
                self.unheard.remove(&Source::Workloads(kind));
                let workloads = workloads.into_iter().filter_map(Result::ok);
                self.registry.reset_workloads(kind, workloads.collect())
            }
            Event::Apply(Ok(workload)) => self.registry.apply_workload(workload),
            Event::Apply(Err(key)) | Event::Delete(Err(key)) => {
                self.registry.delete_workload(&key).into_iter().collect()
            }
            Event::Delete(Ok(workload)) => {
                let gone = self.registry.delete_workload(workload.key());
                gone.into_iter().collect()
            }
        }
    }

    pub(super) fn take_namespaces(&mut self, event: Event<Box<ObjectMeta>>) -> Look {
        match event {
            Event::Reset(namespaces) => {
                self.unheard.remove(&Source::Namespaces);
                self.registry
                    .reset_namespaces(namespaces.iter().map(|it| &**it))
            }
            Event::Apply(namespace) => self.registry.apply_namespace(&namespace),
            Event::Delete(namespace) => {
                let name = namespace.name.unwrap_or_default();
                self.registry.delete_namespace(&name)
            }
        }
    }

    pub(super) fn take_instances(&mut self, event: Event<Box<SharedInstance>>) -> Look {
        match event {
            Event::Reset(instances) => {
                self.unheard.remove(&Source::Instances);
                self.registry
                    .reset_instances(instances.into_iter().map(|it| *it))
            }
            Event::Apply(instance) => self
                .registry
                .apply_instance(*instance)
                .into_iter()
                .collect(),
            Event::Delete(instance) => {
                let gone = self.registry.delete_instance(&instance);
                if let Some(app) = &gone {
                    self.forget(app);
                }
                gone.into_iter().collect()
            }
        }
    }

    pub(super) fn take_pods(&mut self, event: Event<Box<Pod>>) -> Look {
        match event {
            Event::Reset(pods) => {
                self.unheard.remove(&Source::Pods);
                self.registry.reset_pods(pods.iter().map(|it| &**it))
            }
            Event::Apply(pod) => self.registry.apply_pod(&pod).into_iter().collect(),
            Event::Delete(pod) => self.registry.delete_pod(&pod).into_iter().collect(),
        }
    }

    pub(super) fn take_slices(&mut self, event: Event<Box<EndpointSlice>>) -> Look {
        match event {
            Event::Reset(slices) => {
                self.unheard.remove(&Source::Slices);
                self.registry.reset_slices(slices.iter().map(|it| &**it))
            }
            Event::Apply(slice) => self.registry.apply_slice(&slice).into_iter().collect(),
            Event::Delete(slice) => self.registry.delete_slice(&slice).into_iter().collect(),
        }
    }

    pub(super) fn take_objects(
        &mut self,
        kind: ObjectKind,
        event: Event<(AppKey, ObjectKey, Seen)>,
    ) -> Look {
        match event {
            Event::Reset(objects) => {
                self.unheard.remove(&Source::Objects(kind));
                self.registry.reset_objects(kind, objects)
            }
            Event::Apply((app, key, seen)) => self
                .registry
                .apply_object(app, key, seen)
                .into_iter()
                .collect(),
            Event::Delete((app, key, _)) => {
                self.registry.delete_object(app, &key).into_iter().collect()
            }
        }
    }

    /// Another instance for the app begins anew.
    fn forget(&mut self, app: &AppKey) {
        self.ledger.lock().forget(app);
        self.secrets.remove(app);
        self.failures.remove(app);
    }
}
