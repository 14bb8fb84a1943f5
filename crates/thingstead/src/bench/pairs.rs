//! Ratios of interleaved pairs.

use std::fmt;

use serde::Serialize;

/// The heading of the table.
pub(super) const HEAD: &str =
    "what                                     reference            ours     reference   ratio  spread";

/// One line of the result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Row {
    /// What was measured.
    pub(super) what: String,
    /// Beside what.
    pub(super) reference: String,
    /// In what unit; more is better.
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
}

impl Row {
    /// Makes a row of pairs (ours, reference). No pair, no row.
    pub(super) fn of(what: &str, reference: &str, unit: &str, pairs: &[(f64, f64)]) -> Option<Self> {
        let middle_of = |pick: fn(&(f64, f64)) -> f64| middle(pairs.iter().map(pick).collect());
        let ratios = |pair: &(f64, f64)| pair.0 / pair.1;
        let ratio = middle_of(ratios)?;
        let lowest = pairs.iter().map(ratios).fold(f64::INFINITY, f64::min);
        let highest = pairs.iter().map(ratios).fold(0.0, f64::max);
        Some(Self {
            what: what.to_owned(),
            reference: reference.to_owned(),
            unit: unit.to_owned(),
            ours: middle_of(|pair| pair.0)?,
            theirs: middle_of(|pair| pair.1)?,
            ratio,
            spread: [lowest, highest],
            pairs: pairs.len(),
            tie: lowest <= 1.0 && highest >= 1.0,
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, reference, ours, theirs, ratio, spread: [low, high], .. } = self;
        write!(f, "{what:<40} {reference:<14} {ours:>10.0} {theirs:>13.0} {ratio:>7.2}  {low:.2}-{high:.2}")?;
        write!(f, "  {}{}", self.unit, if self.tie { "  (a tie)" } else { "" })
    }
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
}
