//! What can happen to runs as a whole: started under conditions, cancelled, terminated, reset.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use tidegate_engine::{
    CancelWorkflow, Command, ContinueAsNew, ReapplyExclude, Request, ResetWorkflow, SignalWithStart,
    StartWorkflow, TerminateWorkflow,
};
use tidegate_model::event::{ContinueAsNewInitiator, WorkflowIdConflictPolicy};
use tidegate_model::id::RunId;
use tidegate_model::payload::{Header, RetryPolicy};

use super::{identity, namespace, request_id, start, workflow_id};
use crate::script::history_of_chain;
use crate::world::World;

/// See the module.
#[derive(Debug, Clone)]
pub(super) enum OfRun {
    Start {
        workflow: u8,
        request: u8,
        conditions: Conditions,
    },
    SignalWithStart {
        workflow: u8,
        request: u8,
        replaces: bool,
    },
    Cancel {
        workflow: u8,
        request: u8,
    },
    Terminate {
        workflow: u8,
    },
    /// Any run there ever was, at any of its events.
    Reset {
        run: Index,
        event: Index,
        request: u8,
        without_signals: bool,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Conditions {
    attempts: Option<u32>,
    has_cron: bool,
    run_seconds: u64,
    execution_seconds: u64,
    delay_seconds: u64,
    conflict: WorkflowIdConflictPolicy,
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let conflict = prop_oneof![
        Just(WorkflowIdConflictPolicy::Fail),
        Just(WorkflowIdConflictPolicy::UseExisting),
        Just(WorkflowIdConflictPolicy::TerminateExisting),
    ];
    // Mostly none: a run that is over soon sees little.
    let seconds = |most: u64| prop_oneof![2 => Just(0), 1 => 1..most];
    (prop::option::of(0..3_u32), any::<bool>(), seconds(8), seconds(20), seconds(4), conflict).prop_map(
        |(attempts, has_cron, run_seconds, execution_seconds, delay_seconds, conflict)| Conditions {
            attempts,
            has_cron,
            run_seconds,
            execution_seconds,
            delay_seconds,
            conflict,
        },
    )
}

pub(super) fn of_run() -> impl Strategy<Value = OfRun> {
    prop_oneof![
        3 => (0..2_u8, 0..6_u8, conditions())
            .prop_map(|(workflow, request, conditions)| OfRun::Start { workflow, request, conditions }),
        1 => (0..2_u8, 0..6_u8, any::<bool>())
            .prop_map(|(workflow, request, replaces)| OfRun::SignalWithStart { workflow, request, replaces }),
        1 => (0..2_u8, 0..3_u8).prop_map(|(workflow, request)| OfRun::Cancel { workflow, request }),
        1 => (0..2_u8).prop_map(|workflow| OfRun::Terminate { workflow }),
        3 => (any::<Index>(), any::<Index>(), 0..3_u8, any::<bool>()).prop_map(
            |(run, event, request, without_signals)| OfRun::Reset { run, event, request, without_signals }
        ),
    ]
}

impl OfRun {
    pub(super) fn request(&self, world: &World) -> Option<Request> {
        Some(match self {
            Self::Start { workflow, request, conditions } => {
                Request::StartWorkflowExecution(conditions.set(start(*workflow, *request)))
            }
            Self::SignalWithStart { workflow, request, replaces } => {
                let conflict = if *replaces {
                    WorkflowIdConflictPolicy::TerminateExisting
                } else {
                    WorkflowIdConflictPolicy::UseExisting
                };
                Request::SignalWithStartWorkflowExecution(Box::new(SignalWithStart {
                    start: StartWorkflow {
                        workflow_id_conflict_policy: conflict,
                        ..start(*workflow, *request)
                    },
                    signal_name: String::from("go"),
                    signal_input: Vec::new(),
                }))
            }
            Self::Cancel { workflow, request } => Request::RequestCancelWorkflowExecution(CancelWorkflow {
                namespace: namespace(),
                workflow_id: workflow_id(*workflow),
                run_id: None,
                first_execution_run_id: None,
                reason: String::new(),
                identity: identity(0),
                request_id: request_id(*request),
            }),
            Self::Terminate { workflow } => Request::TerminateWorkflowExecution(TerminateWorkflow {
                namespace: namespace(),
                workflow_id: workflow_id(*workflow),
                run_id: None,
                first_execution_run_id: None,
                reason: String::new(),
                details: Vec::new(),
                identity: identity(0),
            }),
            Self::Reset { run, event, request, without_signals } => {
                let runs: Vec<RunId> = world.histories.keys().copied().collect();
                let run_id = *(!runs.is_empty()).then(|| run.get(&runs))?;
                let own = &world.histories[&run_id];
                let last = own.last().expect("a history has a batch").last_event_id();
                let event =
                    u64::try_from(event.index(usize::try_from(last).expect("few events"))).expect("few");
                Request::ResetWorkflowExecution(Box::new(ResetWorkflow {
                    namespace: namespace(),
                    workflow_id: own[0].workflow_id.clone(),
                    run_id,
                    reason: String::from("again"),
                    workflow_task_finish_event_id: event + 2,
                    // No reset comes without.
                    request_id: format!("reset-{request}"),
                    identity: identity(0),
                    reapply_exclude: ReapplyExclude {
                        signals: *without_signals,
                        ..ReapplyExclude::default()
                    },
                    history: history_of_chain(|run| world.histories[&run].clone(), run_id),
                }))
            }
        })
    }
}

impl Conditions {
    fn set(&self, start: StartWorkflow) -> StartWorkflow {
        let seconds = |seconds: u64| Some(Duration::from_secs(seconds)).filter(|wait| !wait.is_zero());
        StartWorkflow {
            retry_policy: self
                .attempts
                .map(|maximum_attempts| RetryPolicy { maximum_attempts, ..RetryPolicy::default() }),
            cron_schedule: String::from(if self.has_cron { "@every 3s" } else { "" }),
            workflow_run_timeout: seconds(self.run_seconds),
            workflow_execution_timeout: seconds(self.execution_seconds),
            workflow_start_delay: seconds(self.delay_seconds).filter(|_| !self.has_cron),
            workflow_id_conflict_policy: self.conflict,
            on_conflict_attach_request_id: true,
            ..start
        }
    }
}

pub(super) fn continue_as_new() -> Command {
    Command::ContinueAsNewWorkflowExecution(Box::new(ContinueAsNew {
        workflow_type: String::new(),
        task_queue: None,
        input: Vec::new(),
        workflow_run_timeout: None,
        workflow_task_timeout: None,
        backoff_start_interval: Duration::ZERO,
        initiator: ContinueAsNewInitiator::Workflow,
        retry_policy: None,
        cron_schedule: String::new(),
        failure: None,
        last_completion_result: Vec::new(),
        header: Header::new(),
        memo: Header::new(),
        search_attributes: Header::new(),
    }))
}
