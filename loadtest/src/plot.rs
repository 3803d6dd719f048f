//! Plots: lines over two axes, as SVG.
//!
//! In: points. Out: an `<svg>` element that stands in a page or in a file of its own, and follows the colours of
//! the page, dark or light. Axes end at round numbers. Never more than [`POINTS_MAX`] points a line.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 280.0;
/// Room for what stands beside the axes: left, right, above, below.
const MARGIN: (f64, f64, f64, f64) = (64.0, 16.0, 34.0, 40.0);
const POINTS_MAX: usize = 1_000;
/// How near to its right edge a text would not fit.
const EDGE: f64 = 12.0;
/// About how many numbers an axis has.
const TICKS: f64 = 5.0;
/// As many lines as there are colours.
const COLOURS: [&str; 4] = ["#2f6fdb", "#d9641e", "#2f9e62", "#9050c8"];

/// One line of a plot.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Lines that share their axes.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    pub(crate) title: &'static str,
    /// What is measured to the right, with its unit.
    pub(crate) across: &'static str,
    /// What is measured upwards, with its unit.
    pub(crate) up: &'static str,
    /// Texts at positions across, in the place of round numbers.
    pub(crate) marks: &'static [(f64, &'static str)],
    pub(crate) lines: Vec<Line>,
}

/// How shares of all are told by their nines.
pub(crate) const BY_NINES: &[(f64, &str)] = &[
    (0.0, "0 %"),
    (1.0, "90 %"),
    (2.0, "99 %"),
    (3.0, "99.9 %"),
    (4.0, "99.99 %"),
    (5.0, "99.999 %"),
];

impl Plot {
    /// Whether there is anything to be seen.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.points.len() < 2)
    }

    /// The `<svg>` element.
    pub(crate) fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let highest = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(0.0, f64::max);
        let across = Axis::to(highest(|point| point.0));
        let up = Axis::to(highest(|point| point.1));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\" \
             font-family=\"sans-serif\" font-size=\"11\" fill=\"currentColor\">\n",
            text(self.title)
        );
        self.legend(&mut svg);
        self.grid(&mut svg, &across, &up);
        for (line, colour) in self.lines.iter().zip(COLOURS) {
            let mut path = String::new();
            for (x, y) in thinned(&line.points) {
                let (x, y) = (left(across.share(x)), top(up.share(y)));
                write!(path, "{x:.1},{y:.1} ").expect("writing to memory cannot fail");
            }
            let path = path.trim_end();
            svg.push_str(&format!(
                "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n"
            ));
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Title, and the names of the lines in their colours.
    fn legend(&self, svg: &mut String) {
        let (edge, ..) = MARGIN;
        svg.push_str(&label(edge, 15.0, "start", &format!("{}: {}", self.title, self.up)));
        let mut right = WIDTH - MARGIN.1;
        for (line, colour) in self.lines.iter().zip(COLOURS).rev() {
            svg.push_str(&label(right, 15.0, "end", line.name));
            // Wide enough for letters of this size.
            right -= 6.5 * line.name.chars().count() as f64 + 8.0;
            svg.push_str(&format!(
                "<rect x=\"{:.1}\" y=\"7\" width=\"10\" height=\"8\" fill=\"{colour}\"/>\n",
                right - 6.0
            ));
            right -= 20.0;
        }
    }

    fn grid(&self, svg: &mut String, across: &Axis, up: &Axis) {
        let rule = |x1: f64, y1: f64, x2: f64, y2: f64| {
            format!(
                "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"currentColor\" stroke-opacity=\"0.15\"/>\n"
            )
        };
        for tick in up.ticks() {
            let y = top(up.share(tick));
            svg.push_str(&rule(left(0.0), y, left(1.0), y));
            svg.push_str(&label(left(0.0) - 6.0, y + 4.0, "end", &number(tick)));
        }
        let below = top(0.0) + 16.0;
        let mut mark = |at: f64, name: &str| {
            let x = left(across.share(at));
            svg.push_str(&rule(x, top(0.0), x, top(1.0)));
            // The last one ends where the plot does.
            let anchor = if x > left(1.0) - EDGE { "end" } else { "middle" };
            svg.push_str(&label(x, below, anchor, name));
        };
        match self.marks {
            [] => across.ticks().for_each(|tick| mark(tick, &number(tick))),
            marks => {
                let shown = marks.iter().filter(|(at, _)| *at <= across.end);
                shown.for_each(|(at, name)| mark(*at, name));
            }
        }
        svg.push_str(&label(left(1.0), below + 16.0, "end", self.across));
    }
}

/// From 0 to a round number.
struct Axis {
    end: f64,
    step: f64,
}

impl Axis {
    fn to(highest: f64) -> Self {
        let wanted = if highest > 0.0 && highest.is_finite() { highest / TICKS } else { 0.2 };
        let tens = 10f64.powf(wanted.log10().floor());
        let factor =
            [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * tens >= wanted * 0.999);
        let step = factor.unwrap_or(10.0) * tens;
        let steps = (highest / step - 1e-9).ceil().max(1.0);
        Self { end: steps * step, step }
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let (count, step) = ((self.end / self.step).round() as u32, self.step);
        (0..=count).map(move |index| f64::from(index) * step)
    }

    fn share(&self, value: f64) -> f64 {
        (value / self.end).clamp(0.0, 1.0)
    }
}

fn left(share: f64) -> f64 {
    MARGIN.0 + share * (WIDTH - MARGIN.0 - MARGIN.1)
}

fn top(share: f64) -> f64 {
    HEIGHT - MARGIN.3 - share * (HEIGHT - MARGIN.2 - MARGIN.3)
}

/// As they are; where they are too many the lowest and the highest of so many, so that no peak and no stall is lost.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= POINTS_MAX {
        return points.to_vec();
    }
    let of_two = points.len().div_ceil(POINTS_MAX / 2);
    let ends = points.chunks(of_two).filter_map(|chunk| {
        let by = |one: &&(f64, f64), other: &&(f64, f64)| one.1.total_cmp(&other.1);
        let (low, high) = (chunk.iter().min_by(by)?, chunk.iter().max_by(by)?);
        Some(if low.0 <= high.0 { [*low, *high] } else { [*high, *low] })
    });
    ends.flatten().collect()
}

/// A number as short as it can be told.
fn number(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", short(value / 1e6)),
        value if value >= 1e4 => format!("{}k", short(value / 1e3)),
        value => short(value),
    }
}

fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn label(x: f64, y: f64, anchor: &str, name: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>\n", text(name))
}

/// Text in a page: nothing in it is taken for an element.
pub(crate) fn text(plain: &str) -> String {
    plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: Vec<(f64, f64)>) -> Plot {
        let lines = vec![Line { name: "reply", points }];
        Plot { title: "Rate <all>", across: "seconds", up: "messages a second", marks: &[], lines }
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (highest, end, step) in [
            (97.0, 100.0, 20.0),
            (100.0, 100.0, 20.0),
            (3.1, 4.0, 1.0),
            (12_345.0, 15_000.0, 5_000.0),
        ] {
            let axis = Axis::to(highest);
            assert!((axis.end - end).abs() < 1e-6, "{highest}: {}", axis.end);
            assert!((axis.step - step).abs() < 1e-6, "{highest}: {}", axis.step);
        }
        assert!(Axis::to(0.0).end > 0.0);
        assert!(Axis::to(f64::NAN).end > 0.0);
    }

    #[test]
    fn all_points_are_inside_and_names_are_text() {
        let svg = plot((0..5_000).map(|x| (f64::from(x), f64::from(x % 7))).collect()).svg();
        assert!(svg.contains("Rate &lt;all&gt;") && svg.contains(">reply<"));
        let points = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        let points: Vec<(f64, f64)> = points
            .split(' ')
            .map(|point| point.split_once(',').unwrap())
            .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
            .collect();
        assert!(points.len() <= POINTS_MAX);
        assert!(
            points.iter().all(|(x, y)| (0.0..=WIDTH).contains(x) && (0.0..=HEIGHT).contains(y))
        );
        // Peaks and stalls are kept where points are left out.
        let high = points.iter().filter(|(_, y)| *y < top(0.5)).count();
        assert_eq!(2 * high, points.len());
        assert!(points.windows(2).all(|two| two[0].0 <= two[1].0));
    }

    #[test]
    fn nothing_to_show_is_known() {
        assert!(plot(vec![(0.0, 1.0)]).is_empty());
        assert!(!plot(vec![(0.0, 1.0), (1.0, 1.0)]).is_empty());
    }
}
