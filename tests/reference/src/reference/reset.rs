//! Reset: a run is left, and a fork of it goes on from an earlier workflow task.

use tidegate_engine::{ReapplyExclude, Refusal, Reply, ResetWorkflow};
use tidegate_model::event::{Event, ResetRuns, WorkflowTaskFailedCause};
use tidegate_model::id::{EventId, RunId};
use tidegate_model::payload::{Failure, FailureInfo, Payloads};

use super::others::RESETTER;
use super::run::{Run, end_of_child};
use super::{Reference, numbered};

impl Reference {
    pub(super) fn reset(&mut self, reset: ResetWorkflow) -> Result<Reply, Refusal> {
        let invalid = || Refusal::InvalidArgument(String::new());
        let base_id = self.meant(&reset.namespace, &reset.workflow_id, Some(reset.run_id))?;
        let base = self.run(base_id).clone();
        if let Some((run_id, _)) = base.reset.as_ref().filter(|(_, request)| *request == reset.request_id) {
            return Ok(Reply::Reset { run_id: *run_id });
        }
        let finish = reset.workflow_task_finish_event_id;
        if finish <= 1 || finish > base.history.len() as EventId {
            return Err(invalid());
        }
        let is_whole = reset.history.first().is_some_and(|batch| batch.first_event_id == 1);
        if !is_whole || reset.history[0].run_id != base_id {
            return Err(Refusal::Stale);
        }
        // The transitions are those of the log.
        if !reset.history.iter().any(|batch| batch.run_id == base_id && batch.first_event_id == finish) {
            return Err(invalid());
        }
        let (kept, left) = base.history.split_at(finish as usize - 1);
        let (scheduled, started) = pending(kept).ok_or_else(invalid)?;
        let chain: Vec<RunId> = self.chain_from(base_id);
        let current = self.open(&reset.namespace, &reset.workflow_id);
        let mut anew = Anew::new(kept, reset.reapply_exclude);
        anew.take(left.iter().map(|(_, event)| event), true);
        for run_id in &chain[1..] {
            let following = self.any_run(*run_id).expect("what a chain names has begun");
            anew.take(following.history.iter().map(|(_, event)| event), false);
        }
        if let Some(open) = current.filter(|open| chain.last() == Some(open)) {
            let waiting = self.run(open).flushed();
            anew.take(waiting.iter(), open == base_id);
        }
        let run_id = self.next_run_id(&reset.namespace, &reset.workflow_id);
        self.run_mut(base_id).reset = Some((run_id, reset.request_id));
        if let Some(current) = current {
            self.terminate(current, reset.reason.clone(), Payloads::new(), RESETTER.to_owned());
        }
        let mut fork = Run::new(base.namespace.clone(), base.workflow_id.clone(), run_id, self.now);
        fork.history = kept.to_vec();
        fork.next_attempt = 1;
        self.schedules_hear_of_start(fork.started().first_execution_run_id);
        self.runs.insert(run_id, fork);
        let mut events = Vec::new();
        let started_event_id = started.unwrap_or_else(|| {
            events.push(Event::WorkflowTaskStarted {
                scheduled_event_id: scheduled,
                request_id: String::new(),
                identity: String::from("history-service"),
                suggest_continue_as_new: false,
                history_size_bytes: 0,
            });
            finish
        });
        let info = FailureInfo::ResetWorkflow { last_heartbeat_details: Payloads::new() };
        events.push(Event::WorkflowTaskFailed {
            scheduled_event_id: scheduled,
            started_event_id,
            cause: WorkflowTaskFailedCause::ResetWorkflow,
            failure: Failure { info, ..Failure::application(reset.reason, "", false) },
            identity: String::from("history-service"),
            reset: Some(Box::new(ResetRuns { base_run_id: base_id, new_run_id: run_id })),
        });
        events.extend(anew.events);
        self.write(run_id, events);
        self.remember_attempts(run_id);
        let now = self.now;
        for attempt in self.run_mut(run_id).attempts.values_mut() {
            attempt.waits_from = now;
            attempt.scheduled = now;
        }
        self.schedule_task(run_id);
        Ok(Reply::Reset { run_id })
    }

    /// A run, and those that continued it as new.
    fn chain_from(&self, run_id: RunId) -> Vec<RunId> {
        let mut chain = vec![run_id];
        while let Some(Event::WorkflowExecutionContinuedAsNew(as_new)) =
            self.any_run(chain[chain.len() - 1]).and_then(|run| run.history.last()).map(|(_, event)| event)
        {
            chain.push(as_new.new_execution_run_id);
        }
        chain
    }
}

/// The workflow task that is pending at the end of these events: its scheduled and its started event.
fn pending(history: &[(tidegate_model::time::Timestamp, Event)]) -> Option<(EventId, Option<EventId>)> {
    let mut pending = None;
    for (id, event) in numbered(history) {
        match event {
            Event::WorkflowTaskScheduled { .. } => pending = Some((id, None)),
            Event::WorkflowTaskStarted { scheduled_event_id, .. } => {
                pending = Some((*scheduled_event_id, Some(id)));
            }
            Event::WorkflowTaskCompleted { .. }
            | Event::WorkflowTaskFailed { .. }
            | Event::WorkflowTaskTimedOut { .. } => pending = None,
            _ => {}
        }
    }
    pending
}

/// What came after the point, and is asked of the fork anew.
struct Anew {
    events: Vec<Event>,
    /// The fork, as far as it is known.
    so_far: Vec<Event>,
    exclude: ReapplyExclude,
}

impl Anew {
    fn new(kept: &[(tidegate_model::time::Timestamp, Event)], exclude: ReapplyExclude) -> Self {
        let so_far = kept.iter().map(|(_, event)| event.clone()).collect();
        Self { events: Vec::new(), so_far, exclude }
    }

    fn take<'a>(&mut self, events: impl Iterator<Item = &'a Event>, with_children: bool) {
        for event in events {
            let is_anew = match event {
                Event::WorkflowExecutionSignaled { request_id, .. } => {
                    !self.exclude.signals && (request_id.is_empty() || !self.has_signal(request_id))
                }
                Event::WorkflowExecutionOptionsUpdated { .. } => true,
                Event::WorkflowExecutionUpdateAdmitted { .. } => !self.exclude.updates,
                Event::WorkflowExecutionUpdateAccepted { accepted_request: Some(request), .. } => {
                    // What was let in is asked anew.
                    if !self.exclude.updates {
                        let request = request.clone();
                        self.events.push(Event::WorkflowExecutionUpdateAdmitted { request });
                    }
                    false
                }
                Event::ChildWorkflowExecutionStarted { initiated_event_id, .. } => {
                    with_children && self.waits_for_start(*initiated_event_id)
                }
                Event::StartChildWorkflowExecutionFailed { initiated_event_id, .. } => {
                    with_children && self.waits_for_start(*initiated_event_id)
                }
                _ => end_of_child(event)
                    .is_some_and(|(initiated, _)| with_children && self.is_running(initiated)),
            };
            if is_anew {
                self.events.push(event.clone());
            }
            let is_known = is_anew || matches!(event, Event::WorkflowExecutionSignaled { .. });
            if is_known {
                self.so_far.push(event.clone());
            }
        }
    }

    fn has_signal(&self, request: &str) -> bool {
        self.so_far.iter().any(|event| {
            matches!(event, Event::WorkflowExecutionSignaled { request_id, .. } if request_id == request)
        })
    }

    /// Whether the fork has asked for this child, and not heard of it.
    fn waits_for_start(&self, initiated: EventId) -> bool {
        self.has_asked(initiated) && !self.is_running(initiated) && !self.is_over(initiated)
    }

    fn has_asked(&self, initiated: EventId) -> bool {
        // Events of the fork's own copies have their places as ids.
        let at = usize::try_from(initiated - 1).expect("a place");
        matches!(self.so_far.get(at), Some(Event::StartChildWorkflowExecutionInitiated(_)))
    }

    fn is_running(&self, initiated: EventId) -> bool {
        let starts = |event: &Event| {
            matches!(event, Event::ChildWorkflowExecutionStarted { initiated_event_id, .. }
                if *initiated_event_id == initiated)
        };
        self.so_far.iter().any(starts) && !self.is_over(initiated)
    }

    fn is_over(&self, initiated: EventId) -> bool {
        self.so_far.iter().any(|event| match event {
            Event::StartChildWorkflowExecutionFailed { initiated_event_id, .. } => {
                *initiated_event_id == initiated
            }
            _ => end_of_child(event).is_some_and(|(of, _)| of == initiated),
        })
    }
}
