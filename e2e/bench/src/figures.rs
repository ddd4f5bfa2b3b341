//! Measured values, and two makers' side by side.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::usage::Memory;

/// One measured value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) measure: String,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) service: &'static str,
    pub(crate) measure: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    pub(crate) original: f64,
}

// === impl Figure ===

impl Figure {
    pub(crate) fn new(measure: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self {
            measure: measure.into(),
            unit,
            value,
        }
    }

    pub(crate) fn millis(measure: impl Into<String>, time: Duration) -> Self {
        Self::new(measure, "ms", time.as_secs_f64() * 1000.0)
    }

    pub(crate) fn bytes(measure: impl Into<String>, bytes: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "no size here has 53 bits")]
        let mebibytes = bytes as f64 / f64::from(1 << 20);
        Self::new(measure, "MiB", mebibytes)
    }

    /// Both sides of a memory reading.
    pub(crate) fn memory(when: &str, memory: Memory) -> [Self; 2] {
        [
            Self::bytes(format!("RSS {when}"), memory.resident * 1024),
            Self::bytes(format!("anonymous {when}"), memory.anonymous * 1024),
        ]
    }
}

// === impl Row ===

impl Row {
    /// How much of the original's value ours is; none of nothing.
    pub(crate) fn ratio(&self) -> Option<f64> {
        (self.original > 0.0).then(|| self.ours / self.original)
    }

    /// Puts two makers' figures of one service side by side.
    pub(crate) fn pair(
        service: &'static str,
        ours: Vec<Figure>,
        original: &[Figure],
    ) -> Result<Vec<Self>> {
        ensure!(
            ours.iter()
                .map(|figure| &figure.measure)
                .eq(original.iter().map(|figure| &figure.measure)),
            "the makers of {service} were measured differently"
        );
        let row = |(ours, original): (Figure, &Figure)| Self {
            service,
            measure: ours.measure,
            unit: ours.unit,
            ours: ours.value,
            original: original.value,
        };
        Ok(ours.into_iter().zip(original).map(row).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_only_what_is_the_same() {
        let figure = |measure: &str, value| Figure::new(measure, "ms", value);
        let rows = Row::pair("x", vec![figure("a", 1.0)], &[figure("a", 4.0)]).unwrap();
        assert_eq!(rows[0].ratio(), Some(0.25));
        assert!(Row::pair("x", vec![figure("a", 1.0)], &[figure("b", 4.0)]).is_err());
        assert!(Row::pair("x", vec![figure("a", 1.0)], &[]).is_err());
    }

    #[test]
    fn nothing_has_no_ratio() {
        let none = [Figure::millis("a", Duration::ZERO)];
        let rows = Row::pair("x", none.to_vec(), &none).unwrap();
        assert_eq!(rows[0].ratio(), None);
    }

    #[test]
    fn units_are_told() {
        let memory = Memory {
            resident: 2048,
            anonymous: 512,
        };
        let values = Figure::memory("at rest", memory).map(|figure| (figure.unit, figure.value));
        assert_eq!(values, [("MiB", 2.0), ("MiB", 0.5)]);
    }
}
