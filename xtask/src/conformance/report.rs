//! What the suite's output says of each case.

use std::{collections::BTreeMap, fmt};

/// Cases by name, and whether they passed.
#[derive(Debug, Default)]
pub(crate) struct Report {
    cases: BTreeMap<String, bool>,
}

/// The line of a finished case, below the suite's one test.
const PREFIX: &str = "    --- ";
const SUITE: &str = "Test_Integration/";

// === impl Report ===

impl Report {
    /// Takes one line of output; returns the case that it ends, with its verdict.
    pub(crate) fn read(&mut self, line: &str) -> Option<String> {
        let (verdict, rest) = line.strip_prefix(PREFIX)?.split_once(": ")?;
        let name = rest.strip_prefix(SUITE)?.split(' ').next()?;
        if name == "build_binaries" {
            return None;
        }
        self.cases.insert(name.to_owned(), verdict == "PASS");
        Some(format!("{verdict} {name}"))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.cases.values().all(|passed| *passed)
    }

    fn groups(&self) -> BTreeMap<&str, (usize, usize)> {
        let mut groups = BTreeMap::<_, (usize, usize)>::new();
        for (name, passed) in &self.cases {
            let group = name.split('/').next().unwrap_or(name);
            let (good, bad) = groups.entry(group).or_default();
            *(if *passed { good } else { bad }) += 1;
        }
        groups
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<12} {:>6} {:>6}", "group", "passed", "failed")?;
        for (group, (passed, failed)) in self.groups() {
            writeln!(f, "{group:<12} {passed:>6} {failed:>6}")?;
        }
        let failed = self.cases.iter().filter(|(_, passed)| !**passed);
        failed
            .into_iter()
            .try_for_each(|(name, _)| writeln!(f, "failed: {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_cases_by_group() {
        let mut report = Report::default();
        let output = "\
=== RUN   Test_Integration/ports/sentry
    --- PASS: Test_Integration/build_binaries (0.00s)
    --- PASS: Test_Integration/ports/sentry (0.26s)
        --- PASS: Test_Integration/ports/sentry/run (0.10s)
    --- FAIL: Test_Integration/ports/operator (30.45s)
    --- FAIL: Test_Integration/healthz/operator (40.17s)";
        let ended: Vec<String> = output
            .lines()
            .filter_map(|line| report.read(line))
            .collect();
        assert_eq!(
            ended,
            [
                "PASS ports/sentry",
                "FAIL ports/operator",
                "FAIL healthz/operator"
            ]
        );
        assert_eq!(report.groups()["ports"], (1, 1));
        assert!(!report.is_clean());
        assert!(report.to_string().contains("failed: healthz/operator"));
    }
}
