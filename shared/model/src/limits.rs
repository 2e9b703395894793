//! Every bound, with its unit in its name and what happens when it is reached. Metrics carry the same names.
//!
//! A limit that a person may set is a default here and a key in the configuration; the rest are fixed because two
//! sides, or two releases, must agree on them.

/// A device id is one level of a topic and of a URL. Longer: refused by name.
pub const DEVICE_ID_BYTES_MAX: usize = 64;
/// Sources, channels, activity types. Longer: refused by name.
pub const NAME_BYTES_MAX: usize = 255;
/// Workflow ids, signal ids, task queues: Temporal's own default (`limit.maxIDLength`). Longer: refused by name.
pub const ID_BYTES_MAX: usize = 1_000;

/// One MQTT payload that is decoded. Larger: dead-lettered with its size, the first bytes kept.
pub const MQTT_PAYLOAD_BYTES_MAX: usize = 256 * 1024;
/// The largest packet the client takes from the broker at all. The broker must be set no higher
/// (`message_size_limit`), because a larger one ends the connection.
pub const MQTT_PACKET_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Nesting of a JSON or CBOR payload. Deeper: dead-lettered. serde_cbor and serde_json both stop at 128.
pub const PAYLOAD_DEPTH_MAX: usize = 128;
/// What a dead letter keeps of the payload, of the topic and of the reason, each.
pub const DEAD_LETTER_KEPT_BYTES_MAX: usize = 1_024;
/// Dead letters kept; the oldest give way, and the count of all ever seen goes on.
pub const DEAD_LETTERS_KEPT_MAX: usize = 1_000;
/// Text in a reading's value, unit or source stamp.
pub const READING_TEXT_BYTES_MAX: usize = 1_024;
/// Values of one reading that is a vector (a waveform, three axes).
pub const READING_VALUES_MAX: usize = 4_096;

/// Inputs decided in one group commit. More wait for the next.
pub const GROUP_COMMIT_INPUTS_MAX: usize = 1_024;
/// Bytes appended in one group commit, after which it closes.
pub const GROUP_COMMIT_BYTES_MAX: usize = 1024 * 1024;
/// Errands of runs to other runs that a step works off (a child started, a signal delivered, a parent told). What is
/// left is due at once, and no task is handed out before it is done.
pub const ERRANDS_PER_STEP_MAX: usize = 1_024;
/// Deadlines fired in one group commit; what else is due follows in the next, so that a month of timers that fall due
/// at once does not hold up an alarm.
pub const DEADLINES_PER_GROUP_MAX: usize = 1_024;
/// Inputs waiting for the commit loop. Full: whoever sends waits, and MQTT is not acknowledged.
pub const COMMIT_QUEUE_INPUTS_MAX: usize = 4_096;
/// Appends marked "at leisure" wait at most this long for a commit to ride along with.
pub const LEISURE_MILLIS_MAX: u64 = 1_000;

/// One row of the log, one snapshot: the cap of their decoders, compressed and not.
pub const ROW_BYTES_MAX: usize = 16 * 1024 * 1024;
/// See [`ROW_BYTES_MAX`].
pub const SNAPSHOT_BYTES_MAX: usize = 512 * 1024 * 1024;

/// What a decoder may take of memory at its highest, for each byte of its input (the worst form, a payload with one
/// key of metadata, takes 120) …
pub const DECODE_BYTES_PER_INPUT_BYTE_MAX: usize = 128;
/// … and above that, whatever the input says of its own length: serde takes up to 1 MiB for a list on its word.
pub const DECODE_BYTES_BASE_MAX: usize = 2 * 1024 * 1024;
/// What is kept of a decoder's complaint; it may quote the input.
pub const DECODE_REASON_BYTES_MAX: usize = 240;

/// An envelope on the wire between device and bridge, not compressed.
pub const WIRE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A batch closes when it holds this many bytes. A single record larger than this travels alone.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;
/// A batch closes when it holds this many records.
pub const BATCH_RECORDS_MAX: usize = 500;
/// Signals in one answer to a downlink poll.
pub const DOWNLINK_SIGNALS_MAX: usize = 100;
/// Boots of a device that the bridge remembers, to tell a hello that strayed from them. Older ones are forgotten.
pub const FORMER_BOOTS_MAX: usize = 64;
/// How long the bridge holds a downlink poll with nothing to say.
pub const DOWNLINK_WAIT_SECONDS_MAX: u64 = 30;
/// Signals waiting for one device. Full: the operator's request is refused.
pub const DOWNLINK_WAITING_MAX: usize = 10_000;
/// Signals a device remembers, so that it applies none twice. More: the oldest is forgotten, and a number below it
/// counts as applied.
pub const DOWNLINK_INBOX_MAX: usize = 12_000;

/// One payload of a workflow: input, result, signal. Temporal's default is 2 MiB; a gateway's is smaller.
pub const PAYLOAD_BYTES_MAX: usize = 512 * 1024;
/// Events in a run. Temporal ends the run at 51,200; so do we.
pub const HISTORY_EVENTS_MAX: u64 = 51_200;
/// Bytes in a run's history (Temporal: 50 MiB). Sized for a gateway.
pub const HISTORY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Events in a run from which the workflow is told to continue as new: Temporal's default.
pub const HISTORY_EVENTS_SUGGEST: u64 = 4_096;
/// Bytes in a run's history from which the workflow is told to continue as new (Temporal: 4 MiB).
pub const HISTORY_BYTES_SUGGEST: u64 = 2 * 1024 * 1024;
/// Signals in a run: Temporal's default.
pub const SIGNALS_PER_RUN_MAX: u64 = 10_000;
/// Events waiting for an outstanding workflow task; at this the task is failed to make room (Temporal: 100).
pub const BUFFERED_EVENTS_MAX: usize = 100;
/// Bytes waiting for an outstanding workflow task, with the same end (Temporal: 2 MB).
pub const BUFFERED_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of the events that the commands of one workflow task become. More: the workflow task fails.
pub const COMMANDS_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of new events kept for a sticky worker. More: its next task comes with the whole history.
pub const STICKY_HISTORY_BYTES_MAX: usize = 1024 * 1024;
/// Activities a run has open: Temporal's default. More: the workflow task fails.
pub const PENDING_ACTIVITIES_MAX: usize = 2_000;
/// The fairness key of a priority: Temporal's. Longer: the workflow task fails.
pub const FAIRNESS_KEY_BYTES_MAX: usize = 64;
/// Timers a run has open.
pub const PENDING_TIMERS_MAX: usize = 2_000;
/// Children a run has open: Temporal's default. More: the workflow task fails.
pub const PENDING_CHILDREN_MAX: usize = 2_000;
/// Signals to others a run has on their way: Temporal's default. More: the workflow task fails.
pub const PENDING_SIGNALS_MAX: usize = 2_000;
/// Cancels of others a run has on their way: Temporal's default. More: the workflow task fails.
pub const PENDING_CANCEL_REQUESTS_MAX: usize = 2_000;
/// Updates of a run under way at once: Temporal's default. More: refused with "resource exhausted".
pub const UPDATES_IN_FLIGHT_MAX: usize = 10;
/// Updates of a run altogether: Temporal's default. More: refused with "failed precondition".
pub const UPDATES_PER_RUN_MAX: usize = 2_000;
/// Queries that wait for a run's workflow task (Temporal: 1). More: refused with "resource exhausted".
pub const BUFFERED_QUERIES_MAX: usize = 16;
/// How long closed runs are remembered where their namespace says nothing of it: three days.
pub const RETENTION_SECONDS: u64 = 3 * 86_400;
/// The shortest retention a namespace may ask for: Temporal's. Less: refused by name.
pub const RETENTION_SECONDS_MIN: u64 = 3_600;
/// Workflow runs a worker keeps warm, so that a task brings only new events. More: the one idle longest goes, and
/// comes back by replay.
pub const CACHED_RUNS_MAX: usize = 1_000;
/// Workflow tasks of one worker between poll and answer. More wait in the engine.
pub const WORKFLOW_TASKS_AT_ONCE_MAX: usize = 64;
/// Activities of one worker running at once. More wait in the engine.
pub const ACTIVITIES_AT_ONCE_MAX: usize = 64;
/// Times workflow code is polled for one event. More: it wakes itself for ever, and the workflow task fails.
pub const POLLS_PER_EVENT_MAX: usize = 10_000;
/// The list of a run's patches that it is found by (Temporal's SDKs: the same). Longer: it is not found by the next.
pub const SHOWN_PATCHES_BYTES_MAX: usize = 2_048;
/// How long workflow code may take from one poll to the next (Temporal: 2 s). Longer: its thread is left behind, the
/// workflow task fails, and the run waits until the code comes back.
pub const WORKFLOW_DEADLOCK_SECONDS: u64 = 2;
/// Threads one workflow type may leave behind. More: its workflow tasks fail at once until one comes back.
pub const STUCK_THREADS_PER_TYPE_MAX: usize = 2;
/// Of the turns of workflow code, one in so many is repeated from its history where samples are taken.
pub const SHADOW_REPLAY_EVERY: u64 = 100;
/// Events a history may have to be repeated for a sample. Longer: that turn is not sampled.
pub const SHADOW_REPLAY_EVENTS_MAX: u64 = 2_000;
/// Blocked runs a worker tells of. More: the one seen longest ago is not told of, and goes on being tried.
pub const BLOCKED_RUNS_MAX: usize = 1_000;
/// An answer to an HTTP request of an activity. Longer: reading stops there.
pub const HTTP_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// What an activity's result keeps of such an answer: it becomes history.
pub const HTTP_ANSWER_KEPT_BYTES_MAX: usize = 2_048;
/// A schedule's id: with `temporal-sys-scheduler:` before it it must fit a workflow id, as on Temporal. Longer: refused
/// by name.
pub const SCHEDULE_ID_BYTES_MAX: usize = ID_BYTES_MAX - "temporal-sys-scheduler:".len();
/// Calendars, cron strings, intervals and exclusions of one schedule together. More: refused by name.
pub const SCHEDULE_SPEC_ENTRIES_MAX: usize = 500;
/// Ranges in one field of a schedule's calendar. More: refused by name.
pub const SCHEDULE_RANGES_MAX: usize = 200;
/// One text of a schedule's calendar, one cron string. Longer: refused by name.
pub const SCHEDULE_TEXT_BYTES_MAX: usize = 1_000;
/// Comment of one calendar of a schedule: Temporal's own bound. Longer: refused by name.
pub const SCHEDULE_COMMENT_BYTES_MAX: usize = 200;
/// Definition of a time zone that comes with a schedule; the largest of the IANA database has 4 KB. Longer: refused by
/// name.
pub const TIMEZONE_DATA_BYTES_MAX: usize = 16 * 1024;
/// Excluded times that a search for a schedule's next time passes, each counted once for itself and once for every
/// exclusion of the spec. More: the schedule takes no further action, and says so.
pub const SCHEDULE_SEARCH_STEPS_MAX: usize = 100_000;
/// Schedules there are, over all namespaces. More: refused with "resource exhausted".
pub const SCHEDULES_MAX: usize = 10_000;
/// A schedule with its memo and search attributes, as it is stored. Larger: refused by name.
pub const SCHEDULE_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 64 * 1024;
/// Notes of a schedule, also those of a pause: Temporal's own bound. Longer: refused by name.
pub const SCHEDULE_NOTES_BYTES_MAX: usize = 1_000;
/// How late a scheduled action may be, unless its schedule says otherwise: Temporal's default of a year. Later: it is
/// left out and counted.
pub const CATCH_UP_WINDOW_SECONDS: u64 = 365 * 86_400;
/// The least that a schedule can say of that: Temporal's. Less is taken for this.
pub const CATCH_UP_WINDOW_SECONDS_MIN: u64 = 10;
/// Actions of a schedule that wait for another to end: Temporal's default. More: left out and counted.
pub const SCHEDULE_WAITING_MAX: usize = 1_000;
/// Backfills of a schedule under way: Temporal's. More: refused with "resource exhausted".
pub const SCHEDULE_BACKFILLS_MAX: usize = 100;
/// Times of a schedule dealt with at one look. More wait for the next look, a [`SCHEDULE_PACE_MILLIS`] later.
pub const SCHEDULE_TIMES_AT_ONCE_MAX: usize = 10_000;
/// Workflows that a schedule starts beside each other at one look; more wait for the next. An outage of a month is
/// worked off at this pace.
pub const SCHEDULE_STARTS_AT_ONCE_MAX: usize = 10;
/// Between two looks at a schedule that has more to do than fits one.
pub const SCHEDULE_PACE_MILLIS: u64 = 1_000;
/// Between two tries to start a workflow that the engine had no room for, until the catch-up window is over.
pub const SCHEDULE_RETRY_SECONDS: u64 = 10;
/// How long a schedule stays that has nothing left to do: Temporal's default of a week. Then it is deleted.
pub const SCHEDULE_IDLE_SECONDS_MAX: u64 = 7 * 86_400;
/// Actions taken that a schedule remembers: Temporal's. More: the oldest is forgotten.
pub const SCHEDULE_RECENT_ACTIONS_MAX: usize = 10;
/// Times to come that a description of a schedule shows: Temporal's.
pub const SCHEDULE_FUTURE_ACTIONS_MAX: usize = 10;
/// Actions taken, and times to come, that a list of schedules shows of each: Temporal's.
pub const SCHEDULE_LISTED_ACTIONS_MAX: usize = 5;
/// Calendars, intervals and exclusions, of each kind, that a list of schedules shows of each: Temporal's.
pub const SCHEDULE_LISTED_ENTRIES_MAX: usize = 10;
/// Times in a list of a schedule's times: Temporal's. More: the list ends.
pub const SCHEDULE_MATCHING_TIMES_MAX: usize = 1_000;
/// Request ids of updates and patches that a schedule remembers. More: the oldest is forgotten.
pub const SCHEDULE_REQUEST_IDS_MAX: usize = 100;
/// How often schedules look whether the calendar has been set, while it is not disciplined by a time source …
pub const SCHEDULE_CLOCK_LOOK_SECONDS: u64 = 60;
/// … and while it is.
pub const SCHEDULE_CLOCK_SECONDS: u64 = 3_600;
/// How far a schedule may be ahead of a calendar that was set back. Further: it goes on from the calendar's present.
pub const SCHEDULE_AHEAD_SECONDS_MAX: u64 = 3_600;
/// A workflow's `cron_schedule`. Longer: the start is refused by name.
pub const CRON_BYTES_MAX: usize = 1_000;
/// History that a reset reads and copies, over all runs it is given. More: the reset is refused by name.
pub const RESET_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How often the history of a run that is to be reset is read again because the run had gone on. More: refused as stale.
pub const RESET_READS_MAX: usize = 8;
/// An execution is not begun again within this time of its last beginning: a restart that terminates the open run is
/// refused as busy, a run that follows another waits (Temporal's `history.workflowIdReuseMinimalInterval`).
pub const WORKFLOW_ID_REUSE_MILLIS_MIN: u64 = 1_000;
/// Open runs. More: a start is refused with "resource exhausted".
pub const OPEN_RUNS_MAX: usize = 100_000;
/// Closed runs remembered for lists, descriptions and repeated starts. More: the one closed first is forgotten; its
/// history stays in the log.
pub const CLOSED_RUNS_KEPT_MAX: usize = 1_000;
/// Polls waiting at once over all queues. More: the poll is refused with "resource exhausted".
pub const POLLS_WAITING_MAX: usize = 10_000;
/// How long polls of a worker that has ended are answered empty at once: Temporal's. Later: they wait like any other.
pub const WORKERS_RETIRED_SECONDS_MAX: u64 = 30;
/// Workers that ended and are remembered. More: the one that ended first is forgotten, and polls of it wait.
pub const WORKERS_RETIRED_MAX: usize = 1_000;
/// A failure message that is kept with an attempt (Temporal: 4 KiB); longer ones are cut.
pub const FAILURE_BYTES_MAX: usize = 4_096;
/// Causes behind a failure. Further ones are cut when it is stored or sent: wrapped failures grow without end in a
/// workflow that wraps what it caught, and nobody reads the thirtieth.
pub const FAILURE_CAUSES_MAX: usize = 32;
/// Start-to-close time-out of a workflow task: Temporal's default.
pub const WORKFLOW_TASK_TIMEOUT_SECONDS: u64 = 10;
/// And its cap.
pub const WORKFLOW_TASK_TIMEOUT_SECONDS_MAX: u64 = 120;
/// Wait added to the time-out of a workflow task at its third attempt, doubled at each further one: Temporal's.
pub const WORKFLOW_TASK_RETRY_SECONDS: u64 = 5;
/// And its cap.
pub const WORKFLOW_TASK_RETRY_SECONDS_MAX: u64 = 600;
/// How long workers may do nothing but ask for the next workflow task because local activities are under way:
/// Temporal's 30 minutes. Longer: the task times out, and the next goes to the normal queue.
pub const WORKFLOW_TASK_HEARTBEAT_SECONDS_MAX: u64 = 1_800;
/// At which part of its time-out, in percent, the built-in worker answers a workflow task that waits for local
/// activities, and asks for another one: as the SDKs do.
pub const WORKFLOW_TASK_HEARTBEAT_PERCENT: u32 = 80;
/// Result of a local activity: a payload with room for what its marker says beside it. Larger: the activity fails, and is
/// not tried again.
pub const LOCAL_RESULT_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - 8 * 1024;
/// A sticky queue nobody polled for this long is passed over for the normal queue: Temporal's.
pub const STICKY_UNPOLLED_SECONDS_MAX: u64 = 10;
/// A sticky task not fetched in this time goes to the normal queue: the SDKs' default.
pub const STICKY_SCHEDULE_TO_START_SECONDS: u64 = 10;
/// How long a worker counts as a poller of a queue after its last poll: Temporal's.
pub const POLLER_SECONDS_MAX: u64 = 300;
/// Pollers of one queue that are remembered. More: the one not seen for the longest time is forgotten.
pub const POLLERS_REMEMBERED_MAX: usize = 100;
/// A poll with no task is answered empty after this, before the client's 70 s.
pub const POLL_SECONDS_MAX: u64 = 60;
/// A request that waits for a stage of an update is answered with the stage reached after this: Temporal's.
pub const UPDATE_WAIT_SECONDS_MAX: u64 = 20;
/// Requests that wait for updates at once, over all runs. More: refused with "resource exhausted".
pub const UPDATE_WAITS_MAX: usize = 10_000;
/// Bytes of the updates that no workflow has let in yet, over all runs: they are kept in memory. More: refused with
/// "resource exhausted".
pub const UPDATES_ADMITTED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of the outcomes of its updates that an open run keeps. More: those of the oldest are found in its history.
pub const UPDATE_OUTCOMES_BYTES_MAX: usize = 256 * 1024;
/// Bytes of the updates that are remembered of a closed run. More: the oldest are found in its history.
pub const UPDATE_OUTCOMES_OF_CLOSED_BYTES_MAX: usize = 16 * 1024;
/// Events since the last workflow task that a speculative one may show its worker and still be forgotten: Temporal's.
/// More: it is recorded though nothing came of it, so that they are not shown again with each update.
pub const SPECULATIVE_EVENTS_MAX: u64 = 10;
/// Queries that wait for an answer, over all runs. More: refused with "resource exhausted".
pub const QUERIES_WAITING_MAX: usize = 1_000;
/// A query that no worker has answered is refused after this. Temporal leaves it to the client's own deadline.
pub const QUERY_WAIT_SECONDS_MAX: u64 = 30;
/// What a query is answered with, which is never stored: as large as Temporal's largest payload, for stacks and dumps.
/// Larger: the query has failed.
pub const QUERY_RESULT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// From this attempt of a workflow task on, queries and updates of its run are refused: Temporal's. Code that does not
/// get through its tasks will not answer.
pub const WORKFLOW_TASK_FAILING_ATTEMPT: u32 = 3;
/// A wait for history is answered with how things are after this: Temporal's. Whoever asked asks again.
pub const HISTORY_WAIT_SECONDS_MAX: u64 = 20;
/// Waits for history at once, over all runs. More: refused with "resource exhausted".
pub const HISTORY_WAITS_MAX: usize = 10_000;
/// Any duration a workflow can ask for: Temporal's cap of 100 years.
pub const DURATION_SECONDS_MAX: u64 = 100 * 365 * 86_400;

/// A gRPC message, unpacked: Temporal's 4 MiB. Larger: refused as out of range.
pub const API_MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Headers of one request to the API. Larger: refused by the transport.
pub const API_HEADER_BYTES_MAX: usize = 16 * 1024;
/// Connections to the API at once. More wait in the system's queue until one closes.
pub const API_CONNECTIONS_MAX: usize = 512;
/// Requests under way on one connection to the API, waiting polls among them. More wait at the caller's.
pub const API_STREAMS_MAX: u32 = 1_000;
/// How long a connection to the API may be open before its first request. Longer: closed.
pub const API_FIRST_REQUEST_SECONDS_MAX: u64 = 30;
/// A connection to the API that is silent for this long is asked whether it is still there …
pub const API_PING_SECONDS: u64 = 30;
/// … and closed when it does not say so in this time.
pub const API_PING_ANSWER_SECONDS_MAX: u64 = 20;
/// How long requests under way may take when the API stops being served. Longer: cut off.
pub const API_SHUTDOWN_SECONDS_MAX: u64 = 5;
/// What a request without the key, or for an unknown method, waits for its answer; those of one connection wait one
/// after the other.
pub const API_REFUSAL_DELAY_MILLIS: u64 = 100;
/// Before a caller's own deadline, so that an empty answer still reaches him; at most a quarter of his time.
pub const API_ANSWER_BEFORE_DEADLINE_MILLIS: u64 = 1_000;
/// Digits of a caller's deadline, by gRPC's rules. More: as if he had none.
pub const API_TIMEOUT_DIGITS_MAX: usize = 8;
/// Workers that have ended whose idle polls have not been let go yet. More: polls are let go that need not be.
pub const API_WORKERS_ENDED_MAX: usize = 64;
/// A token that a caller brings back. Larger: refused, it is none of ours.
pub const API_TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Events in a page of a history: Temporal's default. The last batch of a page is given whole.
pub const API_HISTORY_PAGE_EVENTS_MAX: usize = 256;
/// Bytes in a page of a history, after which it closes. The last batch of a page is given whole.
pub const API_HISTORY_PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Executions in a page of a list: Temporal's default. More are asked for: so many are given.
pub const API_LIST_PAGE_MAX: usize = 1_000;
/// Batch operations under way at once. More: refused with "resource exhausted".
pub const API_BATCHES_RUNNING_MAX: usize = 4;
/// Batch operations remembered. More: the one that ended first is forgotten.
pub const API_BATCHES_KEPT_MAX: usize = 100;
/// Executions a batch operation lists at a time.
pub const API_BATCH_PAGE_MAX: usize = 100;
/// An API key. Shorter: refused where it is set.
pub const API_KEY_BYTES_MIN: usize = 16;

/// Namespaces. More: registering one is refused with "resource exhausted".
pub const NAMESPACES_MAX: usize = 1_000;
/// Description, owner and data of a namespace, together. More: refused by name.
pub const NAMESPACE_DATA_BYTES_MAX: usize = 16 * 1024;

/// Custom search attributes of one namespace. More: refused by name.
pub const SEARCH_ATTRIBUTES_PER_NAMESPACE_MAX: usize = 100;
/// Search attributes set at once, at a start or by one command: Temporal's default. More: refused by name.
pub const SEARCH_ATTRIBUTES_MAX: usize = 100;
/// The value of a search attribute: Temporal's default. Longer: refused by name.
pub const SEARCH_ATTRIBUTE_BYTES_MAX: usize = 2 * 1024;
/// All search attributes set at once, names included: Temporal's default. More: refused by name.
pub const SEARCH_ATTRIBUTES_BYTES_MAX: usize = 40 * 1024;

/// A list filter. Longer: refused by name.
pub const VISIBILITY_QUERY_BYTES_MAX: usize = 64 * 1024;
/// Parentheses and NOTs within each other in a list filter. Deeper: refused by name.
pub const VISIBILITY_QUERY_DEPTH_MAX: usize = 64;
/// Conditions of a list filter, each of which every run is held against. More: refused by name.
pub const VISIBILITY_QUERY_CONDITIONS_MAX: usize = 256;

/// Groups of confirmations waiting to be published to sources. Full: the newest are left out, and the source, not told,
/// sends again.
pub const CONFIRMATIONS_WAITING_MAX: usize = 256;
/// Runs in one page of a list: Temporal's default. More asked for: the page has so many.
pub const LIST_RUNS_MAX: usize = 1_000;
/// Namespaces in one page of a list. More asked for: the page has so many.
pub const NAMESPACES_LISTED_MAX: usize = 1_000;
/// Runs listed when nobody says how many.
pub const LIST_RUNS_DEFAULT: usize = 100;

/// Windows open at once over all pipelines and keys. More: the oldest is closed early, and says so.
pub const OPEN_WINDOWS_MAX: usize = 10_000;
/// Sources and channels whose last window is remembered, to tell a late reading. More: the one silent longest is forgotten.
pub const WINDOW_KEYS_MAX: usize = 20_000;
/// Windows closed in one commit. More wait for the next, which follows at once.
pub const WINDOWS_CLOSED_AT_ONCE_MAX: usize = 256;
/// Shortest window.
pub const WINDOW_SECONDS_MIN: u64 = 1;
/// Longest window: a leap year.
pub const WINDOW_SECONDS_MAX: u64 = 366 * 86_400;
/// How long a window waits for stragglers by the gateway's clock, unless its pipeline says otherwise.
pub const WINDOW_GRACE_SECONDS: u64 = 5;
/// Late readings in a row after which a source's clock is taken as set back, and its window begins again.
pub const LATE_READINGS_IN_A_ROW_MAX: u32 = 10;

/// A pipeline's file. Larger: refused by name.
pub const PIPELINE_BYTES_MAX: usize = 64 * 1024;
/// Sources of one pipeline. More: refused by name.
pub const PIPELINE_SOURCES_MAX: usize = 64;
/// Steps of one pipeline. More: refused by name.
pub const PIPELINE_STEPS_MAX: usize = 64;
/// A pipeline's name: part of a workflow id.
pub const PIPELINE_NAME_BYTES_MAX: usize = 64;
/// A condition's text. Longer: refused where the pipeline is read.
pub const CONDITION_BYTES_MAX: usize = 1_000;
/// Nesting of a condition. Deeper: refused where the pipeline is read.
pub const CONDITION_DEPTH_MAX: usize = 32;
/// Mistakes reported of one pipeline's file; the first are worth mending before the rest are read.
pub const DIAGNOSTICS_MAX: usize = 20;

/// Sequence marks kept for deduplication of readings, one per (source, session).
pub const DEDUP_SESSIONS_MAX: usize = 10_000;
/// Holes remembered in one such sequence. More: the oldest is taken as filled.
pub const DEDUP_HOLES_MAX: usize = 64;
/// Readings without an identity that are remembered to recognise a redelivery.
pub const DEDUP_RECENT_MAX: usize = 4_096;

/// Devices one bridge knows. More: a hello of a new one is refused in words.
pub const DEVICES_MAX: usize = 100_000;
/// Epochs the bridge keeps apart for one device. More: a hello with a new one is refused in words.
pub const EPOCHS_PER_DEVICE_MAX: usize = 1_000;
/// Closed runs the bridge lists for one epoch. More: the one that closed first leaves the list; its history stays in
/// the archive and is still read by run id.
pub const CLOSED_RUNS_LISTED_MAX: usize = 2_000;
/// Windows the bridge lists for one device. More: the oldest leaves the list, not the archive.
pub const WINDOWS_LISTED_MAX: usize = 100;
/// Dead letters and set-aside records the bridge lists for one device. More: the oldest leaves the list, not the
/// archive, and the count goes on.
pub const DEAD_LETTERS_LISTED_MAX: usize = 100;
/// Declared gaps the bridge lists for one lane. More: the oldest leaves the list, and the count of its items stays.
pub const GAPS_LISTED_MAX: usize = 1_000;
/// Signals with an outcome the bridge lists for one device, by which a repeated request is recognised. More: the
/// oldest is forgotten; the device still recognises its id.
pub const SIGNALS_SETTLED_LISTED_MAX: usize = 1_000;
/// Readings in one block of the samples lane. More: the bridge sets the block aside.
pub const BLOCK_READINGS_MAX: u32 = 65_536;
/// Batches the bridge takes in at once. More: refused with 429, to be sent again.
pub const BATCHES_IN_FLIGHT_MAX: usize = 64;
/// How long the bridge waits for a request's body. Longer: refused with 400.
pub const REQUEST_BODY_SECONDS_MAX: u64 = 30;
/// A result or failure as the bridge lists it with a run; longer ones are cut. The whole is in the history.
pub const RUN_OUTCOME_CHARS_MAX: usize = 200;

// The relations these must keep; a build that breaks one does not compile.
const _: () = assert!(BATCH_BYTES_MAX < WIRE_BYTES_MAX, "a batch must fit the wire");
const _: () = assert!(GROUP_COMMIT_BYTES_MAX + PAYLOAD_BYTES_MAX < ROW_BYTES_MAX, "a group must fit a row");
const _: () =
    assert!(PAYLOAD_BYTES_MAX + BATCH_BYTES_MAX < WIRE_BYTES_MAX, "one large record must fit the wire");
// A batch of events is at most a workflow task's commands, the buffer behind them and the event that overfilled it.
const _: () = assert!(
    COMMANDS_BYTES_MAX + BUFFERED_BYTES_MAX + PAYLOAD_BYTES_MAX + 64 * 1024 < WIRE_BYTES_MAX,
    "the largest batch of events must fit the wire"
);
const _: () = assert!(
    RESET_BYTES_MAX + BUFFERED_BYTES_MAX + PAYLOAD_BYTES_MAX + 64 * 1024 < ROW_BYTES_MAX,
    "the largest fork must fit a row"
);
const _: () = assert!(
    DOWNLINK_INBOX_MAX > DOWNLINK_WAITING_MAX + SIGNALS_SETTLED_LISTED_MAX,
    "a device must remember whatever the bridge can still send"
);
const _: () =
    assert!(QUERY_RESULT_BYTES_MAX + 64 * 1024 < API_MESSAGE_BYTES_MAX, "an answer must fit a message");
const _: () = assert!(MQTT_PAYLOAD_BYTES_MAX < GROUP_COMMIT_BYTES_MAX, "one message must fit a group");
const _: () = assert!(OPEN_WINDOWS_MAX < WINDOW_KEYS_MAX, "what is forgotten must have no window open");
const _: () = assert!(DEAD_LETTER_KEPT_BYTES_MAX < MQTT_PAYLOAD_BYTES_MAX, "a dead letter is a small thing");
