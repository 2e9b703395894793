//! The limits of the engine that a person may set. The defaults are those of `tidegate_model::limits`, sized for a
//! gateway; they decide what is let in, never how a record is read, so they may change between two starts.

use std::time::Duration;

use tidegate_model::limits;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of one payload, header, memo or failure. Temporal's `limit.blobSize.error`.
    pub payload_bytes_max: usize,
    /// Events in a run; at this it is terminated. Temporal's `limit.historyCount.error`.
    pub history_events_max: u64,
    /// Bytes in a run's history; at this it is terminated. Temporal's `limit.historySize.error`.
    pub history_bytes_max: u64,
    /// Events in a run from which it is told to continue as new.
    pub history_events_suggest: u64,
    /// Bytes in a run's history from which it is told to continue as new.
    pub history_bytes_suggest: u64,
    /// Activities a run has open. Temporal's `limit.numPendingActivities.error`.
    pub pending_activities_max: usize,
    /// Timers a run has open.
    pub pending_timers_max: usize,
    /// Children a run has open. Temporal's `limit.numPendingChildExecutions.error`.
    pub pending_children_max: usize,
    /// Signals to others a run has on their way. Temporal's `limit.numPendingSignals.error`.
    pub pending_signals_max: usize,
    /// Cancels of others a run has on their way. Temporal's `limit.numPendingCancelRequests.error`.
    pub pending_cancel_requests_max: usize,
    /// Signals in a run. Temporal's `history.maximumSignalsPerExecution`.
    pub signals_per_run_max: u64,
    /// Updates of a run under way at once. Temporal's `history.maxInFlightUpdates`.
    pub updates_in_flight_max: usize,
    /// Updates of a run altogether. Temporal's `history.maxTotalUpdates`.
    pub updates_per_run_max: usize,
    /// Queries that wait for a run's workflow task. Temporal's `history.maxBufferedQueryCount`.
    pub buffered_queries_max: usize,
    /// Runs open at once.
    pub open_runs_max: usize,
    /// Closed runs remembered, over all namespaces, whatever their retention.
    pub closed_runs_kept_max: usize,
    /// How long closed runs of the namespace `default` are remembered, and of one that says nothing of it.
    pub retention: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            payload_bytes_max: limits::PAYLOAD_BYTES_MAX,
            history_events_max: limits::HISTORY_EVENTS_MAX,
            history_bytes_max: limits::HISTORY_BYTES_MAX,
            history_events_suggest: limits::HISTORY_EVENTS_SUGGEST,
            history_bytes_suggest: limits::HISTORY_BYTES_SUGGEST,
            pending_activities_max: limits::PENDING_ACTIVITIES_MAX,
            pending_timers_max: limits::PENDING_TIMERS_MAX,
            pending_children_max: limits::PENDING_CHILDREN_MAX,
            pending_signals_max: limits::PENDING_SIGNALS_MAX,
            pending_cancel_requests_max: limits::PENDING_CANCEL_REQUESTS_MAX,
            signals_per_run_max: limits::SIGNALS_PER_RUN_MAX,
            updates_in_flight_max: limits::UPDATES_IN_FLIGHT_MAX,
            updates_per_run_max: limits::UPDATES_PER_RUN_MAX,
            buffered_queries_max: limits::BUFFERED_QUERIES_MAX,
            open_runs_max: limits::OPEN_RUNS_MAX,
            closed_runs_kept_max: limits::CLOSED_RUNS_KEPT_MAX,
            retention: Duration::from_secs(limits::RETENTION_SECONDS),
        }
    }
}
