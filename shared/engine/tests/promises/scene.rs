//! Requests about what is to be seen, in words: runs that start and close in namespaces, and lists of them.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_engine::{
    Command, IndexedValueType, ListToken, ListWorkflows, NamespaceChange, Refusal, Reply, Request,
    RunDescription, RunSummary, StartWorkflow, WorkflowTask, WorkflowTaskCompletion,
};
use tidegate_model::id::{Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Header, Payload, Payloads};

use crate::world::World;

/// See the module.
pub(crate) struct Scene {
    pub(crate) world: World,
}

pub(crate) fn namespace(name: &str) -> Namespace {
    Namespace::new(name).expect("a namespace")
}

pub(crate) fn workflow_id(text: &str) -> WorkflowId {
    WorkflowId::new(text).expect("a workflow id")
}

pub(crate) fn json(text: &str) -> Payload {
    Payload::json(text.as_bytes().to_vec())
}

pub(crate) fn header(entries: &[(&str, &str)]) -> Header {
    entries.iter().map(|(name, text)| ((*name).to_owned(), json(text))).collect()
}

/// A start in a queue of the workflow's own, so that its task is found again.
pub(crate) fn start(name: &str, workflow: &str) -> StartWorkflow {
    let task_queue = TaskQueue::new(workflow).expect("a queue");
    StartWorkflow::new(namespace(name), workflow_id(workflow), "watch", task_queue)
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self { world: World::new(3) }
    }

    /// The answer to a request that is answered at once.
    pub(crate) fn ask(&mut self, request: Request) -> Result<Reply, Refusal> {
        let (ticket, replies) = self.world.request(request);
        replies.into_iter().find(|(of, _)| *of == ticket).expect("it is answered at once").1
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        let replies = self.world.wait(Duration::from_secs(seconds));
        assert!(replies.is_empty(), "nobody waits for anything");
    }

    pub(crate) fn register(&mut self, name: &str, retention_hours: Option<u64>) {
        let retention = retention_hours.map(|hours| Duration::from_secs(hours * 3_600));
        let wanted = NamespaceChange { retention, ..NamespaceChange::default() };
        let reply = self.ask(Request::RegisterNamespace { name: namespace(name), wanted });
        assert!(matches!(reply, Ok(Reply::Namespace(_))), "{reply:?}");
    }

    pub(crate) fn add_attributes(&mut self, name: &str, attributes: &[(&str, IndexedValueType)]) {
        let attributes =
            attributes.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect::<BTreeMap<_, _>>();
        let reply = self.ask(Request::AddSearchAttributes { namespace: namespace(name), attributes });
        assert_eq!(reply, Ok(Reply::Done));
    }

    pub(crate) fn try_start(&mut self, start: StartWorkflow) -> Result<RunId, Refusal> {
        let reply = self.ask(Request::StartWorkflowExecution(start))?;
        let Reply::Started { run_id, .. } = reply else { panic!("{reply:?} to a start") };
        Ok(run_id)
    }

    pub(crate) fn start(&mut self, name: &str, workflow: &str) -> RunId {
        self.try_start(start(name, workflow)).expect("nothing is in its way")
    }

    pub(crate) fn take_task(&mut self, name: &str, workflow: &str) -> WorkflowTask {
        let request = Request::PollWorkflowTaskQueue {
            namespace: namespace(name),
            task_queue: TaskQueue::new(workflow).expect("a queue"),
            identity: String::from("worker"),
            worker_instance_key: String::new(),
        };
        match self.ask(request) {
            Ok(Reply::WorkflowTask(Some(task))) => *task,
            other => panic!("{other:?} to a poll for the task of {workflow}"),
        }
    }

    pub(crate) fn command(&mut self, name: &str, workflow: &str, command: Command) -> Result<Reply, Refusal> {
        let token = self.take_task(name, workflow).token;
        let completion = WorkflowTaskCompletion::new(token, vec![command], "worker");
        self.ask(Request::RespondWorkflowTaskCompleted(Box::new(completion)))
    }

    /// The run's first task ends it.
    pub(crate) fn finish(&mut self, name: &str, workflow: &str) {
        let finish = Command::CompleteWorkflowExecution { result: Payloads::new() };
        assert!(self.command(name, workflow, finish).is_ok());
    }

    pub(crate) fn run(&mut self, name: &str, workflow: &str) -> RunId {
        let run_id = self.start(name, workflow);
        self.finish(name, workflow);
        run_id
    }

    pub(crate) fn signal(&mut self, name: &str, workflow: &str) {
        let reply = self.ask(Request::SignalWorkflowExecution {
            namespace: namespace(name),
            workflow_id: workflow_id(workflow),
            run_id: None,
            signal_name: String::from("go"),
            input: Payloads::new(),
            identity: String::from("caller"),
            request_id: String::new(),
            header: Header::new(),
        });
        assert!(reply.is_ok(), "{reply:?}");
    }

    pub(crate) fn describe(
        &mut self,
        name: &str,
        workflow: &str,
        run_id: Option<RunId>,
    ) -> Result<RunDescription, Refusal> {
        let (namespace, workflow_id) = (namespace(name), workflow_id(workflow));
        let reply = self.ask(Request::DescribeWorkflowExecution { namespace, workflow_id, run_id })?;
        let Reply::Described(description) = reply else { panic!("{reply:?} to a describe") };
        Ok(*description)
    }

    pub(crate) fn page(
        &mut self,
        name: Option<&str>,
        query: &str,
        page_size: usize,
        page_token: Option<ListToken>,
    ) -> Result<(Vec<RunSummary>, Option<ListToken>), Refusal> {
        let namespace = name.map(namespace);
        let list = ListWorkflows { namespace, query: query.to_owned(), page_size, page_token };
        let reply = self.ask(Request::ListWorkflowExecutions(list))?;
        let Reply::Listed { runs, next } = reply else { panic!("{reply:?} to a list") };
        Ok((runs, next))
    }

    /// The workflow ids of all that is found, on one line.
    pub(crate) fn list(&mut self, name: &str, query: &str) -> String {
        let (runs, next) =
            self.page(Some(name), query, 1_000, None).unwrap_or_else(|refusal| panic!("{query}: {refusal}"));
        assert_eq!(next, None, "all of it fits one page");
        names(&runs)
    }

    /// The count of a query, and what the groups have: `5: Completed 3, Running 2`.
    pub(crate) fn count(&mut self, name: &str, query: &str) -> String {
        let request =
            Request::CountWorkflowExecutions { namespace: namespace(name), query: query.to_owned() };
        match self.ask(request) {
            Ok(Reply::Counted { count, groups }) if groups.is_empty() => count.to_string(),
            Ok(Reply::Counted { count, groups }) => {
                let groups: Vec<String> =
                    groups.iter().map(|group| format!("{} {}", group.status.name(), group.count)).collect();
                format!("{count}: {}", groups.join(", "))
            }
            other => panic!("{other:?} to a count"),
        }
    }
}

/// Workflow ids on one line.
pub(crate) fn names(runs: &[RunSummary]) -> String {
    runs.iter().map(|run| run.workflow_id.as_str()).collect::<Vec<_>>().join(" ")
}
