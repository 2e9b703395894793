//! `--dynamic-config-value KEY=VALUE`: the keys of Temporal's dynamic configuration that name a limit we have, too.

use std::str::FromStr;

use anyhow::{Context, bail};
use tidegate_engine::Settings;

const KEYS: [&str; 15] = [
    "limit.blobSize.error",
    "limit.historyCount.error",
    "limit.historyCount.suggestContinueAsNew",
    "limit.historySize.error",
    "limit.historySize.suggestContinueAsNew",
    "limit.numPendingActivities.error",
    "limit.numPendingCancelRequests.error",
    "limit.numPendingChildExecutions.error",
    "limit.numPendingSignals.error",
    "history.maxBufferedQueryCount",
    "history.maxInFlightUpdates",
    "history.maxTotalUpdates",
    "history.maximumSignalsPerExecution",
    "tidegate.openRunsMax",
    "tidegate.closedRunsKeptMax",
];

/// Beginnings of Temporal's keys for what is no part of this server. SDKs that start a server give such; and nothing here
/// warns before a limit is reached, as keys that end in `.warn` would have it.
const FOREIGN: [&str; 7] =
    ["activity.", "component.", "frontend.", "matching.", "nexusoperation.", "system.", "worker."];

/// Sets the limit that `text` names. A key that belongs to what there is none of here is passed over with a word.
///
/// # Errors
/// What is wrong with it, and the keys there are.
pub(super) fn set(settings: &mut Settings, text: &str) -> anyhow::Result<()> {
    let Some((key, value)) = text.split_once('=') else {
        bail!("--dynamic-config-value {text}: it is KEY=VALUE, as in {}=50", KEYS[2]);
    };
    match key {
        "limit.blobSize.error" => {
            let most = Settings::default().payload_bytes_max;
            settings.payload_bytes_max = number(key, value)?;
            if settings.payload_bytes_max > most {
                bail!("--dynamic-config-value {key}={value}: at most {most} bytes fit a row of the store");
            }
        }
        "limit.historyCount.error" => settings.history_events_max = number(key, value)?,
        "limit.historyCount.suggestContinueAsNew" => settings.history_events_suggest = number(key, value)?,
        "limit.historySize.error" => settings.history_bytes_max = number(key, value)?,
        "limit.historySize.suggestContinueAsNew" => settings.history_bytes_suggest = number(key, value)?,
        "limit.numPendingActivities.error" => settings.pending_activities_max = number(key, value)?,
        "limit.numPendingCancelRequests.error" => settings.pending_cancel_requests_max = number(key, value)?,
        "limit.numPendingChildExecutions.error" => settings.pending_children_max = number(key, value)?,
        "limit.numPendingSignals.error" => settings.pending_signals_max = number(key, value)?,
        "history.maxBufferedQueryCount" => settings.buffered_queries_max = number(key, value)?,
        "history.maxInFlightUpdates" => settings.updates_in_flight_max = number(key, value)?,
        "history.maxTotalUpdates" => settings.updates_per_run_max = number(key, value)?,
        "history.maximumSignalsPerExecution" => settings.signals_per_run_max = number(key, value)?,
        "tidegate.openRunsMax" => settings.open_runs_max = number(key, value)?,
        "tidegate.closedRunsKeptMax" => settings.closed_runs_kept_max = number(key, value)?,
        _ if FOREIGN.iter().any(|beginning| key.starts_with(beginning)) || key.ends_with(".warn") => {
            tracing::info!(
                key,
                "this server has nothing of the kind: the dynamic configuration value is passed over"
            );
        }
        _ => bail!("--dynamic-config-value {key}: this server has {}", KEYS.join(", ")),
    }
    Ok(())
}

fn number<T: FromStr<Err = std::num::ParseIntError>>(key: &str, value: &str) -> anyhow::Result<T> {
    value.parse().with_context(|| format!("--dynamic-config-value {key}={value}: it is a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_there_is_can_be_set() {
        for key in KEYS {
            let mut settings = Settings::default();
            set(&mut settings, &format!("{key}=7")).unwrap_or_else(|error| panic!("{key}: {error}"));
            assert_ne!(settings, Settings::default(), "{key}");
        }
    }

    #[test]
    fn a_key_of_what_there_is_none_of_changes_nothing() {
        let mut settings = Settings::default();
        for text in ["frontend.enableServerVersionCheck=false", "limit.blobSize.warn=2048"] {
            set(&mut settings, text).expect("an SDK says so");
        }
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        let refused = |text: &str| set(&mut Settings::default(), text).expect_err("refused").to_string();
        assert!(refused("limit.historyCount.error").contains("KEY=VALUE"));
        assert!(refused("limit.historyCount.error=many").contains("whole number"));
        assert!(refused("limit.historyCount.eror=7").contains("limit.historyCount.error"));
        assert!(refused("limit.blobSize.error=999999999").contains("at most"));
    }
}
