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
/// What a dead letter keeps of the payload.
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
/// Inputs waiting for the commit loop. Full: whoever sends waits, and MQTT is not acknowledged.
pub const COMMIT_QUEUE_INPUTS_MAX: usize = 4_096;
/// Appends marked "at leisure" wait at most this long for a commit to ride along with.
pub const LEISURE_MILLIS_MAX: u64 = 1_000;

/// One row of the log, one snapshot: the cap of their decoders, compressed and not.
pub const ROW_BYTES_MAX: usize = 16 * 1024 * 1024;
/// See [`ROW_BYTES_MAX`].
pub const SNAPSHOT_BYTES_MAX: usize = 512 * 1024 * 1024;

/// An envelope on the wire between device and bridge, not compressed.
pub const WIRE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A batch closes when it holds this many bytes. A single record larger than this travels alone.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;
/// A batch closes when it holds this many records.
pub const BATCH_RECORDS_MAX: usize = 500;
/// Signals in one answer to a downlink poll.
pub const DOWNLINK_SIGNALS_MAX: usize = 100;
/// How long the bridge holds a downlink poll with nothing to say.
pub const DOWNLINK_WAIT_SECONDS_MAX: u64 = 30;
/// Signals waiting for one device. Full: the operator's request is refused.
pub const DOWNLINK_WAITING_MAX: usize = 10_000;

/// One payload of a workflow: input, result, signal. Temporal's default is 2 MiB; a gateway's is smaller.
pub const PAYLOAD_BYTES_MAX: usize = 512 * 1024;
/// Events in a run. Temporal ends the run at 51,200; so do we.
pub const HISTORY_EVENTS_MAX: u64 = 51_200;
/// Bytes in a run's history (Temporal: 50 MiB). Sized for a gateway.
pub const HISTORY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Signals in a run: Temporal's default.
pub const SIGNALS_PER_RUN_MAX: u64 = 10_000;
/// Events waiting for an outstanding workflow task; at this the task is failed to make room (Temporal: 100).
pub const BUFFERED_EVENTS_MAX: usize = 100;
/// Activities a run has open: Temporal's default. More: the workflow task fails.
pub const PENDING_ACTIVITIES_MAX: usize = 2_000;
/// Timers a run has open.
pub const PENDING_TIMERS_MAX: usize = 2_000;
/// Open runs. More: a start is refused with "resource exhausted".
pub const OPEN_RUNS_MAX: usize = 100_000;
/// A failure message that is kept with an attempt (Temporal: 4 KiB); longer ones are cut.
pub const FAILURE_BYTES_MAX: usize = 4_096;
/// Start-to-close time-out of a workflow task: Temporal's default.
pub const WORKFLOW_TASK_TIMEOUT_SECONDS: u64 = 10;
/// And its cap.
pub const WORKFLOW_TASK_TIMEOUT_SECONDS_MAX: u64 = 120;
/// A sticky task not fetched in this time goes to the normal queue: the SDKs' default.
pub const STICKY_SCHEDULE_TO_START_SECONDS: u64 = 10;
/// A poll with no task is answered empty after this, before the client's 70 s.
pub const POLL_SECONDS_MAX: u64 = 60;
/// Any duration a workflow can ask for: Temporal's cap of 100 years.
pub const DURATION_SECONDS_MAX: u64 = 100 * 365 * 86_400;

/// Windows open at once over all pipelines and keys. More: the oldest is closed early, and says so.
pub const OPEN_WINDOWS_MAX: usize = 10_000;
/// Sequence marks kept for deduplication of readings, one per (source, session).
pub const DEDUP_SESSIONS_MAX: usize = 10_000;
/// Holes remembered in one such sequence. More: the oldest is taken as filled.
pub const DEDUP_HOLES_MAX: usize = 64;
/// Readings without an identity that are remembered to recognise a redelivery.
pub const DEDUP_RECENT_MAX: usize = 4_096;

// The relations these must keep; a build that breaks one does not compile.
const _: () = assert!(BATCH_BYTES_MAX < WIRE_BYTES_MAX, "a batch must fit the wire");
const _: () = assert!(GROUP_COMMIT_BYTES_MAX + PAYLOAD_BYTES_MAX < ROW_BYTES_MAX, "a group must fit a row");
const _: () = assert!(PAYLOAD_BYTES_MAX + BATCH_BYTES_MAX < WIRE_BYTES_MAX, "one large record must fit the wire");
const _: () = assert!(MQTT_PAYLOAD_BYTES_MAX < GROUP_COMMIT_BYTES_MAX, "one message must fit a group");
const _: () = assert!(DEAD_LETTER_KEPT_BYTES_MAX < MQTT_PAYLOAD_BYTES_MAX, "a dead letter is a small thing");
