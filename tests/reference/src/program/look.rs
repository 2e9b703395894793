//! What is to be seen: of runs, of lists of them, of queues, and how far a history goes.

use tidegate_engine::{ListWorkflows, Request, TaskQueueKind, WaitForHistory};
use tidegate_model::chance::Chance;

use super::Pick;
use super::words::{
    any_namespace, below, execution, flip, maybe_pick, namespace, run_of, seldom, small, task_queue, workflow,
};
use crate::seen::Seen;

/// See the module.
#[derive(Debug, Clone)]
pub enum Asked {
    Describe { workflow: u8, run: Option<Pick> },
    List { namespace: Option<u8>, query: usize, size: u8, goes_on: bool },
    Count { namespace: u8, query: usize },
    Queue { queue: u8, is_activity: bool },
    Follow { workflow: u8, run: Option<Pick>, beyond: Option<u8>, until_closed: bool },
}

/// Filters, and two that are none.
pub(crate) const QUERIES: [&str; 9] = [
    "",
    "ExecutionStatus = 'Running'",
    "ExecutionStatus != 'Running'",
    "WorkflowId = 'w1'",
    "WorkflowType = 'child' OR WorkflowId = 'w2'",
    "ExecutionStatus = 'Completed' AND WorkflowType = 'random'",
    "GROUP BY ExecutionStatus",
    "WorkflowId =",
    "Unknown = 'x'",
];

pub(super) fn random(chance: &mut Chance) -> Asked {
    match chance.below(12) {
        0..=3 => Asked::Describe { workflow: workflow(chance), run: maybe_pick(chance) },
        4..=6 => Asked::List {
            namespace: (!seldom(chance, 4)).then(|| any_namespace(chance)),
            query: below(chance, 9),
            size: [1, 2, 100][below(chance, 3)],
            goes_on: flip(chance),
        },
        7 => Asked::Count { namespace: any_namespace(chance), query: below(chance, 9) },
        8 | 9 => Asked::Queue { queue: small(chance, 4), is_activity: flip(chance) },
        10.. => Asked::Follow {
            workflow: workflow(chance),
            run: maybe_pick(chance),
            beyond: [None, Some(0), Some(5), Some(30)][below(chance, 4)],
            until_closed: flip(chance),
        },
    }
}

impl Asked {
    pub(super) fn request(&self, seen: &Seen) -> Option<Request> {
        Some(match self {
            Self::Describe { workflow, run } => {
                let (namespace, workflow_id) = execution(*workflow);
                let run_id = run_of(seen, *workflow, *run);
                Request::DescribeWorkflowExecution { namespace, workflow_id, run_id }
            }
            Self::List { namespace: there, query, size, goes_on } => {
                Request::ListWorkflowExecutions(ListWorkflows {
                    namespace: there.map(namespace),
                    query: QUERIES[*query].to_owned(),
                    page_size: usize::from(*size),
                    page_token: seen.page.clone().filter(|_| *goes_on),
                })
            }
            Self::Count { namespace: there, query } => Request::CountWorkflowExecutions {
                namespace: namespace(*there),
                query: QUERIES[*query].to_owned(),
            },
            Self::Queue { queue, is_activity } => Request::DescribeTaskQueue {
                namespace: namespace(0),
                task_queue: task_queue(*queue),
                kind: if *is_activity { TaskQueueKind::Activity } else { TaskQueueKind::Workflow },
            },
            Self::Follow { workflow, run, beyond, until_closed } => {
                let (namespace, workflow_id) = execution(*workflow);
                Request::WaitForHistory(WaitForHistory {
                    namespace,
                    workflow_id,
                    run_id: run_of(seen, *workflow, *run),
                    wait_beyond: beyond.map(u64::from),
                    until_closed: *until_closed,
                })
            }
        })
    }
}
