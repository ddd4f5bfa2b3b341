//! Load on a running service, and what it costs.

mod callers;
mod disseminate;
mod resources;
mod review;
mod sign;
mod vouch;

use std::time::Duration;

use anyhow::Result;

use crate::{
    figures::Figure,
    running::Running,
    service::{Maker, Service, Site},
    stage::Stage,
};

/// The figures under load.
pub(crate) async fn run(
    service: Service,
    maker: Maker,
    running: &Running,
    stage: &Stage,
    site: &Site,
    time: Duration,
) -> Result<Vec<Figure>> {
    match service {
        Service::Injector => review::run(running.pid(), stage, site, time).await,
        Service::Sentry => {
            let mut figures = sign::run(running.pid(), site, time).await?;
            figures.extend(vouch::run(stage, maker, time).await?);
            Ok(figures)
        }
        Service::Placement => disseminate::run(stage, maker).await,
        Service::Operator => resources::run(running.pid(), stage, site, time).await,
    }
}
