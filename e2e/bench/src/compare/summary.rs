//! What all findings come to.

use std::fmt::{self, Display, Formatter};

use serde_json::{Value, json};

use super::{
    cases::Intended,
    difference::Difference,
    finding::{Finding, Validity},
};

/// A value is shown this far.
const LONGEST: usize = 300;

/// All findings beside what was meant to be.
pub(super) struct Summary<'a> {
    findings: &'a [Finding],
    intended: &'a [Intended],
}

// === impl Summary ===

impl<'a> Summary<'a> {
    pub(super) const fn new(findings: &'a [Finding], intended: &'a [Intended]) -> Self {
        Self { findings, intended }
    }

    /// What must not be, one line each: differences without a reason, reasons without a
    /// difference, and faults.
    pub(super) fn problems(&self) -> Vec<String> {
        let unexpected = self.findings.iter().flat_map(|finding| {
            let differences = finding
                .differences
                .iter()
                .filter(|one| !self.is_intended(finding, one))
                .map(|one| format!("{}: {}", finding.case, shown(one)));
            let faults = finding
                .faults
                .iter()
                .map(|fault| format!("{}: {fault}", finding.case));
            differences.chain(faults)
        });
        unexpected.chain(self.missed()).collect()
    }

    /// Intended differences that some of their cases don't show.
    fn missed(&self) -> impl Iterator<Item = String> {
        self.intended.iter().flat_map(|intended| {
            let missed = intended
                .cases
                .iter()
                .filter(|case| !self.occurs(intended, case));
            missed.map(|case| format!("{case}: did not differ as intended ({})", intended.name))
        })
    }

    fn occurs(&self, intended: &Intended, case: &str) -> bool {
        let mut of_case = self.findings.iter().filter(|finding| finding.case == case);
        of_case.any(|finding| {
            let mut differences = finding.differences.iter();
            differences.any(|one| intended.covers(case, &one.at))
        })
    }

    fn is_intended(&self, finding: &Finding, difference: &Difference) -> bool {
        let mut intended = self.intended.iter();
        intended.any(|one| one.covers(&finding.case, &difference.at))
    }

    fn count(&self, wanted: impl Fn(&Finding) -> bool) -> usize {
        self.findings.iter().filter(|one| wanted(one)).count()
    }

    fn counts(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let mut line = |what: &str, count: usize| writeln!(to, "{what:<36} {count:>4}");
        let equal = self.count(|finding| finding.differences.is_empty());
        line("pods", self.findings.len())?;
        line("  equal", equal)?;
        line(
            "    in another order",
            self.count(|one| one.orders.is_some()),
        )?;
        line("  different", self.findings.len() - equal)?;
        line(
            "patched by both",
            self.count(|one| one.validity != Validity::Unpatched),
        )?;
        for (what, validity) in [
            ("  both taken by the API server", Validity::Both),
            ("  only ours taken", Validity::OnlyOurs),
            ("  only the original's taken", Validity::OnlyOriginal),
            ("  neither taken", Validity::Neither),
        ] {
            line(what, self.count(|finding| finding.validity == validity))?;
        }
        Ok(())
    }

    fn reasons(&self, to: &mut Formatter<'_>) -> fmt::Result {
        writeln!(to, "\nIntended differences:")?;
        for intended in self.intended {
            let (pods, name, reason) = (intended.cases.len(), &intended.name, &intended.reason);
            writeln!(to, "{pods:>4} {name}: {reason}")?;
        }
        Ok(())
    }

    fn orders(&self, to: &mut Formatter<'_>) -> fmt::Result {
        writeln!(to, "\nOperations in another order, with the same result:")?;
        for finding in self.findings {
            let mut pairs = finding
                .orders
                .iter()
                .flat_map(|[original, ours]| original.iter().zip(ours));
            if let Some((original, ours)) = pairs.find(|(original, ours)| original != ours) {
                let case = &finding.case;
                writeln!(to, "     {case}: original {original}, where ours {ours}")?;
            }
        }
        Ok(())
    }
}

impl Display for Summary<'_> {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        self.counts(to)?;
        self.reasons(to)?;
        self.orders(to)
    }
}

fn shown(difference: &Difference) -> String {
    let (original, ours) = trimmed(&difference.original, &difference.ours);
    let [original, ours] = [original, ours].map(|value| {
        let text = value.to_string();
        text.chars().take(LONGEST).collect::<String>()
    });
    format!("{}: original {original}, ours {ours}", difference.at)
}

/// Of two lists, what is between their equal beginnings and ends.
fn trimmed(original: &Value, ours: &Value) -> (Value, Value) {
    let (Value::Array(a), Value::Array(b)) = (original, ours) else {
        return (original.clone(), ours.clone());
    };
    let begin = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[begin..], &b[begin..]);
    let (back, other) = (a.iter().rev(), b.iter().rev());
    let end = back.zip(other).take_while(|(a, b)| a == b).count();
    (json!(a[..a.len() - end]), json!(b[..b.len() - end]))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn finding(at: Option<&str>) -> Finding {
        let difference = |at: &str| Difference {
            at: at.into(),
            original: json!(1),
            ours: json!(2),
        };
        Finding {
            case: "c".into(),
            differences: at.map(difference).into_iter().collect(),
            orders: None,
            validity: Validity::Both,
            faults: vec![],
        }
    }

    #[rstest]
    #[case::as_intended(Some("a.b"), &[])]
    #[case::elsewhere(Some("x"), &["c: x: original 1, ours 2", "c: did not differ as intended (n)"])]
    #[case::not_at_all(None, &["c: did not differ as intended (n)"])]
    fn reports_what_must_not_be(#[case] at: Option<&str>, #[case] expected: &[&str]) {
        let intended: Vec<Intended> =
            config::yaml::from_str("[{name: n, reason: r, cases: [c], at: [a]}]").unwrap();
        let findings = [finding(at)];
        assert_eq!(Summary::new(&findings, &intended).problems(), expected);
    }

    #[test]
    fn shows_only_the_difference_of_lists() {
        let difference = Difference {
            at: "args".into(),
            original: json!(["a", "b", "c"]),
            ours: json!(["a", "c"]),
        };
        assert_eq!(shown(&difference), "args: original [\"b\"], ours []");
    }

    #[test]
    fn reports_faults() {
        let broken = Finding {
            faults: vec!["broken".into()],
            ..finding(None)
        };
        assert_eq!(Summary::new(&[broken], &[]).problems(), ["c: broken"]);
    }
}
