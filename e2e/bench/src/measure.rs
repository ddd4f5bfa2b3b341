//! One service, both makers: start, rest, load.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use cluster::Progress;
use tokio::time::sleep;

use crate::{
    figures::{Figure, Row},
    flags::Flags,
    load,
    service::{Maker, Service},
    stage::Stage,
    usage,
};

/// What a start leaves to do after it is healthy is not yet rest.
const SETTLE: Duration = Duration::from_secs(2);

/// All figures of a service.
pub(crate) async fn service(stage: &Stage, service: Service, flags: &Flags) -> Result<Vec<Row>> {
    let say = |what: &str| Progress.note(&format!("{}: {what}", service.name()));
    say("starts");
    let starts = starts(stage, service, flags.starts).await?;
    let mut figures = starts.map(|start| vec![Figure::millis("start to healthy", start)]);
    for (maker, figures) in Maker::BOTH.into_iter().zip(&mut figures) {
        say(&format!("{} at rest and under load", maker.name()));
        figures.push(size(stage, service, maker)?);
        figures.extend(run(stage, service, maker, flags).await?);
    }
    let [ours, original] = figures;
    Row::pair(service.name(), ours, &original)
}

/// The median start of each maker. They take turns, so that a busy moment meets both.
async fn starts(stage: &Stage, service: Service, count: u8) -> Result<[Duration; 2]> {
    let mut times = [vec![], vec![]];
    for _ in 0..count {
        for (maker, times) in Maker::BOTH.into_iter().zip(&mut times) {
            let (launch, site) = stage.launch(service, maker)?;
            let (running, taken) = launch.start_healthy(site.healthz).await?;
            times.push(taken);
            running.interrupt().await?;
        }
    }
    Ok(times.map(median))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn size(stage: &Stage, service: Service, maker: Maker) -> Result<Figure> {
    let file = stage.binary(service, maker);
    let size = fs::metadata(&file).with_context(|| format!("look at {}", file.display()))?;
    Ok(Figure::bytes("binary", size.len()))
}

/// One start, rested, then loaded.
async fn run(stage: &Stage, service: Service, maker: Maker, flags: &Flags) -> Result<Vec<Figure>> {
    let (launch, site) = stage.launch(service, maker)?;
    let (mut running, _) = launch.start_healthy(site.healthz).await?;
    let mut figures = rest(running.pid(), flags.rest()).await?;
    let load = load::run(service, maker, &running, stage, &site, flags.load()).await?;
    if !load.is_empty() {
        figures.extend(load);
        figures.extend(Figure::memory("after load", usage::memory(running.pid())?));
    }
    running.alive()?;
    running.interrupt().await?;
    Ok(figures)
}

async fn rest(pid: u32, time: Duration) -> Result<Vec<Figure>> {
    sleep(SETTLE).await;
    let before = usage::cpu(pid)?;
    sleep(time).await;
    let used = usage::cpu(pid)?.saturating_sub(before);
    let mut figures = Vec::from(Figure::memory("at rest", usage::memory(pid)?));
    let what = format!("CPU in {} s at rest", time.as_secs());
    figures.push(Figure::millis(what, used));
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let times = [9, 1, 5].map(Duration::from_secs).to_vec();
        assert_eq!(median(times), Duration::from_secs(5));
    }
}
