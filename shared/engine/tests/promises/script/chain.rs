//! The verbs of beginnings and ends: runs that are started under conditions, cancelled, terminated, reset, and followed
//! by others.

use std::time::Duration;

use tidegate_engine::{
    CancelWorkflow, Command, ContinueAsNew, ReapplyExclude, Reply, Request, ResetWorkflow, SignalWithStart,
    StartWorkflow, TerminateWorkflow,
};
use tidegate_model::event::{
    ContinueAsNewInitiator, Event, HistoryBatch, WorkflowExecutionStarted, WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy,
};
use tidegate_model::id::RunId;
use tidegate_model::payload::{Header, Payload, Payloads};

use super::{Stage, Words, duration, failure, namespace, payloads, queue, retry_policy, start, workflow_id};

impl Stage {
    /// `sws w name [request=r] [size=n]`, and what `start` knows
    pub(super) fn signal_with_start(&mut self, words: &Words<'_>) -> Vec<String> {
        let request = SignalWithStart {
            start: start(words),
            signal_name: words.at(2).to_owned(),
            signal_input: payloads(words.value("signal-size")),
        };
        self.start_by(words, Request::SignalWithStartWorkflowExecution(Box::new(request)))
    }

    /// What is started has the workflow's name from then on.
    pub(super) fn start_by(&mut self, words: &Words<'_>, request: Request) -> Vec<String> {
        let (own, replies) = self.world.request(request);
        for (ticket, reply) in &replies {
            if let Ok(Reply::Started { run_id, fresh: true, .. }) = reply
                && *ticket == own
            {
                self.runs.insert(words.at(1).to_owned(), *run_id);
            }
        }
        self.render_all(own, replies)
    }

    /// `ask-cancel w [run=v] [first=v] [request=r]`
    pub(super) fn ask_cancel(&mut self, words: &Words<'_>) -> Vec<String> {
        self.request(Request::RequestCancelWorkflowExecution(CancelWorkflow {
            namespace: namespace(),
            workflow_id: workflow_id(words.at(1)),
            run_id: words.value("run").map(|run| self.run_id(run)),
            first_execution_run_id: words.value("first").map(|run| self.run_id(run)),
            reason: String::from("enough"),
            identity: words.identity().to_owned(),
            request_id: words.value("request").unwrap_or_default().to_owned(),
        }))
    }

    /// `terminate w [run=v] [first=v]`
    pub(super) fn terminate(&mut self, words: &Words<'_>) -> Vec<String> {
        self.request(Request::TerminateWorkflowExecution(TerminateWorkflow {
            namespace: namespace(),
            workflow_id: workflow_id(words.at(1)),
            run_id: words.value("run").map(|run| self.run_id(run)),
            first_execution_run_id: words.value("first").map(|run| self.run_id(run)),
            reason: String::from("enough"),
            details: payloads(words.value("size")),
            identity: words.identity().to_owned(),
        }))
    }

    /// `reset w 4 [run=v] [request=r] [without=signals] [alone] [short]`: the run it leads to has the workflow's name
    pub(super) fn reset(&mut self, words: &Words<'_>) -> Vec<String> {
        let run_id = self.run_id(words.value("run").unwrap_or(words.at(1)));
        let mut history =
            if words.has("alone") { self.history_of(run_id) } else { self.history_of_chain(run_id) };
        if words.has("short") {
            history.pop();
        }
        let request = Request::ResetWorkflowExecution(Box::new(ResetWorkflow {
            namespace: namespace(),
            workflow_id: workflow_id(words.at(1)),
            run_id,
            reason: String::from("again"),
            workflow_task_finish_event_id: words.at(2).parse().expect("an event id"),
            request_id: words.value("request").unwrap_or("reset").to_owned(),
            identity: words.identity().to_owned(),
            reapply_exclude: ReapplyExclude {
                signals: words.value("without") == Some("signals"),
                updates: words.value("without") == Some("updates"),
                cancel_requests: false,
            },
            history,
        }));
        let (own, replies) = self.world.request(request);
        for (ticket, reply) in &replies {
            if let Ok(Reply::Reset { run_id }) = reply
                && *ticket == own
            {
                self.runs.insert(words.at(1).to_owned(), *run_id);
            }
        }
        self.render_all(own, replies)
    }

    /// `name v w`: the latest run of workflow `w` is called `v` as well
    pub(super) fn name(&mut self, words: &Words<'_>) -> Vec<String> {
        let request = Request::DescribeWorkflowExecution {
            namespace: namespace(),
            workflow_id: workflow_id(words.at(2)),
            run_id: None,
        };
        let (_, replies) = self.world.request(request);
        let [(_, Ok(Reply::Described(described)))] = &replies[..] else {
            panic!("a run that is there, not {replies:?}");
        };
        self.runs.insert(words.at(1).to_owned(), described.summary.run_id);
        vec![described.summary.status.name().to_owned()]
    }

    /// `began w`: how the run of this name began
    pub(super) fn began(&self, words: &Words<'_>) -> Vec<String> {
        let history = self.history_of(self.run_id(words.at(1)));
        let Some(Event::WorkflowExecutionStarted(started)) = history[0].events.first() else {
            panic!("a history begins with its beginning");
        };
        vec![self.render_beginning(&history[0], started)]
    }

    /// Only what is worth a word.
    fn render_beginning(&self, batch: &HistoryBatch, started: &WorkflowExecutionStarted) -> String {
        let seconds = |name: &str, value: Option<Duration>| value.map(|value| format!("{name} {value:?}"));
        let named = |name: &str, run: Option<RunId>| run.map(|run| format!("{name} {}", self.name_of(run)));
        let text =
            |name: &str, value: &Payloads| (!value.is_empty()).then(|| format!("{name} {}", said(value)));
        let initiator = started.initiator.map(|initiator| {
            String::from(match initiator {
                ContinueAsNewInitiator::Workflow => "as new",
                ContinueAsNewInitiator::Retry => "retry",
                ContinueAsNewInitiator::CronSchedule => "cron",
            })
        });
        let expires = started.workflow_execution_expiration_time;
        let parts = [
            initiator,
            Some(format!("attempt {}", started.attempt)).filter(|_| started.attempt > 1),
            named("continues", started.continued_execution_run_id),
            named("first", Some(started.first_execution_run_id).filter(|first| *first != batch.run_id)),
            named("original", Some(started.original_execution_run_id).filter(|own| *own != batch.run_id)),
            seconds("backoff", Some(started.first_workflow_task_backoff).filter(|wait| !wait.is_zero())),
            seconds("run", started.workflow_run_timeout),
            seconds("execution", started.workflow_execution_timeout),
            seconds("left", expires.map(|expires| expires.saturating_since(batch.event_time))),
            seconds("task", Some(started.workflow_task_timeout).filter(|task| task.as_secs() != 10)),
            text("input", &started.input),
            text("last result", &started.last_completion_result),
            started.continued_failure.as_ref().map(|failure| format!("failure {}", failure.message)),
            (!started.memo.is_empty()).then(|| format!("memo {}", names(&started.memo))),
            (!started.header.is_empty()).then(|| format!("header {}", names(&started.header))),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { String::from("plainly") } else { parts.join(", ") }
    }

    fn name_of(&self, run: RunId) -> &str {
        let found = self.runs.iter().find(|(_, named)| **named == run);
        found.map_or("nameless", |(name, _)| name.as_str())
    }

    fn history_of(&self, run: RunId) -> Vec<HistoryBatch> {
        self.world.histories.get(&run).expect("a run has a history").clone()
    }

    fn history_of_chain(&self, run: RunId) -> Vec<HistoryBatch> {
        history_of_chain(|run| self.history_of(run), run)
    }
}

/// A run's history and those of the runs that continued it as new.
pub(crate) fn history_of_chain(
    history: impl Fn(RunId) -> Vec<HistoryBatch>,
    run: RunId,
) -> Vec<HistoryBatch> {
    let mut chain = Vec::new();
    let mut next = Some(run);
    while let Some(run) = next {
        chain.extend(history(run));
        next = match chain.last().and_then(|batch| batch.events.last()) {
            Some(Event::WorkflowExecutionContinuedAsNew(as_new)) => Some(as_new.new_execution_run_id),
            Some(_) | None => None,
        };
    }
    chain
}

/// `again [type=t] [queue=q] [run-timeout=9s] [backoff=3s] [input=x] [cron=…] [attempts=n] [memo=name]`
pub(super) fn continue_as_new(words: &Words<'_>) -> Command {
    Command::ContinueAsNewWorkflowExecution(Box::new(ContinueAsNew {
        workflow_type: words.value("type").unwrap_or_default().to_owned(),
        task_queue: words.value("queue").map(queue),
        input: saying(words.value("input")),
        workflow_run_timeout: words.value("run-timeout").map(duration),
        workflow_task_timeout: words.value("task-timeout").map(duration),
        backoff_start_interval: words.value("backoff").map_or(Duration::ZERO, duration),
        initiator: ContinueAsNewInitiator::Workflow,
        retry_policy: retry_policy(words),
        cron_schedule: cron(words),
        failure: words.has("failure").then(|| failure(words)),
        last_completion_result: saying(words.value("result")),
        header: Header::new(),
        memo: named(words.value("memo")),
        search_attributes: Header::new(),
    }))
}

/// The words that say under which conditions a run is started.
pub(super) fn under_conditions(words: &Words<'_>, start: StartWorkflow) -> StartWorkflow {
    StartWorkflow {
        workflow_run_timeout: words.value("run-timeout").map(duration),
        workflow_execution_timeout: words.value("execution-timeout").map(duration),
        workflow_start_delay: words.value("delay").map(duration),
        cron_schedule: cron(words),
        retry_policy: retry_policy(words),
        memo: named(words.value("memo")),
        header: named(words.value("header")),
        workflow_id_reuse_policy: match words.value("reuse") {
            None => WorkflowIdReusePolicy::AllowDuplicate,
            Some("failed") => WorkflowIdReusePolicy::AllowDuplicateFailedOnly,
            Some("never") => WorkflowIdReusePolicy::RejectDuplicate,
            Some(other) => panic!("there is no reuse policy {other:?}"),
        },
        workflow_id_conflict_policy: match words.value("conflict") {
            None => WorkflowIdConflictPolicy::Fail,
            Some("use") => WorkflowIdConflictPolicy::UseExisting,
            Some("terminate") => WorkflowIdConflictPolicy::TerminateExisting,
            Some(other) => panic!("there is no conflict policy {other:?}"),
        },
        on_conflict_attach_request_id: words.has("attach"),
        ..start
    }
}

/// `cron=0_12_*_*_*`: words have no blanks.
fn cron(words: &Words<'_>) -> String {
    words.value("cron").unwrap_or_default().replace('_', " ")
}

fn saying(text: Option<&str>) -> Payloads {
    text.map(Payload::json).into_iter().collect()
}

fn said(payloads: &Payloads) -> String {
    payloads.iter().map(|payload| String::from_utf8_lossy(&payload.data).into_owned()).collect()
}

fn named(name: Option<&str>) -> Header {
    name.map(|name| (name.to_owned(), Payload::json("1"))).into_iter().collect()
}

fn names(header: &Header) -> String {
    header.keys().cloned().collect::<Vec<_>>().join("+")
}
