//! A run: what its records amount to. The only place where one changes.
//!
//! Each feature keeps its own part and says what each event does to it; this file hands the events out.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tidegate_model::codec;
use tidegate_model::event::{Event, HistoryBatch, Priority, WorkflowExecutionStarted};
use tidegate_model::id::{EventId, Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::time::Timestamp;

use crate::activity::{Activities, Wanted as ActivityWanted};
use crate::buffer::Buffer;
use crate::cancel::Cancellation;
use crate::chain;
use crate::child::Children;
use crate::closed::ResetMark;
use crate::external::Externals;
use crate::index::{Entry, Index};
use crate::record::StateChange;
use crate::request::RunStatus;
use crate::settings::Settings;
use crate::signal::Signals;
use crate::sticky::Sticky;
use crate::timeout::Times;
use crate::timer::Timers;
use crate::update::Updates;
use crate::visibility::Shown;
use crate::workflow_task::{Lease, WorkflowTasks};

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) head: Head,
    /// How it began, without what only a run that follows it would ask for, where none can.
    pub(crate) started: Box<WorkflowExecutionStarted>,
    pub(crate) times: Times,
    pub(crate) status: RunStatus,
    pub(crate) next_event_id: EventId,
    pub(crate) last_event_time: Timestamp,
    pub(crate) history_bytes: u64,
    /// The requests that wanted to start the execution and were content with this run, by their ids: repeated, they are
    /// content with it again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) attached: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cancellation: Option<Cancellation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reset: Option<ResetMark>,
    pub(crate) workflow_tasks: WorkflowTasks,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sticky: Option<Sticky>,
    #[serde(default, skip_serializing_if = "Buffer::is_empty")]
    pub(crate) buffer: Buffer,
    #[serde(default, skip_serializing_if = "Activities::is_empty")]
    pub(crate) activities: Activities,
    #[serde(default, skip_serializing_if = "Timers::is_empty")]
    pub(crate) timers: Timers,
    #[serde(default, skip_serializing_if = "Signals::is_empty")]
    pub(crate) signals: Signals,
    #[serde(default, skip_serializing_if = "Updates::is_empty")]
    pub(crate) updates: Updates,
    #[serde(default, skip_serializing_if = "Children::is_empty")]
    pub(crate) children: Children,
    #[serde(default, skip_serializing_if = "Externals::is_empty")]
    pub(crate) externals: Externals,
    #[serde(default)]
    pub(crate) shown: Shown,
}

/// What a run is from its first event to its last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) namespace: Namespace,
    pub(crate) workflow_id: WorkflowId,
    pub(crate) run_id: RunId,
    pub(crate) workflow_type: String,
    pub(crate) task_queue: TaskQueue,
    /// When it began; for a fork, when it was reset.
    pub(crate) start_time: Timestamp,
    pub(crate) start_request_id: String,
    /// Which of its tasks go first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) priority: Option<Priority>,
}

impl Run {
    /// The run that a batch begins, before the batch is applied to it. It began with the batch, unless it is a fork of a
    /// run that had.
    pub(crate) fn begin(
        batch: &HistoryBatch,
        started: &WorkflowExecutionStarted,
        start_time: Timestamp,
    ) -> Self {
        Self {
            head: Head {
                namespace: batch.namespace.clone(),
                workflow_id: batch.workflow_id.clone(),
                run_id: batch.run_id,
                workflow_type: started.workflow_type.clone(),
                task_queue: started.task_queue.clone(),
                start_time,
                start_request_id: started.request_id.clone(),
                priority: started.priority.clone(),
            },
            started: Box::new(chain::kept(started)),
            times: Times::of(start_time, started),
            status: RunStatus::Running,
            next_event_id: 1,
            last_event_time: batch.event_time,
            history_bytes: 0,
            attached: BTreeSet::new(),
            cancellation: None,
            reset: None,
            workflow_tasks: WorkflowTasks::new(started.workflow_task_timeout),
            sticky: None,
            buffer: Buffer::default(),
            activities: Activities::default(),
            timers: Timers::default(),
            signals: Signals::default(),
            updates: Updates::default(),
            children: Children::default(),
            externals: Externals::default(),
            shown: Shown::of(started),
        }
    }

    /// Takes a batch of events into the state.
    pub(crate) fn apply(&mut self, batch: &HistoryBatch, index: &mut Index) {
        assert_eq!(
            batch.first_event_id, self.next_event_id,
            "the event ids of run {} are dense",
            self.head.run_id
        );
        // What comes out of the buffer changed the run when it went in.
        let absorbed = !self.buffer.is_empty();
        let now = batch.event_time;
        for (id, event) in batch.numbered() {
            match event {
                // The run was made from it.
                Event::WorkflowExecutionStarted(_) => {}
                Event::WorkflowExecutionCompleted { .. } => self.status = RunStatus::Completed,
                Event::WorkflowExecutionFailed { .. } => self.status = RunStatus::Failed,
                Event::WorkflowExecutionTimedOut { .. } => self.status = RunStatus::TimedOut,
                Event::WorkflowExecutionCanceled { .. } => self.status = RunStatus::Canceled,
                Event::WorkflowExecutionTerminated { .. } => self.status = RunStatus::Terminated,
                Event::WorkflowExecutionContinuedAsNew(_) => self.status = RunStatus::ContinuedAsNew,
                // They say what was said; nothing of the run changes.
                Event::MarkerRecorded { .. } => {}
                Event::StartChildWorkflowExecutionInitiated(initiated) => {
                    self.children.initiated(&self.head, id, initiated, index);
                }
                Event::RequestCancelExternalWorkflowExecutionInitiated { .. }
                | Event::SignalExternalWorkflowExecutionInitiated { .. } => {
                    self.externals.initiated(&self.head, id, event, index);
                }
                Event::WorkflowExecutionUpdateAccepted {
                    protocol_instance_id: update_id,
                    accepted_request,
                    ..
                } => {
                    self.updates.accepted(id, update_id, accepted_request.as_deref());
                }
                Event::WorkflowExecutionUpdateCompleted { update_id, outcome, .. } => {
                    self.updates.completed(id, update_id, outcome);
                }
                Event::UpsertWorkflowSearchAttributes { search_attributes, .. } => {
                    self.shown.upsert_search_attributes(search_attributes);
                }
                Event::WorkflowPropertiesModified { upserted_memo, .. } => {
                    self.shown.upsert_memo(upserted_memo);
                }
                Event::WorkflowTaskScheduled { task_queue, start_to_close_timeout, attempt } => {
                    self.times.first_task_came(&self.head, index);
                    self.workflow_task_scheduled(
                        id,
                        now,
                        task_queue,
                        *start_to_close_timeout,
                        *attempt,
                        index,
                    );
                }
                Event::WorkflowTaskStarted { identity, request_id, suggest_continue_as_new, .. } => {
                    let lease = Lease {
                        started_event_id: id,
                        time: now,
                        identity: identity.clone(),
                        request_id: request_id.clone(),
                        suggest_continue_as_new: *suggest_continue_as_new,
                    };
                    self.workflow_task_started(lease, index);
                }
                Event::WorkflowTaskCompleted { started_event_id, .. } => {
                    let beats = matches!(batch.event(id + 1), Some(Event::WorkflowTaskScheduled { .. }));
                    self.workflow_task_completed(*started_event_id, beats, index);
                }
                Event::WorkflowTaskTimedOut { .. } => self.workflow_task_ended(index),
                Event::WorkflowTaskFailed { reset, .. } => {
                    self.workflow_task_ended(index);
                    if reset.as_ref().is_some_and(|reset| reset.new_run_id == self.head.run_id) {
                        self.go_on_after_reset(now, index);
                    }
                }
                Event::ActivityTaskScheduled(scheduled) => {
                    self.activities.scheduled(&self.head, id, now, scheduled, index);
                }
                Event::ActivityTaskCancelRequested { scheduled_event_id, .. } => {
                    self.activities.cancel_requested(*scheduled_event_id, id);
                }
                // One that no worker had ends by the very command, whatever else waited in the buffer.
                Event::ActivityTaskCanceled { scheduled_event_id, .. } => {
                    if !absorbed || self.activities.is_open(*scheduled_event_id) {
                        self.absorb(event, index);
                    }
                }
                Event::TimerStarted { timer_id, start_to_fire_timeout, .. } => {
                    self.timers.started(&self.head, timer_id, id, now + *start_to_fire_timeout, index);
                }
                Event::TimerCanceled { timer_id, started_event_id, .. } => {
                    self.timers.ended(&self.head, timer_id, *started_event_id, index);
                }
                Event::ActivityTaskStarted { .. }
                | Event::ActivityTaskCompleted { .. }
                | Event::ActivityTaskFailed { .. }
                | Event::ActivityTaskTimedOut { .. }
                | Event::TimerFired { .. }
                | Event::WorkflowExecutionSignaled { .. }
                | Event::WorkflowExecutionCancelRequested { .. }
                | Event::RequestCancelExternalWorkflowExecutionFailed { .. }
                | Event::ExternalWorkflowExecutionCancelRequested { .. }
                | Event::SignalExternalWorkflowExecutionFailed { .. }
                | Event::ExternalWorkflowExecutionSignaled { .. }
                | Event::StartChildWorkflowExecutionFailed { .. }
                | Event::ChildWorkflowExecutionStarted { .. }
                | Event::ChildWorkflowExecutionCompleted { .. }
                | Event::ChildWorkflowExecutionFailed { .. }
                | Event::ChildWorkflowExecutionCanceled { .. }
                | Event::ChildWorkflowExecutionTimedOut { .. }
                | Event::ChildWorkflowExecutionTerminated { .. }
                | Event::WorkflowExecutionUpdateAdmitted { .. }
                | Event::WorkflowExecutionOptionsUpdated { .. } => {
                    if !absorbed {
                        self.absorb(event, index);
                    }
                    if let Event::ChildWorkflowExecutionStarted { initiated_event_id, .. } = event {
                        self.children.start_flushed(*initiated_event_id, id);
                    }
                }
            }
        }
        let bytes = codec::to_cbor(batch).len();
        self.next_event_id = batch.next_event_id();
        self.last_event_time = now;
        self.history_bytes += bytes as u64;
        self.shown.state_transitions += 1;
        if !self.has_lease() {
            self.buffer.clear();
        }
        if let Some(sticky) = &mut self.sticky {
            sticky.remember(batch, bytes);
        }
        self.schedule_transient_task(now, index);
    }

    /// Takes a change that history does not hold into the state.
    pub(crate) fn apply_change(&mut self, change: &StateChange, index: &mut Index) {
        self.shown.state_transitions += 1;
        match change {
            StateChange::TransientTaskStarted {
                run_id: _,
                time,
                identity,
                request_id,
                suggest_continue_as_new,
            } => self.start_transient_task(*time, identity, request_id, *suggest_continue_as_new, index),
            StateChange::TransientTaskEnded { run_id: _, time } => {
                self.workflow_task_ended(index);
                self.schedule_transient_task(*time, index);
            }
            StateChange::Buffered { run_id: _, events } => {
                for event in events {
                    self.absorb(event, index);
                    self.buffer.push(event.clone());
                }
            }
            StateChange::StickyBound { run_id: _, sticky, identity } => {
                self.bind_sticky(Some(Sticky::new(sticky.clone(), identity.clone())), index);
            }
            StateChange::UpdateRejected { run_id: _, update_id } => self.updates.rejected(update_id),
            StateChange::StickyReleased { run_id: _ } => self.bind_sticky(None, index),
            StateChange::ActivityStarted { run_id: _, scheduled_event_id, time, identity, request_id } => {
                self.activities.started(&self.head, *scheduled_event_id, *time, identity, request_id, index);
            }
            StateChange::ActivityRetried { run_id: _, scheduled_event_id, time, due, failure } => {
                self.activities.retried(&self.head, *scheduled_event_id, *time, *due, failure, index);
            }
            StateChange::ActivityHeartbeat { run_id: _, scheduled_event_id, time, details } => {
                self.activities.heard(&self.head, *scheduled_event_id, *time, details, index);
            }
            StateChange::ActivityPaused { run_id: _, scheduled_event_id, pause } => {
                self.activities.paused(&self.head, *scheduled_event_id, pause, index);
            }
            StateChange::ActivityUnpaused {
                run_id: _,
                scheduled_event_id,
                due,
                reset_attempts,
                reset_heartbeat,
            } => {
                self.activities.unpaused(
                    &self.head,
                    *scheduled_event_id,
                    *due,
                    *reset_attempts,
                    *reset_heartbeat,
                    index,
                );
            }
            StateChange::ActivityReset {
                run_id: _,
                scheduled_event_id,
                due,
                reset_heartbeat,
                keep_paused,
                restore_options,
            } => {
                let wanted = ActivityWanted {
                    reset_heartbeat: *reset_heartbeat,
                    keep_paused: *keep_paused,
                    restore_options: *restore_options,
                };
                self.activities.reset(&self.head, *scheduled_event_id, *due, wanted, index);
            }
            StateChange::ActivityOptionsUpdated { run_id: _, scheduled_event_id, due, options } => {
                self.activities.retuned(&self.head, *scheduled_event_id, *due, options, index);
            }
            StateChange::ParentTold { .. }
            | StateChange::ChildLeft { .. }
            | StateChange::RunsForgotten { .. }
            | StateChange::Namespace(_)
            | StateChange::Schedule(_) => {
                unreachable!("it is of no open run")
            }
            StateChange::WorkflowReset { .. } => unreachable!("the engine marks the run, open or closed"),
        }
    }

    /// What an event from outside does to the run, whether it is flushed or buffered.
    fn absorb(&mut self, event: &Event, index: &mut Index) {
        match event {
            Event::ActivityTaskCompleted { scheduled_event_id, .. }
            | Event::ActivityTaskFailed { scheduled_event_id, .. }
            | Event::ActivityTaskTimedOut { scheduled_event_id, .. }
            | Event::ActivityTaskCanceled { scheduled_event_id, .. } => {
                self.activities.ended(&self.head, *scheduled_event_id, index);
            }
            Event::TimerFired { timer_id, started_event_id } => {
                self.timers.ended(&self.head, timer_id, *started_event_id, index);
            }
            Event::WorkflowExecutionSignaled { request_id, .. } => self.signals.arrived(request_id),
            Event::WorkflowExecutionUpdateAdmitted { request } => self.updates.admitted(request),
            Event::WorkflowExecutionCancelRequested { request_id, .. } => {
                self.cancellation = Some(Cancellation { request_id: request_id.clone() });
            }
            Event::WorkflowExecutionOptionsUpdated { attached_request_id, .. } => {
                self.attached.insert(attached_request_id.clone());
            }
            // Comes with the end of the attempt, which does the work.
            Event::ActivityTaskStarted { .. } => {}
            Event::ChildWorkflowExecutionStarted { initiated_event_id, child, .. } => {
                self.children.started(&self.head, *initiated_event_id, child.run_id, index);
            }
            Event::StartChildWorkflowExecutionFailed { initiated_event_id, .. }
            | Event::ChildWorkflowExecutionCompleted { initiated_event_id, .. }
            | Event::ChildWorkflowExecutionFailed { initiated_event_id, .. }
            | Event::ChildWorkflowExecutionCanceled { initiated_event_id, .. }
            | Event::ChildWorkflowExecutionTimedOut { initiated_event_id, .. }
            | Event::ChildWorkflowExecutionTerminated { initiated_event_id, .. } => {
                self.children.ended(&self.head, *initiated_event_id, index);
            }
            Event::SignalExternalWorkflowExecutionFailed { initiated_event_id, .. }
            | Event::ExternalWorkflowExecutionSignaled { initiated_event_id, .. } => {
                self.externals.signal_ended(&self.head, *initiated_event_id, index);
            }
            Event::RequestCancelExternalWorkflowExecutionFailed { initiated_event_id, .. }
            | Event::ExternalWorkflowExecutionCancelRequested { initiated_event_id, .. } => {
                self.externals.cancel_ended(&self.head, *initiated_event_id, index);
            }
            Event::WorkflowExecutionStarted(_)
            | Event::WorkflowExecutionCompleted { .. }
            | Event::WorkflowExecutionFailed { .. }
            | Event::WorkflowTaskScheduled { .. }
            | Event::WorkflowTaskStarted { .. }
            | Event::WorkflowTaskCompleted { .. }
            | Event::WorkflowTaskTimedOut { .. }
            | Event::WorkflowTaskFailed { .. }
            | Event::ActivityTaskScheduled(_)
            | Event::TimerStarted { .. }
            | Event::TimerCanceled { .. }
            | Event::ActivityTaskCancelRequested { .. }
            | Event::WorkflowExecutionTimedOut { .. }
            | Event::WorkflowExecutionCanceled { .. }
            | Event::WorkflowExecutionTerminated { .. }
            | Event::WorkflowExecutionContinuedAsNew(_)
            | Event::MarkerRecorded { .. }
            | Event::RequestCancelExternalWorkflowExecutionInitiated { .. }
            | Event::SignalExternalWorkflowExecutionInitiated { .. }
            | Event::StartChildWorkflowExecutionInitiated(_)
            | Event::UpsertWorkflowSearchAttributes { .. }
            | Event::WorkflowPropertiesModified { .. }
            | Event::WorkflowExecutionUpdateAccepted { .. }
            | Event::WorkflowExecutionUpdateCompleted { .. } => {
                unreachable!("{} does not come from outside", event.type_name())
            }
        }
    }

    /// Whether a worker has the workflow task: whatever comes from outside waits then.
    pub(crate) fn has_lease(&self) -> bool {
        self.workflow_tasks.current().is_some_and(|task| task.lease().is_some())
    }

    pub(crate) fn is_open(&self) -> bool {
        self.status == RunStatus::Running
    }

    /// Events so far.
    pub(crate) fn history_length(&self) -> u64 {
        self.next_event_id - 1
    }

    /// Whether the workflow should continue as new.
    pub(crate) fn is_long(&self, settings: &Settings) -> bool {
        self.history_length() >= settings.history_events_suggest
            || self.history_bytes >= settings.history_bytes_suggest
            || self.has_many_updates(settings.updates_per_run_max)
    }

    /// The limit this run's history has reached.
    pub(crate) fn history_limit(&self, settings: &Settings) -> Option<&'static str> {
        if self.history_length() >= settings.history_events_max {
            Some("HISTORY_EVENTS_MAX")
        } else if self.history_bytes >= settings.history_bytes_max {
            Some("HISTORY_BYTES_MAX")
        } else {
            None
        }
    }

    /// All that follows from this run.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let task = self.workflow_tasks.entries(&self.head);
        let sticky = self.sticky.as_ref().map(|sticky| sticky.entry(&self.head));
        task.chain(sticky)
            .chain(self.times.entries(&self.head))
            .chain(self.activities.entries(&self.head))
            .chain(self.timers.entries(&self.head))
            .chain(self.children.entries(&self.head))
            .chain(self.externals.entries(&self.head))
            .collect()
    }

    /// When its first workflow task was to run.
    pub(crate) fn execution_time(&self) -> Timestamp {
        self.head.start_time + self.started.first_workflow_task_backoff
    }
}
