//! Tables, as placement spreads them when a sidecar comes or goes.

mod crowd;
mod http2;

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::{task::LocalSet, time::sleep};

use self::crowd::Crowd;
use crate::{
    figures::Figure,
    service::{Maker, Service, Site},
    stage::Stage,
    usage,
};

/// How many sidecars, and how often one comes and goes.
const CROWDS: [(usize, u32); 4] = [(50, 20), (500, 20), (2_000, 5), (5_000, 2)];
/// Between two steps.
const PAUSE: Duration = Duration::from_millis(20);

/// The figures of all crowds, each with a placement of its own and without TLS, so that the
/// simulated sidecars are not what limits. What did not happen in time is infinite.
pub(super) async fn run(stage: &Stage, maker: Maker) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (size, turns) in CROWDS {
        let site = Site::new(&stage.folder("placement-load")?)?;
        let program = stage.binary(Service::Placement, maker);
        let launch = Service::Placement.launch(program, &site, None);
        let (running, _) = launch.start_healthy(site.healthz).await?;
        let crowd = measure(running.pid(), site.port, size, turns);
        figures.extend(LocalSet::new().run_until(crowd).await?);
        // Thousands of connections go at once; how it ends then is not what is measured.
        drop(running);
    }
    Ok(figures)
}

async fn measure(pid: u32, port: u16, size: usize, turns: u32) -> Result<Vec<Figure>> {
    let crowd = Crowd::of(port);
    (0..size).for_each(|_| crowd.join());
    let mut all = crowd.unlocked_above(0).await;
    sleep(PAUSE).await;
    let (own, used, bytes) = (
        usage::cpu(std::process::id())?,
        usage::cpu(pid)?,
        crowd.bytes(),
    );
    let mut joins = Vec::new();
    for _ in 0..turns {
        for comes in [true, false] {
            let version = crowd.version();
            let begun = Instant::now();
            if comes {
                crowd.join();
            } else {
                crowd.leave();
            }
            all = all && crowd.unlocked_above(version).await;
            if comes {
                joins.push(begun.elapsed());
            }
            sleep(PAUSE).await;
        }
    }
    joins.sort_unstable();
    let steps = 2 * turns;
    let told = |name: &str| format!("{size} sidecars: {name}");
    let middle = joins.get(joins.len() / 2).copied().unwrap_or_default();
    let used = usage::cpu(pid)?.saturating_sub(used) / steps;
    let own = usage::cpu(std::process::id())?.saturating_sub(own) / steps;
    let each = (crowd.bytes() - bytes) / u64::from(steps) / u64::try_from(size)?;
    let memory = usage::memory(pid)?.resident * 1024;
    let figures = [
        Figure::millis(told("a join, until all are unlocked"), middle),
        Figure::millis(told("CPU a step"), used),
        Figure::millis(told("CPU of the simulation a step"), own),
        Figure::new(told("to each a step"), "KiB", kibibytes(each)),
        Figure::bytes(told("RSS"), memory),
        Figure::new(told("streams lost"), "", f64::from(crowd.lost())),
    ];
    Ok(figures
        .into_iter()
        .map(|figure| if all { figure } else { endless(figure) })
        .collect())
}

/// Streams lost are a count in any case.
fn endless(figure: Figure) -> Figure {
    if figure.unit.is_empty() {
        return figure;
    }
    Figure {
        value: f64::INFINITY,
        ..figure
    }
}

#[expect(clippy::cast_precision_loss, reason = "no size here has 53 bits")]
fn kibibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}
