//! Tasks: what workers are given and how they answer.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::event::{Event, HistoryBatch, Priority};
use tidegate_model::id::{EventId, Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Header, Payload, Payloads, RetryPolicy};
use tidegate_model::time::Timestamp;

use super::update::{QueryAnswer, UpdateMessage, WorkerMessage};
use crate::command::Command;

/// Where the next workflow task of a run should go first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StickyAttributes {
    /// The worker's own queue.
    pub task_queue: TaskQueue,
    /// After this without a poll it goes to the normal queue, with the whole history.
    pub schedule_to_start_timeout: Duration,
}

/// What a worker needs to go on with a run.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowTask {
    /// To be given back.
    pub token: WorkflowTaskToken,
    /// Namespace of the execution.
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// Which workflow function.
    pub workflow_type: String,
    /// The normal queue, also where the task came over a sticky one.
    pub task_queue: TaskQueue,
    /// The started event of the last completed workflow task; 0 for the first.
    pub previous_started_event_id: EventId,
    /// The started event of this one: the last event of the history given.
    pub started_event_id: EventId,
    /// From 1.
    pub attempt: u32,
    /// The events.
    pub history: HistoryPart,
    /// Events of this attempt that are not in the log: the scheduled and started pair of an attempt after the first.
    /// They follow the history given.
    pub transient: Vec<Event>,
    /// When this attempt was started: the workflow's own time.
    pub started_time: Timestamp,
    /// When it was scheduled.
    pub scheduled_time: Timestamp,
    /// Updates to be handled with it.
    pub messages: Vec<UpdateMessage>,
    /// A query that is all there is to do: nothing was started, and the answer is
    /// [`Request::RespondQueryTaskCompleted`](super::Request::RespondQueryTaskCompleted). `token` is then that of no
    /// task and `started_event_id` is 0.
    pub query: Option<(QueryToken, WorkflowQuery)>,
    /// Queries to be answered together with the task, by their ids.
    pub queries: BTreeMap<String, WorkflowQuery>,
}

/// Which events a workflow task comes with.
#[derive(Debug, Clone, PartialEq)]
pub enum HistoryPart {
    /// All, from event 1: the host reads them from the log.
    Whole,
    /// Those after `previous_started_event_id`: the worker has the rest.
    Since(Vec<HistoryBatch>),
}

/// Identifies one attempt of a workflow task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowTaskToken {
    /// The run.
    pub run_id: RunId,
    /// The scheduled event.
    pub scheduled_event_id: EventId,
    /// The started event.
    pub started_event_id: EventId,
    /// From 1.
    pub attempt: u32,
    /// The poll's own id: two tasks that left no events may have the rest in common.
    #[serde(default)]
    pub request_id: String,
}

/// What a worker needs to run an activity.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityTask {
    /// To be given back.
    pub token: ActivityTaskToken,
    /// Namespace of the execution.
    pub namespace: Namespace,
    /// The execution it is for.
    pub workflow_id: WorkflowId,
    /// Its workflow function.
    pub workflow_type: String,
    /// The workflow's name for the activity.
    pub activity_id: String,
    /// Which activity function.
    pub activity_type: String,
    /// Its arguments.
    pub input: Payloads,
    /// The workflow's context.
    pub header: Header,
    /// From 1.
    pub attempt: u32,
    /// What the attempt before it last reported.
    pub heartbeat_details: Payloads,
    /// How long all attempts together may take; zero for no limit.
    pub schedule_to_close_timeout: Duration,
    /// How long this attempt may take.
    pub start_to_close_timeout: Duration,
    /// How long it may stay silent; zero for as long as it likes.
    pub heartbeat_timeout: Duration,
    /// How it is tried again.
    pub retry_policy: RetryPolicy,
    /// Whether it goes first.
    pub priority: Option<Priority>,
    /// When the first attempt was scheduled.
    pub scheduled_time: Timestamp,
    /// When this attempt was scheduled.
    pub current_attempt_scheduled_time: Timestamp,
    /// When this attempt was started.
    pub started_time: Timestamp,
}

/// Identifies one attempt of an activity. Also what the activity tells the outside world as its identity, so that
/// the outside can recognise a repetition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityTaskToken {
    /// The run.
    pub run_id: RunId,
    /// The scheduled event.
    pub scheduled_event_id: EventId,
    /// From 1.
    pub attempt: u32,
}

/// Which activity an answer is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActivityRef {
    /// The attempt of a task.
    Token(ActivityTaskToken),
    /// The open attempt of an activity, by the workflow's name for it.
    Id {
        /// Namespace of the execution.
        namespace: Namespace,
        /// The execution.
        workflow_id: WorkflowId,
        /// A run of it; `None` is the one that is open.
        run_id: Option<RunId>,
        /// The workflow's name for the activity.
        activity_id: String,
    },
}

impl From<ActivityTaskToken> for ActivityRef {
    fn from(token: ActivityTaskToken) -> Self {
        Self::Token(token)
    }
}

/// A question to workflow code.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowQuery {
    /// Its name.
    pub query_type: String,
    /// Its arguments.
    pub args: Payloads,
    /// The caller's context.
    pub header: Header,
}

/// Identifies a query that went out as a task of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryToken {
    /// The run that is asked.
    pub run_id: RunId,
    /// Which query. Gone with the process.
    pub query_id: u64,
}

/// A worker's answer to a workflow task.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowTaskCompletion {
    /// From the task.
    pub token: WorkflowTaskToken,
    /// In order. A closing command must be the last.
    pub commands: Vec<Command>,
    /// What became of the task's updates.
    pub messages: Vec<WorkerMessage>,
    /// Answers to the task's queries, by their ids.
    pub query_results: BTreeMap<String, QueryAnswer>,
    /// Who answers.
    pub identity: String,
    /// Where the next task should go, with only the new events.
    pub sticky: Option<StickyAttributes>,
    /// Kept in the event, as it is.
    pub sdk_metadata: Option<Payload>,
    /// Wants the next task, if there is one, in the reply.
    pub return_new_workflow_task: bool,
    /// Wants a next task although nothing happened: local activities are under way.
    pub force_create_new_workflow_task: bool,
    /// The worker's key, as in its polls: a task in the reply is its.
    pub worker_instance_key: String,
}

impl WorkflowTaskCompletion {
    /// Commands, and nothing else.
    #[must_use]
    pub fn new(token: WorkflowTaskToken, commands: Vec<Command>, identity: impl Into<String>) -> Self {
        Self {
            token,
            commands,
            messages: Vec::new(),
            query_results: BTreeMap::new(),
            identity: identity.into(),
            sticky: None,
            sdk_metadata: None,
            return_new_workflow_task: false,
            force_create_new_workflow_task: false,
            worker_instance_key: String::new(),
        }
    }
}
