//! Figures: what many measurements come to.

/// The middle of the values, or the mean of the two in the middle; zero when there are none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The figures of a run, for people and for `docs/performance.md`.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<[String; 4]>,
}

/// What a figure should be.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    /// Whether the figure is as it should be.
    pub(crate) fn is_met(self, figure: f64) -> bool {
        match self {
            Goal::AtLeast(goal) => figure >= goal,
            Goal::AtMost(goal) => figure <= goal,
        }
    }

    fn verdict(self, figure: f64) -> String {
        let (sign, goal) = match self {
            Goal::AtLeast(goal) => ("≥", goal),
            Goal::AtMost(goal) => ("≤", goal),
        };
        format!("{sign} {goal}: {}", if self.is_met(figure) { "met" } else { "missed" })
    }
}

impl Report {
    /// Adds a figure, and shows it at once, since a run takes minutes.
    pub(crate) fn row(&mut self, what: &str, figure: &str, how: &str) {
        self.add(what, figure, "", how);
    }

    /// Adds a figure that should be something, as text and as a number.
    pub(crate) fn judged(&mut self, what: &str, figure: &str, (goal, value): (Goal, f64), how: &str) {
        self.add(what, figure, &goal.verdict(value), how);
    }

    fn add(&mut self, what: &str, figure: &str, goal: &str, how: &str) {
        eprintln!("{what:<44} {figure:>22}  {goal:<14} {how}");
        self.rows.push([what, figure, goal, how].map(str::to_owned));
    }

    /// The figures as a Markdown table.
    pub(crate) fn markdown(&self) -> String {
        let mut table = "| what | figure | goal | how |\n|---|---:|---|---|\n".to_owned();
        for row in &self.rows {
            table.push_str(&format!("| {} |\n", row.join(" | ")));
        }
        table
    }
}

/// Seconds as people read them.
pub(crate) fn shown(seconds: f64) -> String {
    let milliseconds = seconds * 1e3;
    match milliseconds {
        ..10.0 => format!("{milliseconds:.1} ms"),
        ..10_000.0 => format!("{milliseconds:.0} ms"),
        _ => format!("{seconds:.1} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Goal, Report, median};

    #[test]
    fn the_median_is_the_middle() {
        #[track_caller]
        fn check(values: &[f64], expected: f64) {
            assert!((median(values) - expected).abs() < 1e-9, "{values:?}");
        }
        check(&[], 0.0);
        check(&[3.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 2.0, 3.0], 2.5);
    }

    #[test]
    fn the_table_says_which_goals_are_met() {
        let mut report = Report::default();
        report.row("accepted", "5/s", "one round");
        report.judged("share", "0.7", (Goal::AtLeast(0.6), 0.7), "");
        report.judged("memory", "501 MiB", (Goal::AtMost(500.0), 501.0), "VmRSS");
        let expected = "| what | figure | goal | how |\n|---|---:|---|---|\n\
            | accepted | 5/s |  | one round |\n\
            | share | 0.7 | ≥ 0.6: met |  |\n\
            | memory | 501 MiB | ≤ 500: missed | VmRSS |\n";
        assert_eq!(report.markdown(), expected);
    }
}
