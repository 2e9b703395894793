//! Payloads and failures: what workflows exchange. Opaque to everything but the two ends.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::id::Execution;

/// Temporal's `Payload`: bytes and what they are. Kept byte for byte, never parsed on the way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Payload {
    /// `encoding` (`json/plain`, `binary/null`, …) and whatever else the converter wrote.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, ByteBuf>,
    /// The encoded value.
    pub data: ByteBuf,
}

impl Payload {
    /// A value that is JSON already, marked as the SDKs' default converter marks it.
    #[must_use]
    pub fn json(text: impl Into<Vec<u8>>) -> Self {
        let mut metadata = BTreeMap::new();
        metadata.insert(String::from("encoding"), ByteBuf::from(b"json/plain".to_vec()));
        Self { metadata, data: ByteBuf::from(text.into()) }
    }

    /// Bytes of data and metadata, as the limits count them.
    #[must_use]
    pub fn size(&self) -> usize {
        self.data.len() + self.metadata.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>()
    }
}

/// Arguments, results, details: Temporal's `Payloads`.
pub type Payloads = Vec<Payload>;

/// Context that travels beside the arguments: Temporal's `Header`.
pub type Header = BTreeMap<String, Payload>;

/// Why something did not succeed: Temporal's `Failure`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For a person.
    pub message: String,
    /// Which SDK or part wrote it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// As the worker sent it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stack_trace: String,
    /// Message and stack trace as the worker's codec encrypted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoded_attributes: Option<Payload>,
    /// What kind of failure.
    pub info: FailureInfo,
    /// What it was caused by, and so on. Stored and sent as a flat list, the nearest cause first, so that no decoder
    /// recurses; causes beyond [`FAILURE_CAUSES_MAX`](crate::limits::FAILURE_CAUSES_MAX) are cut off.
    #[serde(rename = "causes", default, skip_serializing_if = "Option::is_none", with = "causes")]
    pub cause: Option<Box<Failure>>,
}

impl Failure {
    /// A failure of the application's own making, retried unless `non_retryable`.
    #[must_use]
    pub fn application(message: impl Into<String>, kind: impl Into<String>, non_retryable: bool) -> Self {
        Self::of(
            message,
            FailureInfo::Application {
                kind: kind.into(),
                non_retryable,
                details: Vec::new(),
                next_retry_delay: None,
                benign: false,
            },
        )
    }

    /// A time-out.
    #[must_use]
    pub fn timeout(message: impl Into<String>, timeout_type: TimeoutType) -> Self {
        Self::of(message, FailureInfo::Timeout { timeout_type, last_heartbeat_details: Vec::new() })
    }

    fn of(message: impl Into<String>, info: FailureInfo) -> Self {
        Self {
            message: message.into(),
            source: String::from("Tidegate"),
            stack_trace: String::new(),
            encoded_attributes: None,
            info,
            cause: None,
        }
    }
}

mod causes {
    //! The chain of causes as the flat list it is stored as.

    use alloc::borrow::Cow;
    use alloc::boxed::Box;
    use alloc::vec::Vec;
    use core::iter::successors;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Failure, FailureInfo, Payload};
    use crate::limits::FAILURE_CAUSES_MAX;

    /// A failure without its cause: the fields of [`Failure`], under the same names.
    #[derive(Serialize, Deserialize)]
    struct Link<'a> {
        message: Cow<'a, str>,
        #[serde(default, skip_serializing_if = "str::is_empty")]
        source: Cow<'a, str>,
        #[serde(default, skip_serializing_if = "str::is_empty")]
        stack_trace: Cow<'a, str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        encoded_attributes: Option<Cow<'a, Payload>>,
        info: Cow<'a, FailureInfo>,
    }

    impl<'a> From<&'a Failure> for Link<'a> {
        fn from(failure: &'a Failure) -> Self {
            Self {
                message: Cow::Borrowed(&failure.message),
                source: Cow::Borrowed(&failure.source),
                stack_trace: Cow::Borrowed(&failure.stack_trace),
                encoded_attributes: failure.encoded_attributes.as_ref().map(Cow::Borrowed),
                info: Cow::Borrowed(&failure.info),
            }
        }
    }

    impl Link<'_> {
        fn caused_by(self, cause: Option<Box<Failure>>) -> Failure {
            Failure {
                message: self.message.into_owned(),
                source: self.source.into_owned(),
                stack_trace: self.stack_trace.into_owned(),
                encoded_attributes: self.encoded_attributes.map(Cow::into_owned),
                info: self.info.into_owned(),
                cause,
            }
        }
    }

    pub(super) fn serialize<S: Serializer>(
        cause: &Option<Box<Failure>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let chain = successors(cause.as_deref(), |failure| failure.cause.as_deref());
        // Collected, because a sequence of unknown length has another form in CBOR.
        let links: Vec<Link<'_>> = chain.take(FAILURE_CAUSES_MAX).map(Link::from).collect();
        links.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Box<Failure>>, D::Error> {
        let mut links = Vec::<Link<'static>>::deserialize(deserializer)?;
        links.truncate(FAILURE_CAUSES_MAX);
        Ok(links.into_iter().rev().fold(None, |cause, link| Some(Box::new(link.caused_by(cause)))))
    }
}

/// The kinds of failure (the `failure_info` of Temporal's message).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureInfo {
    /// Raised by workflow or activity code.
    Application {
        /// What the retry policy's non-retryable types are compared with.
        kind: String,
        /// Never retry, whatever the policy says.
        non_retryable: bool,
        /// Whatever the code attached.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        details: Payloads,
        /// Overrides the policy's back-off for the next attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_retry_delay: Option<Duration>,
        /// Expected in the course of business: logged lower, counted apart.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        benign: bool,
    },
    /// A time-out fired.
    Timeout {
        /// Which one.
        timeout_type: TimeoutType,
        /// The last progress the attempt reported.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        last_heartbeat_details: Payloads,
    },
    /// Raised by the server.
    Server {
        /// Never retry.
        non_retryable: bool,
    },
    /// Ended because somebody asked for it.
    Canceled {
        /// Whatever the code attached.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        details: Payloads,
    },
    /// Ended by somebody else.
    Terminated,
    /// The workflow was reset while this was under way.
    ResetWorkflow {
        /// The last progress the attempt reported.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        last_heartbeat_details: Payloads,
    },
    /// Wraps what a child failed with, as its parent sees it.
    ChildWorkflow {
        /// The child, with its run.
        child: Box<Execution>,
        /// Its workflow function.
        workflow_type: String,
        /// The event that asked for it.
        initiated_event_id: u64,
        /// The event that said it runs.
        started_event_id: u64,
        /// Why it was not tried again.
        retry_state: RetryState,
    },
    /// Wraps what an activity failed with, as a workflow sees it.
    Activity {
        /// The event that scheduled it.
        scheduled_event_id: u64,
        /// The event that says it was started.
        started_event_id: u64,
        /// The activity type.
        activity_type: String,
        /// The activity's id in its run.
        activity_id: String,
        /// Why it was not tried again.
        retry_state: RetryState,
        /// Who had it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        identity: String,
    },
}

/// Temporal's `TimeoutType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeoutType {
    /// An attempt took too long.
    StartToClose,
    /// No worker took it.
    ScheduleToStart,
    /// All attempts together took too long.
    ScheduleToClose,
    /// An attempt stopped reporting progress.
    Heartbeat,
}

/// Temporal's `RetryState`: why there was no further attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryState {
    /// There is a further attempt.
    InProgress,
    /// The failure said never.
    NonRetryableFailure,
    /// The time for all attempts is over.
    Timeout,
    /// The policy's attempts are used up.
    MaximumAttemptsReached,
    /// There is no policy.
    RetryPolicyNotSet,
    /// Our own fault.
    InternalServerError,
    /// Cancellation was asked for.
    CancelRequested,
}

/// Temporal's `RetryPolicy`, with the server's defaults filled in
/// (`common/retrypolicy/retry_policy.go`: 1 s, 2.0, 100 times the initial interval, no limit on attempts).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Wait before the second attempt.
    pub initial_interval: Duration,
    /// Each further wait is this many times the last; at least 1.0.
    pub backoff_coefficient: f64,
    /// No wait is longer.
    pub maximum_interval: Duration,
    /// Attempts in all; 0 is no limit.
    pub maximum_attempts: u32,
    /// [`FailureInfo::Application`] kinds that are final.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub non_retryable_error_types: Vec<String>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_secs(1),
            backoff_coefficient: 2.0,
            maximum_interval: Duration::from_secs(100),
            maximum_attempts: 0,
            non_retryable_error_types: Vec::new(),
        }
    }
}
