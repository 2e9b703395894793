//! What can be asked, and by whom it is answered.

use tidegate_engine::{Refusal, Reply, Request, TaskQueueKind, Ticket};
use tidegate_model::event::Event;

use super::Reference;
use super::polls::Key;

impl Reference {
    pub(crate) fn request(&mut self, ticket: Ticket, request: Request) {
        let known = request.namespace().map(|namespace| self.namespace_exists(namespace));
        let answer = match known {
            Some(Err(refusal)) => Some(Err(refusal)),
            Some(Ok(())) | None => self.answer(ticket, request),
        };
        if let Some(answer) = answer {
            self.reply(ticket, answer);
        }
        self.settle();
    }

    /// Whoever asked has gone.
    pub(crate) fn abandon(&mut self, ticket: Ticket) {
        self.abandon_poll(ticket);
        self.forget_query(ticket);
        self.forget_update_wait(ticket);
        self.forget_follow(ticket);
        self.settle();
    }

    fn answer(&mut self, ticket: Ticket, request: Request) -> Option<Result<Reply, Refusal>> {
        Some(match request {
            Request::StartWorkflowExecution(start) => self.start(start),
            Request::SignalWithStartWorkflowExecution(request) => self.signal_with_start(*request),
            Request::UpdateWithStartWorkflowExecution { start, update } => {
                return self.update_with_start(ticket, *start, *update);
            }
            Request::SignalWorkflowExecution {
                namespace,
                workflow_id,
                run_id,
                signal_name,
                input,
                identity,
                request_id,
                header,
            } => self.meant_open(&namespace, &workflow_id, run_id).and_then(|run_id| {
                let run = self.run(run_id);
                if run.has_had_signal(&request_id) {
                    return Ok(Reply::Signaled { run_id, event_id: None, fresh: false });
                }
                if run.signals() as u64 >= self.settings.signals_per_run_max {
                    return Err(Refusal::InvalidArgument(String::new()));
                }
                self.firm_up(run_id);
                let event_id = (!self.run(run_id).is_out()).then(|| self.run(run_id).next_event_id());
                let signaled = Event::WorkflowExecutionSignaled {
                    signal_name,
                    input,
                    identity,
                    request_id,
                    header,
                    external: None,
                };
                self.arrive_signal(run_id, signaled);
                Ok(Reply::Signaled { run_id, event_id, fresh: true })
            }),
            Request::RequestCancelWorkflowExecution(cancel) => self.cancel(cancel),
            Request::TerminateWorkflowExecution(terminate) => self.terminate_meant(terminate),
            Request::DeleteWorkflowExecution { namespace, workflow_id, run_id } => {
                self.delete(&namespace, &workflow_id, run_id)
            }
            Request::ResetWorkflowExecution(reset) => self.reset(*reset),
            Request::QueryWorkflow(query) => return self.query(ticket, *query),
            Request::RespondQueryTaskCompleted { token, answer } => self.take_query_answer(&token, answer),
            Request::UpdateWorkflowExecution(update) => return self.update(ticket, *update),
            Request::PollWorkflowExecutionUpdate { namespace, workflow_id, run_id, update_id, wait } => {
                return self.poll_update(ticket, (namespace, workflow_id, run_id), update_id, wait);
            }
            Request::WaitForHistory(wanted) => return self.follow(ticket, &wanted),
            Request::PollWorkflowTaskQueue { namespace, task_queue, identity, worker_instance_key } => {
                let key = Key { kind: TaskQueueKind::Workflow, namespace, queue: task_queue };
                self.poll(ticket, key, identity, worker_instance_key);
                return None;
            }
            Request::PollActivityTaskQueue { namespace, task_queue, identity, worker_instance_key } => {
                let key = Key { kind: TaskQueueKind::Activity, namespace, queue: task_queue };
                self.poll(ticket, key, identity, worker_instance_key);
                return None;
            }
            Request::RespondWorkflowTaskCompleted(completion) => self.complete_task(ticket, *completion),
            Request::RespondWorkflowTaskFailed { token, cause, failure, identity } => {
                self.take_task_failure(&token, cause, failure, identity)
            }
            Request::RespondActivityTaskCompleted { task, result, identity } => {
                self.take_activity_result(&task, result, identity)
            }
            Request::RespondActivityTaskFailed { task, failure, last_heartbeat_details, identity } => {
                self.take_activity_failure(&task, failure, last_heartbeat_details, identity)
            }
            Request::RespondActivityTaskCanceled { task, details, identity } => {
                self.take_activity_cancellation(&task, details, identity)
            }
            Request::RecordActivityTaskHeartbeat { task, details, identity } => {
                self.take_heartbeat(&task, details, identity)
            }
            Request::PauseActivity(pause) => self.pause_activity(pause),
            Request::UnpauseActivity(unpause) => self.unpause_activity(&unpause),
            Request::ResetActivity(reset) => self.reset_activity(&reset),
            Request::UpdateActivityOptions(update) => self.update_activity_options(*update),
            Request::ShutdownWorker { identity } => {
                self.shut_down(&identity);
                Ok(Reply::Done)
            }
            Request::ShutdownWorkerInstance { namespace, sticky_task_queue, worker_instance_key } => {
                self.shut_down_instance(&namespace, sticky_task_queue, &worker_instance_key);
                Ok(Reply::Done)
            }
            Request::DescribeWorkflowExecution { namespace, workflow_id, run_id } => {
                self.describe(&namespace, &workflow_id, run_id)
            }
            Request::ListWorkflowExecutions(list) => self.list(&list),
            Request::CountWorkflowExecutions { namespace, query } => self.count(&namespace, &query),
            Request::DescribeTaskQueue { namespace, task_queue, kind } => {
                Ok(self.describe_queue(&Key { kind, namespace, queue: task_queue }))
            }
            Request::CreateSchedule(create) => self.create_schedule(*create),
            Request::DescribeSchedule { namespace, schedule_id } => {
                self.describe_schedule(&(namespace, schedule_id))
            }
            Request::UpdateSchedule(update) => self.update_schedule(*update),
            Request::PatchSchedule(patch) => self.patch_schedule(*patch),
            Request::DeleteSchedule { namespace, schedule_id, .. } => {
                self.delete_schedule(&(namespace, schedule_id))
            }
            Request::ListSchedules(list) => self.list_schedules(&list),
            Request::CountSchedules { namespace, query } => self.count_schedules(&namespace, &query),
            Request::ListScheduleMatchingTimes { namespace, schedule_id, start_time, end_time } => {
                self.schedule_times(&(namespace, schedule_id), start_time, end_time)
            }
            Request::RegisterNamespace { name, wanted } => self.register_namespace(name, wanted),
            Request::DescribeNamespace(which) => self.describe_namespace(&which),
            Request::ListNamespaces { page_size, after } => {
                Ok(self.list_namespaces(page_size, after.as_ref()))
            }
            Request::UpdateNamespace { name, change } => self.update_namespace(&name, change),
            Request::DeleteNamespace(which) => self.delete_namespace(&which),
            Request::AddSearchAttributes { namespace, attributes } => {
                self.add_search_attributes(&namespace, attributes)
            }
            Request::RemoveSearchAttributes { namespace, names } => {
                self.remove_search_attributes(&namespace, &names)
            }
            Request::ListSearchAttributes { namespace } => self.list_search_attributes(&namespace),
        })
    }
}
