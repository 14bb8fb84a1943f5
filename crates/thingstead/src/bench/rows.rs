//! Lines of the result: ratios of interleaved pairs, figures without a reference, and what could not run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The heading of the table.
pub(super) const HEAD: &str = "what                                               reference            ours     reference   ratio  spread";

/// One line of the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Line {
    /// Ours beside a reference.
    Pair(Row),
    /// A figure that has a limit instead of a reference, or neither.
    Figure(Figure),
    /// A reference that this machine does not have.
    Skipped {
        /// What would have been measured.
        what: String,
        /// Beside what.
        reference: String,
        /// Why it was not.
        skipped: String,
    },
}

impl Line {
    pub(super) fn skipped(what: impl Into<String>, reference: &str, why: String) -> Self {
        Self::Skipped { what: what.into(), reference: reference.to_owned(), skipped: why }
    }
}

impl From<Row> for Line {
    fn from(row: Row) -> Self {
        Self::Pair(row)
    }
}

impl From<Figure> for Line {
    fn from(figure: Figure) -> Self {
        Self::Figure(figure)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pair(row) => row.fmt(f),
            Self::Figure(figure) => figure.fmt(f),
            Self::Skipped { what, reference, skipped } => {
                write!(f, "{what:<50} {reference:<14} skipped: {skipped}")
            }
        }
    }
}

/// Ours beside a reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    /// What was measured.
    pub(super) what: String,
    /// Beside what.
    pub(super) reference: String,
    /// In what unit; more is better unless a ratio is wanted at most.
    pub(super) unit: String,
    /// The middle of our figures, and of the reference's.
    pub(super) ours: f64,
    pub(super) theirs: f64,
    /// The middle of the ratios, ours by the reference's.
    pub(super) ratio: f64,
    /// Lowest and highest ratio.
    pub(super) spread: [f64; 2],
    /// How many pairs.
    pub(super) pairs: usize,
    /// The difference is smaller than the spread.
    pub(super) tie: bool,
    /// The ratio that is wanted at least.
    pub(super) wanted: Option<f64>,
    /// The ratio that is wanted at most, where less is better.
    pub(super) wanted_at_most: Option<f64>,
}

impl Row {
    /// Makes a row of pairs (ours, reference). No pair, no row.
    pub(super) fn of(what: &str, reference: &str, unit: &str, pairs: &[(f64, f64)]) -> Option<Self> {
        let middle_of = |pick: fn(&(f64, f64)) -> f64| middle(pairs.iter().map(pick).collect());
        let ratios = |pair: &(f64, f64)| pair.0 / pair.1;
        let ratio = middle_of(ratios)?;
        let spread = ends(pairs.iter().map(ratios));
        Some(Self {
            what: what.to_owned(),
            reference: reference.to_owned(),
            unit: unit.to_owned(),
            ours: middle_of(|pair| pair.0)?,
            theirs: middle_of(|pair| pair.1)?,
            ratio,
            spread,
            pairs: pairs.len(),
            tie: spread[0] <= 1.0 && spread[1] >= 1.0,
            wanted: None,
            wanted_at_most: None,
        })
    }

    /// The same, with the ratio that is wanted at least.
    pub(super) fn wanting(self, ratio: f64) -> Self {
        Self { wanted: Some(ratio), ..self }
    }

    /// The same, with the ratio that is wanted at most.
    pub(super) fn at_most(self, ratio: f64) -> Self {
        Self { wanted_at_most: Some(ratio), ..self }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, reference, ours, theirs, ratio, spread: [low, high], .. } = self;
        write!(f, "{what:<50} {reference:<14} {ours:>10.0} {theirs:>13.0} {ratio:>7.2}  {low:.2}-{high:.2}")?;
        write!(f, "  {}{}", self.unit, if self.tie { "  (a tie)" } else { "" })?;
        if let Some(wanted) = self.wanted {
            write!(f, "  wanted {wanted:.2}: {}", judged(*ratio >= wanted))?;
        }
        match self.wanted_at_most {
            Some(wanted) => write!(f, "  wanted at most {wanted:.2}: {}", judged(*ratio <= wanted)),
            None => Ok(()),
        }
    }
}

/// A figure of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Figure {
    /// What was measured.
    pub(super) what: String,
    /// In what unit.
    pub(super) unit: String,
    /// The middle of the runs.
    pub(super) value: f64,
    /// Lowest and highest.
    pub(super) spread: [f64; 2],
    /// How many runs.
    pub(super) runs: usize,
    /// What is wanted at most.
    pub(super) limit: Option<f64>,
}

impl Figure {
    /// Makes a figure of runs. No run, no figure.
    pub(super) fn of(what: &str, unit: &str, runs: &[f64]) -> Option<Self> {
        Some(Self {
            what: what.to_owned(),
            unit: unit.to_owned(),
            value: middle(runs.to_vec())?,
            spread: ends(runs.iter().copied()),
            runs: runs.len(),
            limit: None,
        })
    }

    /// The same, with what is wanted at most.
    pub(super) fn limited(self, limit: f64) -> Self {
        Self { limit: Some(limit), ..self }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, unit, value, spread: [low, high], .. } = self;
        // Small figures are shares and seconds, large ones are counts.
        let places = if high.abs() < 100.0 { 2 } else { 0 };
        write!(f, "{what:<65} {value:>10.places$} {unit}  {low:.places$}-{high:.places$}")?;
        match self.limit {
            Some(limit) => write!(f, "  wanted at most {limit:.places$}: {}", judged(*value <= limit)),
            None => Ok(()),
        }
    }
}

const fn judged(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

fn ends(values: impl Iterator<Item = f64>) -> [f64; 2] {
    values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| [low.min(value), high.max(value)])
}

fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    let upper = *values.get(half)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[half - 1], upper) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_ratio_counts_and_a_spread_over_one_is_a_tie() {
        let row = Row::of("x", "y", "z", &[(9.0, 10.0), (30.0, 10.0), (8.0, 10.0)]).unwrap();
        assert_eq!((row.ratio, row.spread, row.tie), (0.9, [0.8, 3.0], true));
        let row = Row::of("x", "y", "z", &[(3.0, 1.0), (2.0, 1.0)]).unwrap();
        assert_eq!((row.ratio, row.ours, row.theirs, row.tie), (2.5, 2.5, 1.0, false));
        assert_eq!(Row::of("x", "y", "z", &[]), None);
    }

    #[test]
    fn a_line_says_whether_what_is_wanted_was_reached() {
        let row = Row::of("x", "y", "z", &[(8.0, 10.0)]).unwrap();
        assert!(row.clone().wanting(0.8).to_string().ends_with("wanted 0.80: met"));
        assert!(row.clone().wanting(0.81).to_string().ends_with("wanted 0.81: missed"));
        assert!(!row.to_string().contains("wanted"));
        let figure = Figure::of("x", "bytes", &[2000.0, 2100.0, 1900.0]).unwrap();
        assert_eq!((figure.value, figure.spread), (2000.0, [1900.0, 2100.0]));
        assert!(figure.clone().limited(2048.0).to_string().ends_with("wanted at most 2048: met"));
        assert!(figure.limited(1999.0).to_string().ends_with("missed"));
        assert_eq!(Figure::of("x", "bytes", &[]), None);
    }
}
