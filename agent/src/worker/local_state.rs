//! The local activities of a run, as its history knows them: what is under way, and the markers their outcomes are.
//!
//! An outcome reaches the code when everything else of its turn has, and its marker stands among the turn's commands at
//! that very place. So the order of the markers is the order in which a replay gives the outcomes to the code, and one
//! path serves both: live, the marker is made a moment before it is read.

use std::collections::BTreeMap;
use std::task::{Context as TaskContext, Waker};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::payload::{Failure, Payloads, RetryPolicy, RetryState};
use tidegate_model::time::Timestamp;

use super::fault::{self, Fault};
use super::markers::Marker;
use super::replay::{Replay, ScheduledActivity, wrapped};
use super::state::{Shared, Slot, canceled};
use super::workflow::{from_payloads, to_payloads};

/// Name of the marker, as the SDKs on Temporal's core have it.
pub(super) const LOCAL_ACTIVITY: &str = "core_local_activity";

/// A local activity for the worker to carry out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LocalTask {
    /// From "1" in each run; a row of its own beside those of other activities.
    pub(super) id: String,
    pub(super) activity_type: String,
    pub(super) input: Payloads,
    /// The one to go on with, from 1.
    pub(super) attempt: u32,
    /// When the code asked for it: the same in a replay.
    pub(super) scheduled_time: Timestamp,
    /// Of one attempt; zero for no limit.
    pub(super) start_to_close: Duration,
    /// Of all attempts; zero for no limit.
    pub(super) schedule_to_close: Duration,
    pub(super) retry: RetryPolicy,
    /// A longer pause becomes a timer.
    pub(super) threshold: Duration,
}

impl LocalTask {
    fn describe(&self) -> String {
        describe(&self.activity_type, &self.id, &fault::digest(&self.input))
    }

    /// The end of attempts up to this one.
    pub(super) fn ended(&self, attempt: u32, outcome: Outcome) -> Ended {
        let data = Data {
            activity_id: self.id.clone(),
            activity_type: self.activity_type.clone(),
            input: fault::digest(&self.input),
            attempt,
            backoff: None,
        };
        Ended { data, outcome }
    }

    /// A failure as workflow code sees it.
    pub(super) fn failure(&self, cause: Failure, state: RetryState) -> Failure {
        let activity = ScheduledActivity { id: self.id.clone(), activity_type: self.activity_type.clone() };
        wrapped(cause, &activity, 0, 0, state)
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ended {
    data: Data,
    outcome: Outcome,
}

/// See [`Ended`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// It is done.
    Completed(Payloads),
    /// It is not tried again.
    Failed(Failure),
    /// It is tried again after this time, which is too long to hold a workflow task for.
    Later(Failure, Duration),
}

/// What the marker says besides result and failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Data {
    activity_id: String,
    activity_type: String,
    /// Hash of the input: enough to tell that it was another.
    input: String,
    /// The last one.
    attempt: u32,
    /// How long until the next one; absent in the end.
    backoff: Option<Duration>,
}

impl Ended {
    /// Which one.
    pub(super) fn id(&self) -> &str {
        &self.data.activity_id
    }

    fn into_marker(self) -> Marker {
        let Self { mut data, outcome } = self;
        let (mut result, mut failure) = (None, None);
        match outcome {
            Outcome::Completed(payloads) => result = Some(payloads),
            Outcome::Failed(cause) => failure = Some(cause),
            Outcome::Later(cause, wait) => (failure, data.backoff) = (Some(cause), Some(wait)),
        }
        let data = to_payloads(&data).expect("names and numbers have a JSON form");
        let mut details = BTreeMap::from([("data".to_owned(), data)]);
        details.extend(result.map(|result| ("result".to_owned(), result)));
        Marker { name: LOCAL_ACTIVITY.to_owned(), details, failure, event_id: None }
    }

    fn of_marker(marker: &Marker) -> Result<Self, Fault> {
        let data = marker.details.get("data").map_or(&[][..], Vec::as_slice);
        let data: Data = from_payloads(data).map_err(|reason| {
            Fault::BadHistory(format!("a marker of a local activity has data that is none: {reason}"))
        })?;
        let outcome = match (&marker.failure, data.backoff) {
            (Some(failure), Some(wait)) => Outcome::Later(failure.clone(), wait),
            (Some(failure), None) => Outcome::Failed(failure.clone()),
            (None, _) => Outcome::Completed(marker.details.get("result").cloned().unwrap_or_default()),
        };
        Ok(Self { data, outcome })
    }
}

/// What a marker of this kind says, for a person.
pub(super) fn describe_marker(details: &BTreeMap<String, Payloads>) -> String {
    let data = details.get("data").and_then(|data| from_payloads::<Data>(data).ok());
    data.map_or_else(
        || "the outcome of a local activity".to_owned(),
        |data| {
            let whose = describe(&data.activity_type, &data.activity_id, &data.input);
            format!("the outcome of {whose} after attempt {}", data.attempt)
        },
    )
}

fn describe(activity_type: &str, id: &str, input: &str) -> String {
    format!("local activity {activity_type} {id} with input {input}")
}

/// Those of a run that the code waits for.
#[derive(Debug, Default)]
pub(super) struct Locals {
    last: u64,
    open: BTreeMap<String, Local>,
    /// Which one waits for a timer.
    by_timer: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Local {
    task: LocalTask,
    /// The timer it waits for before it is tried again.
    timer: Option<String>,
    slot: Slot<Result<Payloads, Failure>>,
}

impl Local {
    fn is_under_way(&self) -> bool {
        self.timer.is_none() && self.slot.is_waiting()
    }
}

impl Locals {
    pub(super) fn are_waited_for(&self) -> bool {
        self.open.values().any(|local| local.slot.is_waiting())
    }

    /// A timer has fired: whether it was the pause of one of these, which goes on now.
    pub(super) fn take_timer(&mut self, timer_id: &str) -> bool {
        let Some(id) = self.by_timer.remove(timer_id) else { return false };
        if let Some(local) = self.open.get_mut(&id) {
            local.timer = None;
        }
        true
    }
}

impl Shared {
    /// Takes a local activity up, which is waited for from now on, and gives its id.
    pub(super) fn begin_local(&mut self, task: LocalTask) -> String {
        if let Some(who) = self.read_only {
            self.fail(format!("{who} may change nothing, but it asks for a local activity"));
        }
        self.locals.last += 1;
        let id = self.locals.last.to_string();
        let task = LocalTask { id: id.clone(), ..task };
        self.locals.open.insert(id.clone(), Local { task, timer: None, slot: Slot::Waiting(None) });
        id
    }

    pub(super) fn poll_local(&mut self, id: &str, cx: &TaskContext<'_>) -> Option<Result<Payloads, Failure>> {
        let local = self.locals.open.get_mut(id).expect("the slot goes with its future");
        let result = local.slot.poll(cx);
        self.progress |= result.is_some();
        result
    }

    /// See [`LocalActivityFuture::cancel`](super::LocalActivityFuture::cancel).
    pub(super) fn cancel_local(&mut self, id: &str) -> Option<Waker> {
        let local = self.locals.open.get_mut(id).filter(|local| local.slot.is_waiting())?;
        let cause = canceled("the local activity was cancelled");
        let failure = local.task.failure(cause, RetryState::CancelRequested);
        let (timer, waker) = (local.timer.take(), local.slot.resolve(Err(failure)));
        self.end_pause(timer);
        waker
    }

    pub(super) fn leave_local(&mut self, id: &str) {
        let local = self.locals.open.remove(id);
        self.end_pause(local.and_then(|local| local.timer));
    }

    fn end_pause(&mut self, timer: Option<String>) {
        if let Some(timer) = timer {
            self.locals.by_timer.remove(&timer);
            self.leave_timer(&timer);
        }
    }

    /// An outcome is there: it is recorded at this place, and the code may have it.
    fn end_local(&mut self, marker: Marker) -> Result<Option<Waker>, Fault> {
        let Ended { data, outcome } = Ended::of_marker(&marker)?;
        let asked = self.locals.open.get_mut(&data.activity_id).filter(|local| local.is_under_way());
        let same = |local: &&mut Local| {
            local.task.activity_type == data.activity_type && fault::digest(&local.task.input) == data.input
        };
        let described = asked.as_ref().map(|local| local.task.describe());
        let Some(local) = asked.filter(same) else {
            let asked = described.unwrap_or_else(|| "none of that id at this place".to_owned());
            return Err(disagreement(&marker, asked));
        };
        let ended = match outcome {
            Outcome::Completed(result) => Ok(result),
            Outcome::Failed(failure) => Err(failure),
            Outcome::Later(_, wait) => {
                local.task.attempt = data.attempt + 1;
                self.record(marker);
                let timer = self.start_timer(wait);
                self.locals.by_timer.insert(timer.clone(), data.activity_id.clone());
                if let Some(local) = self.locals.open.get_mut(&data.activity_id) {
                    local.timer = Some(timer);
                }
                return Ok(None);
            }
        };
        let waker = local.slot.resolve(ended);
        self.record(marker);
        Ok(waker)
    }
}

/// The code does not ask for what the history has the outcome of.
fn disagreement(marker: &Marker, asked: String) -> Fault {
    let recorded = describe_marker(&marker.details);
    match marker.event_id {
        Some(event_id) => Fault::Disagreement { event_id, recorded, asked, versions: None },
        None => Fault::Undeterministic(format!(
            "{recorded} was there, and in a replay at once the code asks for {asked}: it depends on something that is \
             not in the history"
        )),
    }
}

impl Replay {
    /// What the worker is to carry out before the present turn is answered.
    pub(super) fn local_tasks(&self) -> Vec<LocalTask> {
        let shared = self.cx.shared();
        let under_way = shared.locals.open.values().filter(|local| local.is_under_way());
        under_way.map(|local| local.task.clone()).collect()
    }

    pub(super) fn workflow_task_timeout(&self) -> Duration {
        self.cx.shared().started.workflow_task_timeout
    }

    /// Gives the code an outcome, unless it has given the activity up meanwhile.
    pub(super) fn end_local(&mut self, ended: Ended) -> Result<(), Fault> {
        let is_under_way = self.local_tasks().iter().any(|task| task.id == ended.id());
        if is_under_way { self.take_local_marker(ended.into_marker()) } else { Ok(()) }
    }

    /// Gives the code the outcomes that the present turn recorded when it was answered.
    pub(super) fn take_local_markers(&mut self) -> Result<(), Fault> {
        loop {
            let marker = self.cx.shared().markers.next_of(LOCAL_ACTIVITY);
            let Some(marker) = marker else { return Ok(()) };
            self.take_local_marker(marker)?;
        }
    }

    fn take_local_marker(&mut self, marker: Marker) -> Result<(), Fault> {
        let ended = self.cx.shared().end_local(marker);
        let waker = ended.map_err(|fault| fault.answered_by(self.recorded_version()))?;
        self.poll(waker.into_iter().collect())
    }
}
