//! What programs have produced, counted: a comparison in which something never happens says nothing of it.
//!
//! The lists are exhaustive: each comes with a `match` over all variants, so that one more does not compile until it
//! stands here; and what does not happen stands here with the reason.

use std::collections::BTreeMap;

use tidegate_engine::{
    Command, NamespaceRecord, Record, Refusal, Reply, Request, ScheduleChangeKind, StateChange,
    WorkerMessageBody,
};
use tidegate_model::event::{Event, WorkflowTaskFailedCause};

/// See the module.
#[derive(Debug, Default)]
pub struct Coverage(BTreeMap<&'static str, BTreeMap<&'static str, u64>>);

/// The name of a type, and of each of its variants with the reason why it does not happen, if it does not.
type Kinds = (&'static str, &'static [(&'static str, &'static [&'static str])]);

/// A function that names the variant, and a list of all of them: each happens, unless a reason is given.
macro_rules! kinds {
    ($names:ident, $all:ident, $kind:ident: $($variant:ident $(= $reason:literal)?),+ $(,)?) => {
        pub(crate) fn $names(of: &$kind) -> &'static str {
            match of {
                $($kind::$variant { .. } => stringify!($variant),)+
            }
        }

        const $all: Kinds =
            (stringify!($kind), &[$((stringify!($variant), &[$($reason)?]),)+]);
    };
}

kinds!(event, EVENTS, Event:
    WorkflowExecutionStarted,
    WorkflowExecutionCompleted,
    WorkflowExecutionFailed,
    WorkflowExecutionTimedOut,
    WorkflowTaskScheduled,
    WorkflowTaskStarted,
    WorkflowTaskCompleted,
    WorkflowTaskTimedOut,
    WorkflowTaskFailed,
    ActivityTaskScheduled,
    ActivityTaskStarted,
    ActivityTaskCompleted,
    ActivityTaskFailed,
    ActivityTaskTimedOut,
    ActivityTaskCancelRequested,
    ActivityTaskCanceled,
    TimerStarted,
    TimerFired,
    TimerCanceled,
    WorkflowExecutionCancelRequested,
    WorkflowExecutionCanceled,
    RequestCancelExternalWorkflowExecutionInitiated,
    RequestCancelExternalWorkflowExecutionFailed,
    ExternalWorkflowExecutionCancelRequested,
    MarkerRecorded,
    WorkflowExecutionSignaled,
    WorkflowExecutionTerminated,
    WorkflowExecutionContinuedAsNew,
    StartChildWorkflowExecutionInitiated,
    StartChildWorkflowExecutionFailed,
    ChildWorkflowExecutionStarted,
    ChildWorkflowExecutionCompleted,
    ChildWorkflowExecutionFailed,
    ChildWorkflowExecutionCanceled,
    ChildWorkflowExecutionTimedOut,
    ChildWorkflowExecutionTerminated,
    SignalExternalWorkflowExecutionInitiated,
    SignalExternalWorkflowExecutionFailed,
    ExternalWorkflowExecutionSignaled,
    UpsertWorkflowSearchAttributes,
    WorkflowExecutionUpdateAccepted,
    WorkflowExecutionUpdateCompleted,
    WorkflowPropertiesModified,
    WorkflowExecutionUpdateAdmitted,
    WorkflowExecutionOptionsUpdated,
);

kinds!(command, COMMANDS, Command:
    ScheduleActivityTask,
    RequestCancelActivityTask,
    StartTimer,
    CompleteWorkflowExecution,
    FailWorkflowExecution,
    CancelTimer,
    CancelWorkflowExecution,
    RequestCancelExternalWorkflowExecution,
    RecordMarker,
    ContinueAsNewWorkflowExecution,
    StartChildWorkflowExecution,
    SignalExternalWorkflowExecution,
    UpsertWorkflowSearchAttributes,
    ProtocolMessage,
    ModifyWorkflowProperties,
);

kinds!(message, MESSAGES, WorkerMessageBody: Acceptance, Rejection, Response);

kinds!(cause, CAUSES, WorkflowTaskFailedCause:
    UnhandledCommand,
    BadScheduleActivityAttributes,
    BadRequestCancelActivityAttributes,
    BadStartTimerAttributes,
    BadCancelTimerAttributes,
    BadRecordMarkerAttributes,
    BadCompleteWorkflowExecutionAttributes,
    BadFailWorkflowExecutionAttributes,
    BadCancelWorkflowExecutionAttributes,
    BadRequestCancelExternalWorkflowExecutionAttributes,
    BadContinueAsNewAttributes,
    StartTimerDuplicateId,
    ResetStickyTaskQueue,
    WorkflowWorkerUnhandledFailure,
    BadSignalWorkflowExecutionAttributes,
    BadStartChildExecutionAttributes,
    ForceCloseCommand,
    ResetWorkflow,
    BadBinary,
    ScheduleActivityDuplicateId,
    BadSearchAttributes,
    NonDeterministicError,
    BadModifyWorkflowPropertiesAttributes,
    PendingChildWorkflowsLimitExceeded,
    PendingActivitiesLimitExceeded,
    PendingTimersLimitExceeded,
    PendingSignalsLimitExceeded,
    PendingRequestCancelLimitExceeded,
    BadUpdateWorkflowExecutionMessage,
    UnhandledUpdate,
    PayloadsTooLarge,
    GrpcMessageTooLarge,
);

kinds!(refusal, REFUSALS, Refusal:
    AlreadyStarted,
    NotFound,
    InvalidArgument,
    ResourceExhausted,
    NamespaceNotFound,
    NamespaceAlreadyExists,
    AlreadyExists = "only the API in front of the engine says so, of what it keeps itself",
    ScheduleAlreadyExists,
    FailedPrecondition,
    WorkflowNotReady,
    QueryFailed,
    BusyWorkflow,
    MultiOperation,
    Stale,
    Unimplemented = "every request is carried out; only the API in front of the engine says so",
);

kinds!(reply, REPLIES, Reply:
    Started,
    Signaled,
    WorkflowTask,
    ActivityTask,
    Done,
    WorkflowTaskCompleted,
    Heartbeat,
    ActivityOptions,
    Reset,
    Query,
    QueryRejected,
    Update,
    History,
    Described,
    Listed,
    Counted,
    Namespace,
    Namespaces,
    SearchAttributes,
    TaskQueueDescribed,
    ScheduleCreated,
    ScheduleDescribed,
    SchedulesListed,
    ScheduleTimes,
);

kinds!(request, REQUESTS, Request:
    StartWorkflowExecution,
    SignalWithStartWorkflowExecution,
    UpdateWithStartWorkflowExecution,
    SignalWorkflowExecution,
    RequestCancelWorkflowExecution,
    TerminateWorkflowExecution,
    DeleteWorkflowExecution,
    ResetWorkflowExecution,
    QueryWorkflow,
    RespondQueryTaskCompleted,
    UpdateWorkflowExecution,
    PollWorkflowExecutionUpdate,
    WaitForHistory,
    PollWorkflowTaskQueue,
    RespondWorkflowTaskCompleted,
    RespondWorkflowTaskFailed,
    PollActivityTaskQueue,
    RespondActivityTaskCompleted,
    RespondActivityTaskFailed,
    RespondActivityTaskCanceled,
    RecordActivityTaskHeartbeat,
    PauseActivity,
    UnpauseActivity,
    ResetActivity,
    UpdateActivityOptions,
    ShutdownWorker,
    ShutdownWorkerInstance,
    DescribeWorkflowExecution,
    ListWorkflowExecutions,
    CountWorkflowExecutions,
    DescribeTaskQueue,
    CreateSchedule,
    DescribeSchedule,
    UpdateSchedule,
    PatchSchedule,
    DeleteSchedule,
    ListSchedules,
    CountSchedules,
    ListScheduleMatchingTimes,
    RegisterNamespace,
    DescribeNamespace,
    ListNamespaces,
    UpdateNamespace,
    DeleteNamespace,
    AddSearchAttributes,
    RemoveSearchAttributes,
    ListSearchAttributes,
);

kinds!(change, CHANGES, StateChange:
    TransientTaskStarted,
    TransientTaskEnded,
    Buffered,
    StickyBound,
    StickyReleased,
    UpdateRejected,
    ActivityStarted,
    ActivityRetried,
    ActivityHeartbeat,
    ActivityPaused,
    ActivityUnpaused,
    ActivityReset,
    ActivityOptionsUpdated,
    ParentTold,
    ChildLeft,
    RunsForgotten,
    Namespace,
    Schedule,
    WorkflowReset,
);

kinds!(namespace_record, NAMESPACE_RECORDS, NamespaceRecord:
    Saved, Forgotten, AttributesAdded, AttributesRemoved,
);

kinds!(schedule_change, SCHEDULE_CHANGES, ScheduleChangeKind:
    Created, Updated, Patched, RunsClosed, TimesCame, Acted, Deleted,
);

const ALL: [Kinds; 10] = [
    EVENTS,
    COMMANDS,
    MESSAGES,
    CAUSES,
    REFUSALS,
    REPLIES,
    REQUESTS,
    CHANGES,
    NAMESPACE_RECORDS,
    SCHEDULE_CHANGES,
];

/// What no variant tells apart, and must happen too.
const MARKS: (&str, [&str; 10]) = (
    "a mark",
    [
        "a run ends because its history is too long",
        "a run ends because a payload is too large",
        "a workflow is told to continue as new",
        "a task brings a query along",
        "a task brings an update along",
        "a task is a query and nothing else",
        "a task has events that are not in the log",
        "an answer brings the next task along",
        "an answer says that its task has never been",
        "an activity is tried again and knows what was reported",
    ],
);

impl Coverage {
    pub(crate) fn asked(&mut self, request: &Request) {
        self.count(REQUESTS.0, self::request(request));
        if let Request::RespondWorkflowTaskCompleted(completion) = request {
            for command in &completion.commands {
                self.count(COMMANDS.0, self::command(command));
            }
            for message in &completion.messages {
                self.count(MESSAGES.0, self::message(&message.body));
            }
        }
    }

    pub(crate) fn answered(&mut self, answer: &Result<Reply, Refusal>) {
        match answer {
            Ok(reply) => {
                self.count(REPLIES.0, self::reply(reply));
                self.mark_answer(reply);
            }
            Err(refusal) => self.refused(refusal),
        }
    }

    fn mark(&mut self, at: usize, happened: bool) {
        if happened {
            self.count(MARKS.0, MARKS.1[at]);
        }
    }

    fn mark_answer(&mut self, reply: &Reply) {
        match reply {
            Reply::WorkflowTask(Some(task)) => {
                self.mark(3, !task.queries.is_empty());
                self.mark(4, !task.messages.is_empty());
                self.mark(5, task.query.is_some());
                self.mark(6, !task.transient.is_empty());
            }
            Reply::WorkflowTaskCompleted { next, reset_history_event_id } => {
                self.mark(7, next.is_some());
                self.mark(8, reset_history_event_id.is_some());
            }
            Reply::ActivityTask(Some(task)) => {
                self.mark(9, task.attempt > 1 && !task.heartbeat_details.is_empty());
            }
            _ => {}
        }
    }

    fn mark_event(&mut self, event: &Event) {
        if let Event::WorkflowExecutionTerminated { reason, .. } = event {
            self.mark(0, reason.starts_with("limit"));
            self.mark(1, reason.starts_with("Bad"));
        }
        if let Event::WorkflowTaskStarted { suggest_continue_as_new, .. } = event {
            self.mark(2, *suggest_continue_as_new);
        }
    }

    fn refused(&mut self, refusal: &Refusal) {
        self.count(REFUSALS.0, self::refusal(refusal));
        if let Refusal::MultiOperation { refusal, .. } = refusal {
            self.refused(refusal);
        }
    }

    pub(crate) fn recorded(&mut self, record: &Record) {
        match record {
            Record::History(batch) => {
                for event in &batch.events {
                    self.count(EVENTS.0, self::event(event));
                    self.mark_event(event);
                    if let Event::WorkflowTaskFailed { cause, .. } = event {
                        self.count(CAUSES.0, self::cause(cause));
                    }
                }
            }
            Record::State(change) => {
                self.count(CHANGES.0, self::change(change));
                match change {
                    StateChange::Namespace(record) => {
                        self.count(NAMESPACE_RECORDS.0, namespace_record(record));
                    }
                    StateChange::Schedule(change) => {
                        self.count(SCHEDULE_CHANGES.0, schedule_change(&change.change));
                    }
                    _ => {}
                }
            }
        }
    }

    fn count(&mut self, of: &'static str, name: &'static str) {
        *self.0.entry(of).or_default().entry(name).or_default() += 1;
    }

    /// Adds what others have seen.
    pub fn add(&mut self, other: &Self) {
        for (of, names) in &other.0 {
            for (name, count) in names {
                *self.0.entry(of).or_default().entry(name).or_default() += count;
            }
        }
    }

    /// How much was asked.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.0.get(REQUESTS.0).into_iter().flatten().map(|(_, count)| count).sum()
    }

    /// What happened least, and how often.
    #[must_use]
    pub fn rarest(&self, most: usize) -> Vec<(u64, String)> {
        let all =
            self.0.iter().flat_map(|(of, names)| names.iter().map(move |(name, count)| (of, name, count)));
        let mut all: Vec<(u64, String)> =
            all.map(|(of, name, count)| (*count, format!("{of}::{name}"))).collect();
        all.sort();
        all.truncate(most);
        all
    }

    /// What never happened although it can, and what happened although it is said not to.
    #[must_use]
    pub fn surprises(&self) -> Vec<String> {
        let mut surprises = Vec::new();
        let marked = |name: &&str| self.0.get(MARKS.0).and_then(|names| names.get(*name)).is_some();
        let unmarked = MARKS.1.iter().filter(|name| !marked(name));
        surprises.extend(unmarked.map(|name| format!("never: {name}")));
        for (of, names) in ALL {
            let counted = |name: &str| self.0.get(of).and_then(|names| names.get(name)).is_some();
            for (name, reasons) in names {
                match (counted(name), reasons) {
                    (false, []) => surprises.push(format!("{of}::{name} never happened")),
                    (true, [reason, ..]) => surprises.push(format!("{of}::{name} happened, but {reason}")),
                    (true, []) | (false, [_, ..]) => {}
                }
            }
        }
        surprises
    }
}
