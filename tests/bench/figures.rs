//! Figures of several rounds, and how they are printed.

use std::fmt::Write as _;
use std::io::Write as _;

/// One figure, taken in each round.
#[derive(Debug, Default)]
pub(crate) struct Figure {
    rounds: Vec<f64>,
}

impl Figure {
    /// Takes one round's value.
    pub(crate) fn take(&mut self, value: f64) {
        self.rounds.push(value);
    }

    /// The middle one; of an even number, the upper of the two.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Figures of one measure by their names, in the order they were first taken.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    figures: Vec<(String, Figure)>,
}

impl Sheet {
    /// Takes one round's value of a figure.
    pub(crate) fn take(&mut self, name: &str, value: f64) {
        match self.figures.iter_mut().find(|(known, _)| known == name) {
            Some((_, figure)) => figure.take(value),
            None => {
                let mut figure = Figure::default();
                figure.take(value);
                self.figures.push((name.to_owned(), figure));
            }
        }
    }

    /// A line for each figure: median, smallest, largest.
    pub(crate) fn print(&self, title: &str) {
        let mut text = format!("\n{title}\n");
        for (name, figure) in &self.figures {
            let least = figure.rounds.iter().copied().fold(f64::INFINITY, f64::min);
            let most = figure.rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let [median, least, most] = [figure.median(), least, most].map(readable);
            writeln!(text, "  {name:<46}{median:>10}  ({least} to {most})")
                .expect("a text takes all that is written");
        }
        say(text.trim_end());
    }
}

/// Three or four digits that mean something.
fn readable(value: f64) -> String {
    match value.abs() {
        large if large >= 1_000.0 => format!("{value:.0}"),
        medium if medium >= 10.0 => format!("{value:.1}"),
        small if small >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Millions, for bytes.
pub(crate) fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// A line of the report. It is seen at once, also in a pipe.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // A report nobody reads any more is no reason to fail.
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}
