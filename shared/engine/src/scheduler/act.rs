//! What schedules do by themselves: they start workflows, and end those that are in the way.

use std::time::Duration;

use tidegate_model::codec;
use tidegate_model::event::WorkflowIdReusePolicy;
use tidegate_model::id::{InvalidId, WorkflowId};
use tidegate_model::limits::{
    GROUP_COMMIT_BYTES_MAX, GROUP_COMMIT_INPUTS_MAX, ID_BYTES_MAX, SCHEDULE_AHEAD_SECONDS_MAX,
    SCHEDULE_PACE_MILLIS, SCHEDULE_RETRY_SECONDS, SCHEDULE_STARTS_AT_ONCE_MAX,
};
use tidegate_model::payload::{Payload, Payloads};
use tidegate_model::time::Timestamp;

use crate::engine::{Engine, Step};
use crate::record::{Record, ScheduleChange, ScheduleChangeKind, StartedAction, StateChange, WaitingAction};
use crate::request::{CancelWorkflow, Refusal, Reply, Request, StartWorkflow, TerminateWorkflow, Ticket};
use crate::search_attributes::SCHEDULED_BY_ID;

use super::Key;
use super::clock::CalendarTime;
use super::overlap::End;
use super::state::Scheduled;

/// Set on what a schedule starts: the nominal time.
const SCHEDULED_START_TIME: &str = "TemporalScheduledStartTime";

impl Engine {
    /// Does what is due, as far as it fits into a group commit.
    pub(crate) fn schedules_due(&mut self, step: &mut Step<'_>) {
        let calendar = CalendarTime::new(step.now, &step.stamp);
        if calendar.is_set && std::mem::take(&mut self.schedules.may_be_ahead) {
            self.set_back_schedules(step, calendar);
        }
        let before = step.records.len();
        let mut bytes = 0;
        while let Some(key) = self.schedules.next_due(step.now, calendar) {
            bytes += self.run_schedule(step, &key, calendar);
            if bytes >= GROUP_COMMIT_BYTES_MAX || step.records.len() - before >= GROUP_COMMIT_INPUTS_MAX {
                break;
            }
        }
    }

    pub(super) fn change_schedule(
        &mut self,
        step: &mut Step<'_>,
        key: &Key,
        calendar: CalendarTime,
        change: ScheduleChangeKind,
    ) {
        let (namespace, schedule_id) = key.clone();
        let change = ScheduleChange { namespace, schedule_id, time: calendar.now, change };
        self.commit(step, Record::State(StateChange::Schedule(Box::new(change))));
    }

    /// Looks at one schedule and does what is to be done. Gives the bytes that this took, about.
    pub(super) fn run_schedule(&mut self, step: &mut Step<'_>, key: &Key, calendar: CalendarTime) -> usize {
        if self.schedules.get(key).is_some_and(Scheduled::has_closed_runs) {
            self.change_schedule(step, key, calendar, ScheduleChangeKind::RunsClosed);
        }
        let Some(scheduled) = self.schedules.get(key) else { return 0 };
        let needs_attention = scheduled.attention.is_some();
        if !needs_attention && calendar.is_set && scheduled.expires().is_some_and(|at| at <= calendar.now) {
            self.change_schedule(step, key, calendar, ScheduleChangeKind::Deleted);
            return 0;
        }
        let start_bytes = scheduled.start_bytes();
        let starts_max = (GROUP_COMMIT_BYTES_MAX / start_bytes).clamp(1, SCHEDULE_STARTS_AT_ONCE_MAX);
        let look = scheduled.look(calendar, starts_max);
        let bytes = look.starts.len() * start_bytes;
        if let Some(times_came) = look.times_came {
            self.change_schedule(step, key, calendar, times_came);
        }
        let mut acted = Acted { left_out: look.left_out, ..Acted::default() };
        for (action, beside) in look.starts {
            self.start_action(step, key, calendar, action, beside, &mut acted);
        }
        // In the place of one that is left out another may go.
        let waiting = self.schedules.get(key).map_or(0, |scheduled| scheduled.waiting.len());
        let others_wait = waiting > acted.started.len() + acted.left_out.len();
        if look.has_more || !acted.left_out.is_empty() && others_wait {
            acted.again_after(step.now, Duration::from_millis(SCHEDULE_PACE_MILLIS));
        }
        if needs_attention || acted != Acted::default() {
            self.change_schedule(step, key, calendar, acted.into_change());
        }
        if let Some(end) = look.end_running {
            self.end_running(step, key, end);
        }
        bytes
    }

    fn start_action(
        &mut self,
        step: &mut Step<'_>,
        key: &Key,
        calendar: CalendarTime,
        action: WaitingAction,
        beside: bool,
        acted: &mut Acted,
    ) {
        let Some(scheduled) = self.schedules.get(key) else { return };
        let is_late =
            !action.manual && calendar.now.saturating_since(action.due()) > scheduled.catch_up_window();
        let started = match scheduled.start(action, beside) {
            Ok(start) => {
                let workflow_id = start.workflow_id.clone();
                self.start(step, start).map(|reply| (workflow_id, reply))
            }
            Err(invalid) => Err(Refusal::InvalidArgument(invalid.to_string())),
        };
        match started {
            Ok((workflow_id, Reply::Started { run_id, .. })) => {
                acted.started.push(StartedAction { number: action.number, workflow_id, run_id, beside });
            }
            // The engine has too much to do: later, unless that is too late.
            Err(Refusal::ResourceExhausted { .. } | Refusal::BusyWorkflow(_)) if !is_late => {
                acted.again_after(step.now, Duration::from_secs(SCHEDULE_RETRY_SECONDS));
            }
            Err(Refusal::ResourceExhausted { .. } | Refusal::BusyWorkflow(_)) => {
                acted.left_out.push(action.number);
                acted.missed_catchup_window += 1;
            }
            Err(Refusal::AlreadyStarted { .. }) => {
                acted.left_out.push(action.number);
                acted.overlap_skipped += 1;
            }
            Ok(_) | Err(_) => {
                acted.left_out.push(action.number);
                acted.buffer_dropped += 1;
            }
        }
    }

    /// Its closing is heard of like any other, and lets the next one start.
    fn end_running(&mut self, step: &mut Step<'_>, key: &Key, end: End) {
        let Some(scheduled) = self.schedules.get(key) else { return };
        let namespace = &scheduled.namespace;
        let identity = scheduled.identity();
        let requests: Vec<Request> = scheduled
            .running
            .iter()
            .map(|running| match end {
                End::Cancel => Request::RequestCancelWorkflowExecution(CancelWorkflow {
                    namespace: namespace.clone(),
                    workflow_id: running.workflow_id.clone(),
                    run_id: None,
                    first_execution_run_id: Some(running.run_id),
                    reason: "cancelled by schedule overlap policy".to_owned(),
                    identity: identity.clone(),
                    request_id: String::new(),
                }),
                End::Terminate => Request::TerminateWorkflowExecution(TerminateWorkflow {
                    namespace: namespace.clone(),
                    workflow_id: running.workflow_id.clone(),
                    run_id: None,
                    first_execution_run_id: Some(running.run_id),
                    reason: "terminated by schedule overlap policy".to_owned(),
                    details: Payloads::new(),
                    identity: identity.clone(),
                }),
            })
            .collect();
        for request in requests {
            // Nobody waits for the answer; one that has closed meanwhile is heard of all the same.
            drop(self.decide(step, Ticket(0), request));
        }
    }

    /// A calendar that was far ahead has been set right: schedules go on from the present, instead of waiting until it
    /// is as late as they believed. What they have started for times to come is recognised by its workflow id.
    fn set_back_schedules(&mut self, step: &mut Step<'_>, calendar: CalendarTime) {
        let latest = calendar.now + Duration::from_secs(SCHEDULE_AHEAD_SECONDS_MAX);
        let ahead: Vec<(Key, u64)> = self
            .schedules
            .all()
            .filter(|scheduled| scheduled.dealt_with > latest)
            .map(|scheduled| (scheduled.key(), scheduled.next_number))
            .collect();
        for (key, next_number) in ahead {
            let set_back = ScheduleChangeKind::TimesCame {
                to: calendar.now,
                backfill: None,
                waiting: Vec::new(),
                left_out: Vec::new(),
                next_number,
                overlap_skipped: 0,
                missed_catchup_window: 0,
                buffer_dropped: 0,
            };
            self.change_schedule(step, &key, calendar, set_back);
        }
    }
}

impl Scheduled {
    pub(super) fn key(&self) -> Key {
        (self.namespace.clone(), self.schedule_id.clone())
    }

    /// What an action asks for.
    ///
    /// # Errors
    /// The workflow id does not bear the time that is appended to it.
    pub(super) fn start(&self, action: WaitingAction, beside: bool) -> Result<StartWorkflow, InvalidId> {
        let workflow = &self.schedule.action;
        let time = to_the_second(action.nominal);
        let keeps_id = self.schedule.policies.keep_original_workflow_id;
        let workflow_id = if keeps_id {
            workflow.workflow_id.clone()
        } else {
            WorkflowId::new(format!("{}-{time}", workflow.workflow_id))?
        };
        let mut search_attributes = workflow.search_attributes.clone();
        search_attributes.insert(SCHEDULED_START_TIME.to_owned(), json(&time));
        search_attributes.insert(SCHEDULED_BY_ID.to_owned(), json(self.schedule_id.as_str()));
        let own = (!beside).then_some(self);
        Ok(StartWorkflow {
            input: workflow.input.clone(),
            workflow_task_timeout: workflow.workflow_task_timeout,
            identity: self.identity(),
            // Together with the workflow id: the same action asks the same, however often it is decided.
            request_id: format!("sched-{}-{}", self.create_time.as_micros(), action.number),
            header: workflow.header.clone(),
            memo: workflow.memo.clone(),
            search_attributes,
            workflow_execution_timeout: workflow.workflow_execution_timeout,
            workflow_run_timeout: workflow.workflow_run_timeout,
            // A time of the spec is acted on once; by hand the same time may be asked for again.
            workflow_id_reuse_policy: if action.manual || keeps_id {
                WorkflowIdReusePolicy::AllowDuplicate
            } else {
                WorkflowIdReusePolicy::RejectDuplicate
            },
            retry_policy: workflow.retry_policy.clone(),
            priority: workflow.priority.clone(),
            user_metadata: workflow.user_metadata.clone(),
            last_completion_result: own.map(|own| own.last_result.clone()).unwrap_or_default(),
            continued_failure: own.and_then(|own| own.last_failure.as_deref().cloned()),
            ..StartWorkflow::new(
                self.namespace.clone(),
                workflow_id,
                workflow.workflow_type.clone(),
                workflow.task_queue.clone(),
            )
        })
    }

    /// Who starts what it starts.
    pub(super) fn identity(&self) -> String {
        let mut identity = format!("temporal-scheduler-{}-{}", self.namespace, self.schedule_id);
        identity.truncate(identity.floor_char_boundary(ID_BYTES_MAX));
        identity
    }

    /// Bytes of one start, about.
    fn start_bytes(&self) -> usize {
        let result: usize = self.last_result.iter().map(Payload::size).sum();
        let failure = self.last_failure.as_ref().map_or(0, |failure| codec::to_cbor(failure).len());
        self.outlook.action_bytes + result + failure + 1
    }
}

/// RFC 3339 without a fraction of the second.
pub(super) fn to_the_second(time: Timestamp) -> String {
    let text = time.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

/// A text as a payload.
pub(super) fn json(text: &str) -> Payload {
    Payload::json(serde_json::Value::from(text).to_string())
}

/// What came of the starts.
#[derive(Debug, Default, PartialEq)]
struct Acted {
    started: Vec<StartedAction>,
    left_out: Vec<u64>,
    overlap_skipped: u64,
    missed_catchup_window: u64,
    buffer_dropped: u64,
    again: Option<Timestamp>,
}

impl Acted {
    fn again_after(&mut self, now: Timestamp, wait: Duration) {
        let at = now + wait;
        self.again = Some(self.again.map_or(at, |again| again.min(at)));
    }

    fn into_change(self) -> ScheduleChangeKind {
        let Self { started, left_out, overlap_skipped, missed_catchup_window, buffer_dropped, again } = self;
        ScheduleChangeKind::Acted {
            started,
            left_out,
            overlap_skipped,
            missed_catchup_window,
            buffer_dropped,
            again,
        }
    }
}
