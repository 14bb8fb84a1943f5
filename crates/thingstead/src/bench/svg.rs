//! A picture of the result: each line against what is wanted of it, readable on light and on dark ground.

use std::fmt::Write as _;

use super::rows::Line;

const WIDTH: u32 = 1060;
const ROW_HEIGHT: u32 = 24;
const TOP: u32 = 56;
/// Where bars begin, and how long one is that reaches exactly what is wanted.
const BAR_LEFT: u32 = 440;
const BAR_WANTED: f64 = 110.0;
/// Longer bars are cut and end in an arrow.
const BAR_MAX: f64 = 280.0;
/// Where figures stand.
const FIGURE_LEFT: u32 = 750;

/// One line of the picture.
struct Bar {
    what: String,
    figure: String,
    /// What was reached by what is wanted: 1 or more is enough.
    reached: f64,
}

/// The picture of those lines of which something is wanted, without counts that are equal.
pub(super) fn picture(lines: &[Line]) -> String {
    let bars: Vec<Bar> = lines.iter().filter_map(bar).collect();
    let height = TOP + ROW_HEIGHT * u32::try_from(bars.len()).unwrap_or(0) + 24;
    let wanted_at = BAR_LEFT + BAR_WANTED as u32;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-labelledby=\"t d\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <title id=\"t\">Measured figures against what is wanted of them</title>\n\
         <desc id=\"d\">{}</desc>\n{STYLE}\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\n\
         <text class=\"ink\" x=\"16\" y=\"26\" font-size=\"15\" font-weight=\"600\">Reached, by what is wanted</text>\n\
         <text class=\"soft\" x=\"{wanted_at}\" y=\"46\" text-anchor=\"middle\">wanted</text>\n",
        escaped(&described(&bars)),
    );
    for (index, bar) in bars.iter().enumerate() {
        let y = TOP + ROW_HEIGHT * u32::try_from(index).unwrap_or(0);
        bar.draw(&mut out, y);
    }
    let bottom = height - 20;
    let _ = writeln!(out, "<path class=\"mark\" d=\"M{wanted_at} {TOP}V{bottom}\"/>");
    out.push_str("</svg>\n");
    out
}

const STYLE: &str = "<style>\
    .ground{fill:#fff}.ink{fill:#1c1f24}.soft{fill:#5b6470}.met{fill:#2f7d5b}.missed{fill:#b3542e}\
    .mark{stroke:#1c1f24;stroke-width:1.5;stroke-dasharray:4 3;fill:none}\
    @media (prefers-color-scheme:dark){.ground{fill:#14171b}.ink{fill:#e8ebef}.soft{fill:#9aa4b1}\
    .met{fill:#58b88c}.missed{fill:#e0834f}.mark{stroke:#e8ebef}}</style>\n";

fn bar(line: &Line) -> Option<Bar> {
    let (what, figure, reached) = match line {
        Line::Pair(row) => {
            let what = format!("{}, by {}", row.what, row.reference);
            let (reached, wanted, sign) = match (row.wanted, row.wanted_at_most) {
                (Some(wanted), _) => (row.ratio / wanted, wanted, '\u{2265}'),
                // Counts that are equal as they should be would be most of the picture.
                (None, Some(wanted)) if row.ratio == 1.0 && wanted == 1.0 => return None,
                (None, Some(wanted)) => (wanted / row.ratio, wanted, '\u{2264}'),
                (None, None) => return None,
            };
            (what, format!("{:.2} (wanted {sign} {wanted:.2})", row.ratio), reached)
        }
        Line::Figure(figure) => {
            let limit = figure.limit?;
            let shown = format!("{:.0} {} (wanted \u{2264} {limit:.0})", figure.value, figure.unit);
            (figure.what.clone(), shown, limit / figure.value)
        }
        Line::Skipped { .. } => return None,
    };
    Some(Bar { what, figure, reached })
}

impl Bar {
    const fn is_met(&self) -> bool {
        self.reached >= 1.0
    }

    fn draw(&self, out: &mut String, y: u32) {
        let class = if self.is_met() { "met" } else { "missed" };
        let length = (self.reached * BAR_WANTED).min(BAR_MAX);
        let (text, bar, end) = (y + 14, y + 5, f64::from(BAR_LEFT) + length);
        let _ = writeln!(
            out,
            "<text class=\"ink\" x=\"16\" y=\"{text}\">{}</text>\
             <rect class=\"{class}\" x=\"{BAR_LEFT}\" y=\"{bar}\" width=\"{length:.1}\" height=\"10\" rx=\"2\"/>\
             <text class=\"soft\" x=\"{FIGURE_LEFT}\" y=\"{text}\" font-size=\"12\">{}{}</text>",
            escaped(&self.what),
            escaped(&self.figure),
            if self.is_met() { "" } else { ": missed" },
        );
        if self.reached * BAR_WANTED > BAR_MAX {
            let _ = writeln!(out, "<path class=\"{class}\" d=\"M{:.1} {bar}l8 5l-8 5z\"/>", end + 1.0);
        }
    }
}

/// For those who hear the picture.
fn described(bars: &[Bar]) -> String {
    let sentence = |bar: &Bar| {
        let judged = if bar.is_met() { "met" } else { "missed" };
        format!("{}: {}, {judged}.", bar.what, bar.figure)
    };
    bars.iter().map(sentence).collect::<Vec<_>>().join(" ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::rows::{Figure, Row};

    #[test]
    fn a_bar_says_how_far_what_is_wanted_was_reached() {
        let met = Row::of("CoAP <GET>", "echo", "u", &[(9.0, 10.0)]).unwrap().wanting(0.8).into();
        let missed = Figure::of("heap", "bytes", &[4096.0]).unwrap().limited(2048.0).into();
        let free = Figure::of("share", "of time", &[0.5]).unwrap().into();
        let skipped = Line::skipped("x", "y", "not there".into());
        let drawn = picture(&[met, missed, free, skipped]);
        assert!(drawn.contains("CoAP &lt;GET&gt;, by echo") && !drawn.contains("<GET>"));
        assert_eq!(drawn.matches("<rect class=\"met\"").count(), 1);
        assert_eq!(drawn.matches("<rect class=\"missed\"").count(), 1);
        assert!(drawn.contains("width=\"55.0\""), "half of what is wanted: {drawn}");
        assert!(!drawn.contains("share") && !drawn.contains("not there"));
    }
}
