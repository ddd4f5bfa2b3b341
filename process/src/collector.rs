//! The process's own figures, under the names that dashboards know.

use std::fs;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

/// Reads `/proc/self` at each scrape.
#[derive(Debug)]
pub(crate) struct ProcessCollector;

/// Linux reports CPU time in hundredths of a second to every program (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        // A kernel that hides /proc costs the figures, not the scrape.
        if let Some(bytes) = resident_bytes() {
            let help = "Resident memory size in bytes.";
            gauge(&mut encoder, "process_resident_memory_bytes", help, bytes)?;
        }
        if let Some(descriptors) = open_descriptors() {
            gauge(
                &mut encoder,
                "process_open_fds",
                "Open file descriptors.",
                descriptors,
            )?;
        }
        let Some(seconds) = cpu_seconds() else {
            return Ok(());
        };
        let counter = ConstCounter::new(seconds);
        let help = "Total user and system CPU time spent in seconds.";
        let name = "process_cpu_seconds";
        counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: i64,
) -> Result<(), std::fmt::Error> {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<i64>()
        .ok()
        .map(|kib| kib * 1024)
}

fn open_descriptors() -> Option<i64> {
    i64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name is in brackets and may hold blanks; fields are counted after it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    #[test]
    fn reads_this_process() {
        assert!(super::resident_bytes().unwrap() > 100_000);
        assert!(super::open_descriptors().unwrap() > 2);
        assert!(super::cpu_seconds().unwrap() >= 0.0);
    }
}
