//! The whole run, its table and its JSON.

use std::{fmt::Write, fs};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{figures::Row, flags::Flags, measure, service::Maker, stage::Stage};

/// Measures everything, prints the table and writes the JSON.
pub(crate) async fn run(flags: &Flags) -> Result<()> {
    let workspace = fs::canonicalize(&flags.workspace).context("open the checkout")?;
    let mut busy = vec![load_average()?];
    let stage = Stage::set(&workspace, &Maker::BOTH).await?;
    let mut rows = Vec::new();
    for service in flags.services() {
        rows.extend(measure::service(&stage, service, flags).await?);
        busy.push(load_average()?);
    }
    print!("{}", table(&rows));
    println!("Ratio: ours to the original's; where the unit is a rate, more is better.");
    println!("Load average before, and after each service: {busy:?}");
    let file = workspace.join(".cache/bench/results.json");
    file.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(
        &file,
        serde_json::to_vec_pretty(&describe(&rows, flags, &busy))?,
    )
    .with_context(|| format!("write {}", file.display()))?;
    println!("JSON: {}", file.display());
    Ok(())
}

/// How many threads wanted a processor in the last minute: a busy machine makes all times longer.
fn load_average() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().context("read /proc/loadavg")
}

fn table(rows: &[Row]) -> String {
    let mut text = line("service", "measure", "unit", "ours", "original", "ratio");
    let mut last = "";
    for row in rows {
        // A service is named once, on its first line.
        let name = if row.service == last { "" } else { row.service };
        last = row.service;
        let ratio = row
            .ratio()
            .map_or("-".into(), |ratio| format!("{ratio:.2}"));
        let values = [row.ours, row.original].map(shown);
        text += &line(name, &row.measure, row.unit, &values[0], &values[1], &ratio);
    }
    text
}

fn line(
    service: &str,
    measure: &str,
    unit: &str,
    ours: &str,
    original: &str,
    ratio: &str,
) -> String {
    let mut line = String::new();
    // Writing to a string can't fail.
    let _ = writeln!(
        line,
        "{service:<10} {measure:<50} {unit:<6} {ours:>9} {original:>9} {ratio:>6}"
    );
    line
}

/// Three digits or more, as far as they mean something.
fn shown(value: f64) -> String {
    let decimals = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

fn describe(rows: &[Row], flags: &Flags, busy: &[f64]) -> Value {
    let row = |row: &Row| {
        json!({
            "service": row.service, "measure": row.measure, "unit": row.unit,
            "ours": row.ours, "original": row.original, "ratio": row.ratio(),
        })
    };
    json!({
        "starts": flags.starts,
        "rest_seconds": flags.rest().as_secs(),
        "load_seconds": flags.load().as_secs(),
        "load_average": busy,
        "results": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn row(measure: &str, ours: f64) -> Row {
        Row {
            service: "sentry",
            measure: measure.into(),
            unit: "ms",
            ours,
            original: 40.0,
        }
    }

    #[test]
    fn names_a_service_once() {
        let table = table(&[row("a", 10.0), row("b", 20.0)]);
        assert_eq!(table.matches("sentry").count(), 1);
        assert!(
            table.contains(" 0.25\n") && table.contains(" 0.50\n"),
            "{table}"
        );
    }

    #[rstest]
    #[case(1.234, "1.23")]
    #[case(12.34, "12.3")]
    #[case(1234.5, "1234")]
    fn shows_what_means_something(#[case] value: f64, #[case] expected: &str) {
        assert_eq!(shown(value), expected);
    }
}
