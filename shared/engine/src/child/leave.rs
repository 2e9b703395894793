//! What a closed run still has to do: tell its parent how it ended, and leave its children as their policies say.
//!
//! The parent hears of the last run of a chain only. Every close applies the policies, also one with which the run goes
//! on in another: Temporal's server does so too, so a child does not outlive the run that began it unless it is
//! abandoned. A run that is left for a fork of it keeps its children for the fork.

use std::collections::BTreeMap;
use std::iter::successors;

use serde::{Deserialize, Serialize};
use tidegate_model::event::{Event, Execution, ParentClosePolicy, WorkflowParent};
use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::payload::{Failure, Payloads, RetryState};

use super::start::started;
use super::{Children, Started};
use crate::close::ENGINE_IDENTITY;
use crate::engine::{Engine, Step};
use crate::index::{Entry, Index};
use crate::outbox::{Errand, What};
use crate::record::{Record, StateChange};
use crate::reset::RESETTER_IDENTITY;
use crate::run::Run;

/// The runs that have closed and still have something to do.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Closings(BTreeMap<RunId, Closing>);

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Closing {
    namespace: Namespace,
    workflow_id: WorkflowId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    news: Option<Box<News>>,
    /// The children that are not abandoned, by the events that asked for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    children: BTreeMap<EventId, Left>,
}

/// What the parent is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct News {
    parent: WorkflowParent,
    /// The first run of the chain that is over.
    first_run_id: RunId,
    workflow_type: String,
    end: End,
}

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Completed(Payloads),
    Failed(Box<Failure>, RetryState),
    Canceled(Payloads),
    TimedOut(RetryState),
    Terminated,
}

/// A child whose parent is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Left {
    child: Execution,
    policy: ParentClosePolicy,
}

impl Closings {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn put(&mut self, run_id: RunId, closing: Closing, index: &mut Index) {
        index.put(closing.entries(run_id));
        if closing.news.is_some() || !closing.children.is_empty() {
            self.0.insert(run_id, closing);
        }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.0.iter().flat_map(|(run_id, closing)| closing.entries(*run_id))
    }

    /// The parent has been told, or is gone too.
    pub(crate) fn told(&mut self, run_id: RunId, index: &mut Index) {
        self.change(run_id, index, |closing| closing.news = None);
    }

    /// The child has been left as it should be, or is gone too.
    pub(crate) fn left(&mut self, run_id: RunId, initiated_event_id: EventId, index: &mut Index) {
        self.change(run_id, index, |closing| drop(closing.children.remove(&initiated_event_id)));
    }

    fn change(&mut self, run_id: RunId, index: &mut Index, change: impl FnOnce(&mut Closing)) {
        let mut closing = self.0.remove(&run_id).expect("what is done was to be done");
        index.take(closing.entries(run_id));
        change(&mut closing);
        self.put(run_id, closing, index);
    }
}

impl Closing {
    /// What is left to do when a run has closed by this event. A parent that is not open any more has nothing to hear.
    pub(crate) fn of(run: &Run, end: &Event, is_parent_open: bool) -> Self {
        let is_left_for_fork = is_by_resetter(end);
        let parent = run.started.parent.as_ref().filter(|_| is_parent_open && !is_left_for_fork);
        let news = parent.zip(End::of(end)).map(|(parent, end)| {
            Box::new(News {
                parent: parent.as_ref().clone(),
                first_run_id: run.started.first_execution_run_id,
                workflow_type: run.head.workflow_type.clone(),
                end,
            })
        });
        let keeps_children = is_left_for_fork && run.reset.is_some();
        let children = if keeps_children { BTreeMap::new() } else { left(&run.children) };
        Self {
            namespace: run.head.namespace.clone(),
            workflow_id: run.head.workflow_id.clone(),
            news,
            children,
        }
    }

    fn entries(&self, run_id: RunId) -> Vec<Entry> {
        let tell = Errand { run_id, event_id: 0, what: What::TellParent };
        let leave = |event_id: &EventId| Errand { run_id, event_id: *event_id, what: What::LeaveChild };
        let tell = self.news.iter().map(|_| tell);
        tell.chain(self.children.keys().map(leave)).map(Entry::Errand).collect()
    }
}

/// Those that run and are not abandoned. One that never started never will.
fn left(children: &Children) -> BTreeMap<EventId, Left> {
    let running =
        children.0.iter().filter_map(|(id, child)| child.started.map(|started| (id, child, started)));
    running
        .filter(|(_, child, _)| child.initiated.parent_close_policy != ParentClosePolicy::Abandon)
        .map(|(id, child, started)| {
            let left = Left {
                child: child.execution(Some(started.run_id)),
                policy: child.initiated.parent_close_policy,
            };
            (*id, left)
        })
        .collect()
}

fn is_by_resetter(end: &Event) -> bool {
    matches!(end, Event::WorkflowExecutionTerminated { identity, .. } if identity == RESETTER_IDENTITY)
}

impl End {
    /// What a closing event says to the parent; `None` where the chain goes on.
    fn of(end: &Event) -> Option<Self> {
        if let Event::WorkflowExecutionCompleted { result, new_execution_run_id: None, .. } = end {
            Some(Self::Completed(result.clone()))
        } else if let Event::WorkflowExecutionFailed {
            failure,
            retry_state,
            new_execution_run_id: None,
            ..
        } = end
        {
            Some(Self::Failed(Box::new(failure.clone()), *retry_state))
        } else if let Event::WorkflowExecutionCanceled { details, .. } = end {
            Some(Self::Canceled(details.clone()))
        } else if let Event::WorkflowExecutionTimedOut { retry_state, new_execution_run_id: None } = end {
            Some(Self::TimedOut(*retry_state))
        } else if let Event::WorkflowExecutionTerminated { .. } = end {
            Some(Self::Terminated)
        } else {
            None
        }
    }

    /// The event it is in the parent.
    fn told(
        self,
        child: Execution,
        workflow_type: String,
        initiated_event_id: EventId,
        started_event_id: EventId,
    ) -> Event {
        let child = Box::new(child);
        match self {
            Self::Completed(result) => Event::ChildWorkflowExecutionCompleted {
                result,
                child,
                workflow_type,
                initiated_event_id,
                started_event_id,
            },
            Self::Failed(failure, retry_state) => Event::ChildWorkflowExecutionFailed {
                failure: *failure,
                retry_state,
                child,
                workflow_type,
                initiated_event_id,
                started_event_id,
            },
            Self::Canceled(details) => Event::ChildWorkflowExecutionCanceled {
                details,
                child,
                workflow_type,
                initiated_event_id,
                started_event_id,
            },
            Self::TimedOut(retry_state) => Event::ChildWorkflowExecutionTimedOut {
                retry_state,
                child,
                workflow_type,
                initiated_event_id,
                started_event_id,
            },
            Self::Terminated => Event::ChildWorkflowExecutionTerminated {
                child,
                workflow_type,
                initiated_event_id,
                started_event_id,
            },
        }
    }
}

impl Engine {
    /// Tells a closed run's parent how the run ended: the run that asked for it, or the fork it was left for.
    pub(crate) fn tell_parent(&mut self, step: &mut Step<'_>, run_id: RunId) {
        let closing = self.closings.0.get(&run_id).expect("who tells has closed and has something to tell");
        let news = closing.news.as_deref().expect("who tells has something to tell").clone();
        let child = Execution {
            namespace: closing.namespace.clone(),
            workflow_id: closing.workflow_id.clone(),
            run_id: Some(run_id),
        };
        let parent = self.after_resets(news.parent.run_id);
        let events = self.run_if_open(parent).map(|parent| news.for_parent(child, &parent.children));
        self.arrive(step, parent, events.unwrap_or_default());
        self.commit(step, Record::State(StateChange::ParentTold { run_id }));
    }

    /// Does to a child what its policy says, if a run of its chain is still open.
    pub(crate) fn leave_child(&mut self, step: &mut Step<'_>, run_id: RunId, initiated_event_id: EventId) {
        let closing = self.closings.0.get(&run_id).expect("who leaves a child has closed and has one");
        let Left { child, policy } =
            closing.children.get(&initiated_event_id).expect("who leaves a child has it");
        let policy = *policy;
        let external = WorkflowParent {
            namespace: closing.namespace.clone(),
            workflow_id: closing.workflow_id.clone(),
            run_id,
            initiated_event_id: 0,
        };
        let run = self.current(&child.namespace, &child.workflow_id).filter(|run| {
            let is_child =
                run.started.parent.as_ref().is_some_and(|parent| self.is_or_became(parent.run_id, run_id));
            is_child && Some(run.started.first_execution_run_id) == child.run_id
        });
        if let Some((child, is_asked)) = run.map(|run| (run.head.run_id, run.cancellation.is_some())) {
            match policy {
                ParentClosePolicy::Terminate => {
                    let reason = String::from("by parent close policy");
                    self.terminate_run(step, child, reason, Payloads::new(), ENGINE_IDENTITY.to_owned());
                }
                ParentClosePolicy::RequestCancel if !is_asked => {
                    let requested = Event::WorkflowExecutionCancelRequested {
                        cause: String::new(),
                        identity: ENGINE_IDENTITY.to_owned(),
                        request_id: String::new(),
                        external: Some(Box::new(external)),
                    };
                    self.arrive(step, child, vec![requested]);
                }
                ParentClosePolicy::RequestCancel | ParentClosePolicy::Abandon => {}
            }
        }
        self.commit(step, Record::State(StateChange::ChildLeft { run_id, initiated_event_id }));
    }

    /// Whether a run is another, or was reset to it.
    pub(crate) fn is_or_became(&self, run_id: RunId, other: RunId) -> bool {
        run_id == other || self.after_resets(run_id) == other
    }

    /// Follows a run to where resets have taken it.
    pub(crate) fn after_resets(&self, run_id: RunId) -> RunId {
        let mark = |run_id| match self.run_if_open(run_id) {
            Some(run) => run.reset.as_ref(),
            None => self.closed.get(run_id)?.reset.as_ref(),
        };
        // No circles: a fork is younger than what it was forked from.
        successors(Some(run_id), |run_id| mark(*run_id).map(|mark| mark.run_id)).last().unwrap_or(run_id)
    }
}

impl News {
    /// The events for a parent with these children; none where it does not wait for this one. A fork may not know yet
    /// that the child was started.
    fn for_parent(self, child: Execution, children: &Children) -> Vec<Event> {
        let initiated_event_id = self.parent.initiated_event_id;
        let Some(awaited) = children.0.get(&initiated_event_id) else { return Vec::new() };
        if awaited.execution(child.run_id) != child {
            return Vec::new();
        }
        let (missing, started_event_id) = match awaited.started {
            Some(Started { run_id, .. }) if run_id != self.first_run_id => return Vec::new(),
            Some(Started { event_id, .. }) => (None, event_id),
            None => (Some(started(&awaited.initiated, initiated_event_id, self.first_run_id)), 0),
        };
        let end = self.end.told(child, self.workflow_type, initiated_event_id, started_event_id);
        missing.into_iter().chain([end]).collect()
    }
}
