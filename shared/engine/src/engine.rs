//! The engine's face: input in, records and effects out.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::chance::Chance;
use tidegate_model::codec::DecodeError;
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::limits::{GROUP_COMMIT_BYTES_MAX, GROUP_COMMIT_INPUTS_MAX, POLLS_WAITING_MAX};
use tidegate_model::time::{Stamp, Timestamp};

use crate::alarms::{Alarm, Alarms};
use crate::bounds;
use crate::child::{Closing, Closings};
use crate::closed::{ClosedRun, ClosedRuns, ResetMark};
use crate::history_wait::HistoryWaits;
use crate::index::Index;
use crate::namespaces::Namespaces;
use crate::query::Queries;
use crate::queue::{QueueKey, QueueKind, What};
use crate::record::{Record, StateChange};
use crate::request::{Refusal, Reply, Request, Ticket};
use crate::reset::Fork;
use crate::run::Run;
use crate::scheduler::Schedules;
use crate::settings::Settings;
use crate::signal::Signal;
use crate::update::Conversations;
use crate::visibility::{Listing, Place};
use crate::workflow_task::Speculative;

/// What can make the engine move, besides a deadline.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every input is a request: a box would cost an allocation each"
)]
pub enum Input {
    /// A request that wants a reply.
    Request {
        /// For the reply.
        ticket: Ticket,
        /// What is asked.
        request: Request,
    },
    /// Whoever asked has gone: a waiting poll is forgotten.
    Abandon {
        /// Of the poll.
        ticket: Ticket,
    },
}

/// What the engine wants done once its records are on disk.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Answer a request.
    Reply {
        /// Of the request.
        ticket: Ticket,
        /// The answer.
        reply: Result<Reply, Refusal>,
    },
}

impl Effect {
    /// Whether it may be released before the step's records are on disk, where these are all at leisure
    /// ([`StateChange::is_at_leisure`]): it promises nothing.
    #[must_use]
    pub fn is_at_leisure(&self) -> bool {
        match self {
            Self::Reply { ticket: _, reply } => matches!(reply, Ok(Reply::Heartbeat { .. })),
        }
    }
}

/// One step: what time it is, what chance brings, and where decisions go.
#[derive(Debug)]
pub struct Step<'a> {
    /// Engine time: never goes back.
    pub now: Timestamp,
    /// The clocks as they stand, for the events' record.
    pub stamp: Stamp,
    /// Where run ids and jitter come from.
    pub chance: &'a mut Chance,
    /// Records to append, in order. The engine has applied them to itself already.
    pub records: &'a mut Vec<Record>,
    /// Effects to release once the records are on disk.
    pub effects: &'a mut Vec<Effect>,
}

/// All runs, queues and timers of a host.
#[derive(Debug, Default)]
pub struct Engine {
    pub(crate) settings: Settings,
    runs: BTreeMap<RunId, Run>,
    /// The open run of each execution.
    current: BTreeMap<Namespace, BTreeMap<WorkflowId, RunId>>,
    pub(crate) closed: ClosedRuns,
    pub(crate) listing: Listing,
    pub(crate) namespaces: Namespaces,
    pub(crate) schedules: Schedules,
    pub(crate) closings: Closings,
    /// The fork whose first batch is the next record: never there when a step is over.
    fork: Option<Fork>,
    pub(crate) index: Index,
    /// For those who wait; like all below, gone with the process.
    pub(crate) alarms: Alarms,
    pub(crate) history_waits: HistoryWaits,
    pub(crate) queries: Queries,
    pub(crate) conversations: Conversations,
    pub(crate) speculative: BTreeMap<RunId, Speculative>,
}

impl Engine {
    /// An engine with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same under these limits: they hold for what comes, not for what is there.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// Decides on one input.
    pub fn handle(&mut self, step: &mut Step<'_>, input: Input) {
        self.wake(step.now);
        let before = step.records.len();
        self.schedules.look_at_clock(step.now, &step.stamp);
        match input {
            Input::Request { ticket, request } => {
                if let Some(reply) = self.decide(step, ticket, request) {
                    step.effects.push(Effect::Reply { ticket, reply });
                }
            }
            Input::Abandon { ticket } => self.abandon(step, ticket),
        }
        self.settle(step, before);
    }

    /// The next moment something is due, and what.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(Timestamp, &'static str)> {
        let runs = self.index.deadlines.next();
        let queues = self.index.queues.next_deadline();
        let others = self.alarms.next().into_iter().chain(self.next_removal());
        let others = others.chain(self.schedules.next_deadline());
        let others = others.chain(self.index.outbox.next_deadline());
        runs.into_iter().chain(queues).chain(others).min_by_key(|(at, _)| *at)
    }

    /// Does what is due: fires timers, ends leases, retries activities, answers polls that waited long enough. What
    /// would make the group commit too large stays due.
    pub fn handle_deadline(&mut self, step: &mut Step<'_>) {
        self.wake(step.now);
        let before = step.records.len();
        self.schedules.look_at_clock(step.now, &step.stamp);
        while let Some((ticket, kind)) = self.index.queues.next_expired(step.now) {
            step.effects.push(Effect::Reply { ticket, reply: Ok(kind.nothing()) });
        }
        while let Some(alarm) = self.alarms.next_due(step.now) {
            self.sound(step, alarm);
        }
        let mut bytes = 0;
        while let Some(run_id) = self.index.deadlines.next_due_run(step.now) {
            bytes += self.run_due(step, run_id);
            if bytes >= GROUP_COMMIT_BYTES_MAX || step.records.len() - before >= GROUP_COMMIT_INPUTS_MAX {
                break;
            }
        }
        self.schedules_due(step);
        self.remove_what_is_over(step);
        self.settle(step, before);
    }

    /// Takes one record of the log into the state: the only way state changes.
    ///
    /// # Panics
    /// When the record cannot follow those before it: a log with a hole in it.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::History(batch) => self.apply_history(batch),
            Record::State(StateChange::RunsForgotten { runs }) => {
                for run_id in runs {
                    self.forget(*run_id);
                }
            }
            Record::State(StateChange::Namespace(record)) => {
                self.namespaces.apply(record);
                self.schedules.hear_of_namespace(record);
            }
            Record::State(StateChange::Schedule(change)) => self.schedules.apply(change),
            Record::State(StateChange::ParentTold { run_id }) => self.closings.told(*run_id, &mut self.index),
            Record::State(StateChange::ChildLeft { run_id, initiated_event_id }) => {
                self.closings.left(*run_id, *initiated_event_id, &mut self.index);
            }
            Record::State(StateChange::WorkflowReset { run_id, new_run_id, time, request_id }) => {
                let mark = ResetMark { run_id: *new_run_id, request_id: request_id.clone() };
                if let Some(run) = self.runs.get_mut(run_id) {
                    run.reset = Some(mark);
                } else if let Some(closed) = self.closed.get_mut(*run_id) {
                    closed.reset = Some(mark);
                }
                self.fork = Some(Fork { run_id: *new_run_id, time: *time });
            }
            Record::State(change) => {
                if let Some(run_id) = change.run_id() {
                    let run = self.runs.get_mut(&run_id).expect("a change is of a run that is open");
                    run.apply_change(change, &mut self.index);
                }
            }
        }
    }

    /// The state, to start from next time, in CBOR. Polls and tickets are not part of it.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        self.to_bytes()
    }

    /// Puts back what [`Engine::snapshot`] gave.
    ///
    /// # Errors
    /// The decoder's reason.
    pub fn restore(snapshot: &[u8]) -> Result<Self, DecodeError> {
        Self::from_bytes(snapshot)
    }

    /// Routes a request. `None` when there is no reply yet.
    pub(crate) fn decide(
        &mut self,
        step: &mut Step<'_>,
        ticket: Ticket,
        request: Request,
    ) -> Option<Result<Reply, Refusal>> {
        if let Some(Err(refusal)) = request.namespace().map(|namespace| self.namespaces.get(namespace)) {
            return Some(Err(refusal));
        }
        Some(match request {
            Request::StartWorkflowExecution(start) => self.start(step, start),
            Request::SignalWorkflowExecution {
                namespace,
                workflow_id,
                run_id,
                signal_name,
                input,
                identity,
                request_id,
                header,
            } => {
                let signal = Signal {
                    namespace,
                    workflow_id,
                    run_id,
                    signal_name,
                    input,
                    identity,
                    request_id,
                    header,
                };
                self.signal(step, signal)
            }
            Request::PollWorkflowTaskQueue { namespace, task_queue, identity, worker_instance_key } => {
                let key = QueueKey { kind: QueueKind::WorkflowTasks, namespace, name: task_queue };
                return self.poll(step, ticket, key, identity, worker_instance_key);
            }
            Request::RespondWorkflowTaskCompleted(completion) => {
                self.complete_workflow_task(step, *completion)
            }
            Request::RespondWorkflowTaskFailed { token, cause, failure, identity } => {
                self.take_workflow_task_failure(step, &token, cause, failure, identity)
            }
            Request::PollActivityTaskQueue { namespace, task_queue, identity, worker_instance_key } => {
                let key = QueueKey { kind: QueueKind::ActivityTasks, namespace, name: task_queue };
                return self.poll(step, ticket, key, identity, worker_instance_key);
            }
            Request::RespondActivityTaskCompleted { task, result, identity } => {
                self.take_activity_result(step, &task, result, identity)
            }
            Request::RespondActivityTaskFailed { task, failure, last_heartbeat_details, identity } => {
                self.take_activity_failure(step, &task, failure, last_heartbeat_details, identity)
            }
            Request::ShutdownWorker { identity } => self.shut_down_worker(step, &identity),
            Request::DescribeWorkflowExecution { namespace, workflow_id, run_id } => {
                self.describe(step.now, &namespace, &workflow_id, run_id)
            }
            Request::ListWorkflowExecutions(list) => self.list(&list),
            Request::CountWorkflowExecutions { namespace, query } => self.count(&namespace, &query),
            Request::DeleteWorkflowExecution { namespace, workflow_id, run_id } => {
                self.delete_run(step, &namespace, &workflow_id, run_id)
            }
            Request::RegisterNamespace { name, wanted } => self.register_namespace(step, name, wanted),
            Request::DescribeNamespace(which) => self.describe_namespace(&which),
            Request::ListNamespaces { page_size, after } => {
                Ok(self.list_namespaces(page_size, after.as_ref()))
            }
            Request::UpdateNamespace { name, change } => self.update_namespace(step, &name, change),
            Request::DeleteNamespace(which) => self.delete_namespace(step, &which),
            Request::AddSearchAttributes { namespace, attributes } => {
                self.add_search_attributes(step, namespace, &attributes)
            }
            Request::RemoveSearchAttributes { namespace, names } => {
                self.remove_search_attributes(step, namespace, &names)
            }
            Request::ListSearchAttributes { namespace } => self.list_search_attributes(&namespace),
            Request::UpdateWithStartWorkflowExecution { start, update } => {
                return self.update_with_start(step, ticket, *start, *update).transpose();
            }
            Request::SignalWithStartWorkflowExecution(request) => self.signal_with_start(step, *request),
            Request::QueryWorkflow(wanted) => return self.query(step, ticket, *wanted).transpose(),
            Request::RespondQueryTaskCompleted { token, answer } => {
                self.take_query_answer(step, &token, answer)
            }
            Request::UpdateWorkflowExecution(wanted) => {
                return self.update(step, ticket, *wanted).transpose();
            }
            Request::PollWorkflowExecutionUpdate { namespace, workflow_id, run_id, update_id, wait } => {
                let execution = (namespace, workflow_id, run_id);
                return self.poll_update(step, ticket, execution, update_id, wait).transpose();
            }
            Request::RequestCancelWorkflowExecution(cancel) => self.request_cancel(step, cancel),
            Request::TerminateWorkflowExecution(terminate) => self.terminate(step, terminate),
            Request::ResetWorkflowExecution(reset) => self.reset(step, *reset),
            Request::WaitForHistory(wanted) => return self.wait_for_history(step, ticket, &wanted),
            Request::RespondActivityTaskCanceled { task, details, identity } => {
                self.take_activity_cancellation(step, &task, details, identity)
            }
            Request::RecordActivityTaskHeartbeat { task, details, identity } => {
                self.take_heartbeat(step, &task, details, identity)
            }
            Request::PauseActivity(pause) => self.pause_activity(step, pause),
            Request::UnpauseActivity(unpause) => self.unpause_activity(step, &unpause),
            Request::ResetActivity(reset) => self.reset_activity(step, &reset),
            Request::UpdateActivityOptions(update) => self.update_activity_options(step, *update),
            Request::ShutdownWorkerInstance { namespace, sticky_task_queue, worker_instance_key } => {
                self.shut_down_worker_instance(step, namespace, sticky_task_queue, &worker_instance_key)
            }
            Request::DescribeTaskQueue { namespace, task_queue, kind } => {
                let key = QueueKey { kind: kind.into(), namespace, name: task_queue };
                let description = self.index.queues.describe(step.now, &key);
                Ok(Reply::TaskQueueDescribed(Box::new(description)))
            }
            Request::CreateSchedule(create) => self.create_schedule(step, *create),
            Request::DescribeSchedule { namespace, schedule_id } => {
                self.describe_schedule(step, namespace, schedule_id)
            }
            Request::UpdateSchedule(update) => self.update_schedule(step, *update),
            Request::PatchSchedule(patch) => self.patch_schedule(step, *patch),
            Request::DeleteSchedule { namespace, schedule_id, identity } => {
                self.delete_schedule(step, namespace, schedule_id, &identity)
            }
            Request::ListSchedules(list) => self.list_schedules(step, &list),
            Request::CountSchedules { namespace, query } => self.count_schedules(&namespace, &query),
            Request::ListScheduleMatchingTimes { namespace, schedule_id, start_time, end_time } => {
                self.list_schedule_times(namespace, schedule_id, start_time, end_time)
            }
        })
    }

    /// A poll waits, if only until the end of this step.
    fn poll(
        &mut self,
        step: &Step<'_>,
        ticket: Ticket,
        key: QueueKey,
        identity: String,
        worker_instance_key: String,
    ) -> Option<Result<Reply, Refusal>> {
        let ids = bounds::id("identity", &identity)
            .and_then(|()| bounds::id("worker instance key", &worker_instance_key));
        if let Err(wrong) = ids {
            return Some(Err(wrong.into()));
        }
        if self.index.retired.has(step.now, &key.namespace, &worker_instance_key) {
            return Some(Ok(key.kind.nothing()));
        }
        if self.index.queues.polls_waiting() >= POLLS_WAITING_MAX {
            let message = format!("{POLLS_WAITING_MAX} polls are waiting");
            return Some(Err(Refusal::ResourceExhausted { limit: "POLLS_WAITING_MAX", message }));
        }
        self.index.queues.poll(step.now, key, ticket, identity, worker_instance_key);
        None
    }

    /// The first decision of the process: activities may have been heard of shortly before it began.
    fn wake(&mut self, now: Timestamp) {
        let Self { runs, index, .. } = self;
        index.wake(now, || runs.values().flat_map(|run| run.activities.silences(&run.head)));
    }

    /// Whoever asked has gone.
    fn abandon(&mut self, step: &Step<'_>, ticket: Ticket) {
        drop(self.index.queues.abandon(step.now, ticket));
        self.forget_history_wait(ticket);
        self.forget_query(ticket);
        self.forget_update_wait(ticket);
    }

    /// Somebody has waited long enough.
    fn sound(&mut self, step: &mut Step<'_>, alarm: Alarm) {
        match alarm {
            Alarm::HistoryWait(ticket) => self.answer_history_wait(step, ticket),
            Alarm::Query(id) => self.give_up_query(step, id),
            Alarm::StickyQuery(id) => self.unstick_query(step, id),
            Alarm::UpdateWait(ticket) => self.tell_standing(step, ticket),
            Alarm::SpeculativeTask(run_id) => self.give_up_speculative(step, run_id),
        }
    }

    /// What follows every decision: runs do what they have to do to others, those that have grown too long end, and
    /// tasks go to the polls that wait for them.
    fn settle(&mut self, step: &mut Step<'_>, before: usize) {
        self.work_off_outbox(step, before);
        self.forget_surplus(step);
        for run_id in changed_runs(&step.records[before..]) {
            self.settle_updates(step, run_id);
        }
        for run_id in changed_runs(&step.records[before..]) {
            self.settle_queries(step, run_id);
        }
        // While runs still have something to do to others, their tasks would come back with half of what happened.
        if self.index.outbox.is_empty() {
            self.hand_out_tasks(step);
        }
        for run_id in changed_runs(&step.records[before..]) {
            self.answer_history_waits(step, run_id);
        }
    }

    /// Ends the runs that the records from `since` on have made too long.
    pub(crate) fn end_grown_runs(&mut self, step: &mut Step<'_>, since: usize) {
        let grown: Vec<RunId> = step.records[since..]
            .iter()
            .filter_map(|record| match record {
                Record::History(batch) => Some(batch.run_id),
                Record::State(_) => None,
            })
            .collect();
        for run_id in grown {
            let limit = self.run_if_open(run_id).and_then(|run| run.history_limit(&self.settings));
            if let Some(limit) = limit {
                self.end_at_history_limit(step, run_id, limit);
            }
        }
    }

    fn hand_out_tasks(&mut self, step: &mut Step<'_>) {
        while let Some((ready, poll)) = self.index.queues.next_match(step.now) {
            match ready.what {
                What::SpeculativeTask => self.hand_out_speculative_task(step, ready.run_id, poll),
                What::Query(id) => self.hand_out_query(step, id, poll),
                What::WorkflowTask => self.hand_out_workflow_task(step, ready.run_id, poll),
                What::Activity(scheduled_event_id) => {
                    self.hand_out_activity(step, ready.run_id, scheduled_event_id, poll);
                }
            }
        }
    }

    /// Applies a record and appends it: the only way a decision has consequences.
    pub(crate) fn commit(&mut self, step: &mut Step<'_>, record: Record) {
        self.apply(&record);
        step.records.push(record);
    }

    /// Writes events of one run, as one batch.
    pub(crate) fn write(&mut self, step: &mut Step<'_>, run_id: RunId, events: Vec<Event>) {
        self.write_at(step, run_id, step.now, events);
    }

    /// The same, at a time that the run has not passed.
    pub(crate) fn write_at(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        time: Timestamp,
        mut events: Vec<Event>,
    ) {
        let run = self.run(run_id);
        let first_event_id: EventId = run.next_event_id;
        crate::buffer::wire(first_event_id, &mut events);
        let batch = HistoryBatch {
            namespace: run.head.namespace.clone(),
            workflow_id: run.head.workflow_id.clone(),
            run_id,
            first_event_id,
            // A host that lets its time go back does not make a history that does.
            event_time: time.max(run.last_event_time),
            stamp: step.stamp,
            events,
        };
        self.commit(step, Record::History(batch));
    }

    fn apply_history(&mut self, batch: &HistoryBatch) {
        if let Some(Event::WorkflowExecutionStarted(started)) = batch.events.first() {
            let fork = self.fork.take().filter(|fork| fork.run_id == batch.run_id);
            let start_time = fork.map_or(batch.event_time, |fork| fork.time);
            let run = Run::begin(batch, started, start_time);
            self.index.put(run.times.entries(&run.head));
            self.insert(run);
            self.schedules.hear_of_start(started.first_execution_run_id);
        }
        let run = self.runs.get_mut(&batch.run_id).expect("events are of a run that is open");
        run.apply(batch, &mut self.index);
        if let Some(end) = batch.events.last().filter(|_| !run.is_open()) {
            let first_run_id = run.started.first_execution_run_id;
            self.schedules.hear_of_close(first_run_id, Some(end));
            self.close(batch.run_id, end);
        }
    }

    pub(crate) fn insert(&mut self, run: Run) {
        let Run { head, .. } = &run;
        self.listing.put(&head.namespace, Place::of_open(&run));
        self.current.entry(head.namespace.clone()).or_default().insert(head.workflow_id.clone(), head.run_id);
        self.runs.insert(head.run_id, run);
    }

    fn close(&mut self, run_id: RunId, end: &Event) {
        let run = self.runs.remove(&run_id).expect("called for a run that was just found");
        self.index.take(run.entries());
        let parent = run.started.parent.as_ref().map(|parent| self.after_resets(parent.run_id));
        let is_parent_open = parent.is_some_and(|parent| self.is_open(parent));
        self.closings.put(run_id, Closing::of(&run, end, is_parent_open), &mut self.index);
        if let Some(current) = self.current.get_mut(&run.head.namespace) {
            current.remove(&run.head.workflow_id);
            if current.is_empty() {
                self.current.remove(&run.head.namespace);
            }
        }
        self.listing.take(&run.head.namespace, Place::of_open(&run));
        self.remember(run.into_closed());
    }

    pub(crate) fn remember(&mut self, closed: ClosedRun) {
        self.listing.put(&closed.summary.namespace, Place::of_closed(&closed.summary));
        self.closed.push(closed);
    }

    fn forget(&mut self, run_id: RunId) {
        if let Some(closed) = self.closed.forget(run_id) {
            self.listing.take(&closed.summary.namespace, Place::of_closed(&closed.summary));
        }
    }

    /// A run that is known to be open.
    pub(crate) fn run(&self, run_id: RunId) -> &Run {
        self.run_if_open(run_id).expect("whoever decides on a run has found it open")
    }

    pub(crate) fn run_if_open(&self, run_id: RunId) -> Option<&Run> {
        self.runs.get(&run_id)
    }

    pub(crate) fn current(&self, namespace: &Namespace, workflow_id: &WorkflowId) -> Option<&Run> {
        self.runs.get(self.current.get(namespace)?.get(workflow_id)?)
    }

    /// Run ids begin with their time, so their order is that of their starts.
    pub(crate) fn open_newest_first(&self) -> impl Iterator<Item = &Run> {
        self.runs.values().rev()
    }

    /// How many runs are open.
    #[must_use]
    pub fn open_runs(&self) -> usize {
        self.runs.len()
    }

    /// Whether a run is open: its history is still wanted, whoever else has it.
    #[must_use]
    pub fn is_open(&self, run_id: RunId) -> bool {
        self.runs.contains_key(&run_id)
    }
}

fn changed_runs(records: &[Record]) -> BTreeSet<RunId> {
    let mut changed = BTreeSet::new();
    for record in records {
        match record {
            Record::History(batch) => drop(changed.insert(batch.run_id)),
            Record::State(StateChange::RunsForgotten { runs }) => changed.extend(runs),
            Record::State(change) => changed.extend(change.run_id()),
        }
    }
    changed
}
