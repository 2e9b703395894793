//! What a round showed.

use std::time::Duration;

pub const HEADER: &str = "scenario                 address                  workflows/s  transitions/s  \
                          start-to-complete p50/p99 ms  schedule-to-start p50/p99 ms  ratio";

/// Of one round, or of several put together.
#[derive(Debug, Default, Clone)]
pub struct Figures {
    pub workflows: u64,
    pub transitions: u64,
    pub took: Duration,
    pub start_to_complete: Vec<Duration>,
    pub schedule_to_start: Vec<Duration>,
}

impl Figures {
    pub fn add(&mut self, round: Self) {
        self.workflows += round.workflows;
        self.transitions += round.transitions;
        self.took += round.took;
        self.start_to_complete.extend(round.start_to_complete);
        self.schedule_to_start.extend(round.schedule_to_start);
    }

    fn rate(&self) -> f64 {
        self.workflows as f64 / self.took.as_secs_f64().max(1e-9)
    }

    pub fn line(&self, scenario: &str, address: &str, first: Option<&Self>) -> String {
        let transitions = self.transitions as f64 / self.took.as_secs_f64().max(1e-9);
        let ratio = first.map_or(1.0, |first| self.rate() / first.rate().max(1e-9));
        format!(
            "{scenario:<24} {address:<24} {:>11.1} {transitions:>14.1}  {:>28} {:>29}  {ratio:.3}",
            self.rate(),
            percentiles(&self.start_to_complete),
            percentiles(&self.schedule_to_start),
        )
    }
}

fn percentiles(durations: &[Duration]) -> String {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| {
        let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(index).map_or(f64::NAN, |duration| duration.as_secs_f64() * 1_000.0)
    };
    format!("{:.1} / {:.1}", at(0.50), at(0.99))
}
