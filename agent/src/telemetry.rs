//! What the agent says of itself: log lines for people, and its state for systemd.
//!
//! systemd's watchdog is fed from the work itself: no timer feeds it while the commit loop stands still.

use std::io::Write;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Why the agent cannot say anything.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A part of `log.level` means nothing.
    #[error(
        "log.level: {directive:?} is not a level ({}), nor one for a module, as in \"info,tidegate::mqtt=debug\"",
        LEVELS.join(", ")
    )]
    Level {
        /// The part.
        directive: String,
    },
    /// The kernel does not let the process hear of signals.
    #[error("failed to listen for SIGTERM and SIGINT")]
    Signals(#[source] std::io::Error),
}

/// Whether the settings mean something.
///
/// # Errors
/// [`TelemetryError::Level`].
pub fn check(log: &Log) -> Result<(), TelemetryError> {
    filter(&log.level).map(drop)
}

/// From here on, log lines go where the settings say. Only the first call of a process has an effect.
///
/// # Errors
/// [`TelemetryError::Level`].
pub fn start(log: &Log) -> Result<(), TelemetryError> {
    let registry = tracing_subscriber::registry().with(filter(&log.level)?);
    // No colours: systemd, files and pipes are the usual readers. An error says that a process with several roles has
    // begun already; its lines go on as they are.
    drop(match log.format {
        LogFormat::Text => registry.with(tracing_subscriber::fmt::layer().with_ansi(false)).try_init(),
        LogFormat::Json => registry.with(tracing_subscriber::fmt::layer().json()).try_init(),
        LogFormat::Journald => match tracing_journald::layer() {
            Ok(journal) => registry.with(journal.with_syslog_identifier("tidegate".to_owned())).try_init(),
            Err(error) => {
                let begun = registry.with(tracing_subscriber::fmt::layer().with_ansi(false)).try_init();
                tracing::warn!(%error, "there is no systemd journal here; log lines go to standard output");
                begun
            }
        },
    });
    Ok(())
}

/// One line on standard output, for whoever called the command.
pub fn say(line: &str) {
    // A closed pipe: nobody wants to hear it.
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// Completes when the process is told to end: SIGTERM, or SIGINT from a terminal. Listens from the call on; call it
/// inside a tokio runtime.
///
/// # Errors
/// [`TelemetryError::Signals`].
pub fn stop_signal() -> Result<impl Future<Output = ()>, TelemetryError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(TelemetryError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(TelemetryError::Signals)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Tells systemd that the agent serves.
pub fn ready() {
    notify(&[NotifyState::Ready, NotifyState::Status("serving")]);
}

/// Tells systemd that the agent ends in good order.
pub fn stopping() {
    notify(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Feeds systemd's watchdog for as long as the work goes on: `turns` counts what the commit loop has decided, and when
/// that did not grow, `alive` asks the loop itself. Returns at once where no watchdog is set up.
pub async fn watchdog<Answer: Future<Output = bool>>(turns: impl Fn() -> u64, alive: impl Fn() -> Answer) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    feed(limit / 3, turns, alive, || notify(&[NotifyState::Watchdog])).await;
}

async fn feed<Answer: Future<Output = bool>>(
    every: Duration,
    turns: impl Fn() -> u64,
    alive: impl Fn() -> Answer,
    fed: impl Fn(),
) {
    let mut before = None;
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let now = turns();
        // An idle loop counts nothing. It is asked, and has one period to answer.
        if before != Some(now) || tokio::time::timeout(every, alive()).await == Ok(true) {
            fed();
        } else {
            tracing::error!("the commit loop does not answer; systemd's watchdog is not fed");
        }
        before = Some(now);
    }
}

fn notify(state: &[NotifyState<'_>]) {
    // Without systemd there is no socket, and that is no error.
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd was not told");
    }
}

fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let wrong = |directive: &str| TelemetryError::Level { directive: directive.to_owned() };
    // The library takes a misspelt level for the name of a module, and then says nothing at all.
    let directives: Vec<&str> = level.split(',').map(str::trim).collect();
    for directive in &directives {
        let said = directive.rsplit_once('=').map_or(*directive, |(_, said)| said);
        if !LEVELS.contains(&said.to_ascii_lowercase().as_str()) {
            return Err(wrong(directive));
        }
    }
    EnvFilter::try_new(directives.join(",")).map_err(|_| wrong(level))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_level_that_means_nothing_is_refused() {
        let log = |level: &str| Log { level: level.to_owned(), format: LogFormat::Text };
        for right in ["info", "DEBUG", "off", "info,tidegate::mqtt=debug", "warn, tidegate=trace"] {
            assert!(check(&log(right)).is_ok(), "{right}");
        }
        for (wrong, directive) in [("wran", "wran"), ("", ""), ("info,tidegate::mqtt", "tidegate::mqtt")] {
            let error = check(&log(wrong)).expect_err(wrong);
            assert_eq!(
                error.to_string(),
                format!(
                    "log.level: {directive:?} is not a level (off, error, warn, info, debug, trace), nor one for a \
                     module, as in \"info,tidegate::mqtt=debug\""
                )
            );
        }
    }

    /// How often the watchdog is fed in a minute of virtual time, fed every ten seconds at most.
    async fn fed_in_a_minute(turns: impl Fn() -> u64, answers: Option<bool>) -> u32 {
        let fed = Cell::new(0);
        let alive = || async move {
            match answers {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        };
        let feeding = feed(Duration::from_secs(10), turns, alive, || fed.set(fed.get() + 1));
        drop(tokio::time::timeout(Duration::from_secs(55), feeding).await);
        fed.get()
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_works_or_answers_feeds_the_watchdog() {
        let turns = Cell::new(0);
        let working = || {
            turns.set(turns.get() + 1);
            turns.get()
        };
        assert_eq!(fed_in_a_minute(working, None).await, 6);
        assert_eq!(fed_in_a_minute(|| 7, Some(true)).await, 6);
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stands_still_does_not() {
        assert_eq!(fed_in_a_minute(|| 7, Some(false)).await, 1);
        assert_eq!(fed_in_a_minute(|| 7, None).await, 1);
    }
}
