//! Tables, as placement spreads them when a sidecar comes or goes.

mod crowd;
mod http2;

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::{task::LocalSet, time::sleep};

use self::crowd::{Crowd, Way};
use crate::{
    dialer::Dialer,
    figures::Figure,
    service::{Maker, Service, Site},
    stage::Stage,
    usage,
};

/// Simulated sidecars, and how often one comes and goes.
#[derive(Clone, Copy)]
struct Size {
    sidecars: usize,
    turns: u32,
    /// With TLS the simulation has as much to do as the server.
    tls: bool,
}

const SIZES: [Size; 6] = [
    Size::plain(50, 20),
    Size::plain(500, 20),
    Size::plain(2_000, 5),
    Size::plain(5_000, 2),
    Size::tls(500, 10),
    Size::tls(2_000, 3),
];
/// Between two steps.
const PAUSE: Duration = Duration::from_millis(20);
/// The app that all sidecars belong to which have to prove it.
const APP: &str = "shop";

/// The figures of all crowds, each with a placement of its own. What did not happen in time is
/// infinite.
pub(super) async fn run(stage: &Stage, maker: Maker) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for size in SIZES {
        let site = Site::new(&stage.folder("placement-load")?)?;
        let program = stage.binary(Service::Placement, maker);
        let launch = Service::Placement.launch(program, &site, size.tls.then_some(stage));
        let (running, _) = launch.start_healthy(site.healthz).await?;
        let way = if size.tls {
            Way::Tls(Dialer::of_app(stage, APP, "dapr-placement", site.port).await?)
        } else {
            Way::Plain(site.port)
        };
        let crowd = measure(running.pid(), way, size);
        figures.extend(LocalSet::new().run_until(crowd).await?);
        // Thousands of connections go at once; how it ends then is not what is measured.
        drop(running);
    }
    Ok(figures)
}

/// What was used since some moment.
struct Used {
    placement: Duration,
    simulation: Duration,
    bytes: u64,
}

async fn measure(pid: u32, way: Way, size: Size) -> Result<Vec<Figure>> {
    let (crowd, begun) = (Crowd::of(way), Instant::now());
    (0..size.sidecars).for_each(|_| crowd.join());
    let mut all = crowd.unlocked_above(0).await;
    let gathered = begun.elapsed();
    sleep(PAUSE).await;
    let before = Used::now(pid, &crowd)?;
    let (mut joins, mut waited) = (Vec::new(), Duration::ZERO);
    for _ in 0..size.turns {
        for comes in [true, false] {
            let version = crowd.version();
            let begun = Instant::now();
            if comes {
                crowd.join();
            } else {
                crowd.leave();
            }
            all = all && crowd.unlocked_above(version).await;
            waited += begun.elapsed();
            if comes {
                joins.push(begun.elapsed());
            }
            sleep(PAUSE).await;
        }
    }
    joins.sort_unstable();
    let steps = 2 * size.turns;
    let middle = joins.get(joins.len() / 2).copied().unwrap_or_default();
    let used = Used::now(pid, &crowd)?.since(&before);
    let each = used.bytes / u64::from(steps) / u64::try_from(size.sidecars)?;
    let memory = usage::memory(pid)?.resident * 1024;
    let told = |name: &str| format!("{size}: {name}");
    let figures = [
        Figure::millis(told("from none to all unlocked"), gathered),
        Figure::millis(told("a join, until all are unlocked"), middle),
        Figure::millis(told("CPU a step"), used.placement / steps),
        Figure::millis(
            told("CPU of the simulation a step"),
            used.simulation / steps,
        ),
        Figure::new(
            told("share of the simulation"),
            "%",
            share(used.simulation, waited),
        ),
        Figure::new(told("to each a step"), "KiB", kibibytes(each)),
        Figure::bytes(told("RSS"), memory),
        Figure::new(told("streams lost"), "", f64::from(crowd.lost())),
    ];
    Ok(figures
        .into_iter()
        .map(|figure| if all { figure } else { endless(figure) })
        .collect())
}

/// Percent of all processors during that time.
fn share(used: Duration, time: Duration) -> f64 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let whole = time * u32::try_from(processors).unwrap_or(u32::MAX);
    100.0 * used.as_secs_f64() / whole.as_secs_f64()
}

// === impl Size ===

impl Size {
    const fn plain(sidecars: usize, turns: u32) -> Self {
        Self {
            sidecars,
            turns,
            tls: false,
        }
    }

    const fn tls(sidecars: usize, turns: u32) -> Self {
        Self {
            tls: true,
            ..Self::plain(sidecars, turns)
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.tls { ", TLS" } else { "" };
        write!(f, "{} sidecars{how}", self.sidecars)
    }
}

// === impl Used ===

impl Used {
    fn now(placement: u32, crowd: &Crowd) -> Result<Self> {
        Ok(Self {
            placement: usage::cpu(placement)?,
            simulation: usage::cpu(std::process::id())?,
            bytes: crowd.bytes(),
        })
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            placement: self.placement.saturating_sub(before.placement),
            simulation: self.simulation.saturating_sub(before.simulation),
            bytes: self.bytes - before.bytes,
        }
    }
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
