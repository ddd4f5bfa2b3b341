//! What the suite's output says of each case.

use std::{collections::BTreeMap, fmt};

/// How a case ended, or that it did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Begun,
    Passed,
    Failed,
}

/// Cases by name, and how they ended.
#[derive(Debug, Default)]
pub(crate) struct Report {
    cases: BTreeMap<String, Verdict>,
}

/// The suite is one Go test; each case is a test below it, with its steps below `run`.
const SUITE: &str = "Test_Integration/";

// === impl Report ===

impl Report {
    /// Takes one line of output; returns the case that it ends, with its verdict.
    pub(crate) fn read(&mut self, line: &str) -> Option<String> {
        // In the mode that tells of each end at once, Go marks its own lines with this byte.
        let line = line.trim_start_matches('\u{16}').trim_start();
        if let Some(rest) = line.strip_prefix("=== RUN ") {
            let name = case(rest.trim())?.to_owned();
            self.cases.entry(name).or_insert(Verdict::Begun);
            return None;
        }
        let (word, rest) = line.strip_prefix("--- ")?.split_once(": ")?;
        let name = case(rest.split(' ').next()?)?;
        let passed = if word == "PASS" {
            Verdict::Passed
        } else {
            Verdict::Failed
        };
        self.cases.insert(name.to_owned(), passed);
        Some(format!("{word} {name}"))
    }

    /// Cases that began and did not end: the suite ends as a whole when one of them panics.
    pub(crate) fn unended(&self) -> Vec<String> {
        let begun = self
            .cases
            .iter()
            .filter(|(_, verdict)| **verdict == Verdict::Begun);
        begun.map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.cases
            .values()
            .all(|verdict| *verdict == Verdict::Passed)
    }

    fn groups(&self) -> BTreeMap<&str, (usize, usize)> {
        let mut groups = BTreeMap::<_, (usize, usize)>::new();
        for (name, verdict) in &self.cases {
            let group = name.split('/').next().unwrap_or(name);
            let (good, bad) = groups.entry(group).or_default();
            *(if *verdict == Verdict::Passed {
                good
            } else {
                bad
            }) += 1;
        }
        groups
    }
}

/// The case's name, unless it is a step of one or the suite's own preparation.
fn case(test: &str) -> Option<&str> {
    let name = test.strip_prefix(SUITE)?;
    let step = name == "build_binaries" || name.split('/').any(|part| part == "run");
    (!step).then_some(name)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<12} {:>6} {:>6}", "group", "passed", "failed")?;
        for (group, (passed, failed)) in self.groups() {
            writeln!(f, "{group:<12} {passed:>6} {failed:>6}")?;
        }
        let failed = self
            .cases
            .iter()
            .filter(|(_, verdict)| **verdict != Verdict::Passed);
        failed
            .into_iter()
            .try_for_each(|(name, _)| writeln!(f, "failed: {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
\u{16}=== RUN   Test_Integration
\u{16}=== RUN   Test_Integration/ports/sentry
\u{16}=== RUN   Test_Integration/ports/sentry/run
\u{16}=== RUN   Test_Integration/ports/operator
\u{16}=== RUN   Test_Integration/placement/quorum/notls
\u{16}--- PASS: Test_Integration/build_binaries (0.00s)
\u{16}        --- PASS: Test_Integration/ports/sentry/run (0.10s)
\u{16}    --- PASS: Test_Integration/ports/sentry (0.26s)
    --- FAIL: Test_Integration/ports/operator (30.45s)
panic: runtime error";

    #[test]
    fn counts_cases_by_group_and_knows_which_never_ended() {
        let mut report = Report::default();
        let ended: Vec<String> = OUTPUT
            .lines()
            .filter_map(|line| report.read(line))
            .collect();
        assert_eq!(ended, ["PASS ports/sentry", "FAIL ports/operator"]);
        assert_eq!(report.groups()["ports"], (1, 1));
        assert_eq!(report.unended(), ["placement/quorum/notls"]);
        assert!(!report.is_clean());
        assert!(
            report
                .to_string()
                .contains("failed: placement/quorum/notls")
        );
    }
}
