//! What a pod's annotations ask for. Each annotation is named once, in this folder.
//!
//! What can't be read is ignored, as daprd's users are used to, but never silently: each such
//! value makes a [`Warning`](crate::Warning). (Dapr: `pkg/injector/patcher/sidecar.go`.)

mod app;
mod container;
mod env;
mod reader;
mod runtime;

use self::reader::Reader;
pub(crate) use self::{
    app::App,
    container::{Components, Container, Mount, Probe},
    env::{Env, from_secret, plain},
    runtime::{CONFIGURATION, Limits, Listen, Log, Services, Shutdown},
};
use crate::{Cluster, Native, Warning, defaults::Layers};

/// All options of one pod, with the defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) app: App,
    pub(crate) listen: Listen,
    pub(crate) log: Log,
    pub(crate) services: Services,
    pub(crate) limits: Limits,
    pub(crate) shutdown: Shutdown,
    pub(crate) container: Container,
    pub(crate) components: Components,
}

// === impl Options ===

impl Options {
    pub(crate) fn read(layers: Layers<'_>, cluster: &Cluster) -> (Self, Vec<Warning>) {
        let mut reader = Reader::new(layers);
        let native = match cluster.native {
            Native::All => true,
            Native::OfJobs => layers.pod.is_of_job(),
            Native::None => false,
        };
        let options = Self {
            app: App::read(&mut reader),
            listen: Listen::read(&mut reader),
            log: Log::read(&mut reader),
            services: Services::read(&mut reader),
            limits: Limits::read(&mut reader),
            shutdown: Shutdown::read(&mut reader),
            container: Container::read(&mut reader, cluster, native),
            components: Components::read(&mut reader, cluster),
        };
        (options, reader.into_warnings())
    }
}

#[cfg(test)]
mod tests;
