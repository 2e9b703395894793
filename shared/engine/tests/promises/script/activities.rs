//! The verbs around activities and the queues they wait on.

use std::time::Duration;

use tidegate_engine::{
    ActivityOptions, ActivityOptionsChange, ActivityRef, ActivityTarget, PauseActivity, PendingActivity,
    Reply, Request, ResetActivity, RunDescription, TaskQueueDescription, TaskQueueKind, UnpauseActivity,
    UpdateActivityOptions, WhichActivities,
};
use tidegate_model::event::Priority;

use super::{Stage, Words, duration, failure, named, namespace, payloads, queue, workflow_id};

impl Stage {
    /// `a`, `a~1`, or `w/a` by the workflow's name for it.
    fn activity(&self, name: &str) -> ActivityRef {
        match name.split_once('/') {
            None => named(&self.activities, name).into(),
            Some((workflow, activity_id)) => ActivityRef::Id {
                namespace: namespace(),
                workflow_id: workflow_id(workflow),
                run_id: None,
                activity_id: activity_id.to_owned(),
            },
        }
    }

    /// `done a [size=n]`, `failed a text … [progress=n]`, `canceled a [size=n]`, `beat a [size=n]`
    pub(super) fn answer_activity(&mut self, words: &Words<'_>) -> Vec<String> {
        let task = self.activity(words.at(1));
        let identity = words.identity().to_owned();
        let given = payloads(words.value("size"));
        self.request(match words.verb() {
            "done" => Request::RespondActivityTaskCompleted { task, result: given, identity },
            "canceled" => Request::RespondActivityTaskCanceled { task, details: given, identity },
            "beat" => Request::RecordActivityTaskHeartbeat { task, details: given, identity },
            _ => Request::RespondActivityTaskFailed {
                task,
                failure: failure(words),
                last_heartbeat_details: words.value("progress").map(|size| payloads(Some(size))),
                identity,
            },
        })
    }

    /// `pause w a [request=r]`, `unpause w a [attempts] [heartbeat] [jitter=5s]`, `renew w a [heartbeat] [keep-paused]
    /// [restore] [jitter=5s]`, `tune w a [restore] [queue=q] [timeout=5s] …`; `all` and `type=greet` instead of `a`.
    pub(super) fn operate(&mut self, words: &Words<'_>) -> Vec<String> {
        let target = ActivityTarget {
            namespace: namespace(),
            workflow_id: workflow_id(words.at(1)),
            run_id: None,
            which: match (words.value("type"), words.get(2)) {
                (Some(activity_type), _) => WhichActivities::Type(activity_type.to_owned()),
                (None, Some("all")) => WhichActivities::All,
                (None, activity_id) => WhichActivities::Id(activity_id.unwrap_or_default().to_owned()),
            },
        };
        let jitter = words.value("jitter").map_or(Duration::ZERO, duration);
        self.request(match words.verb() {
            "pause" => Request::PauseActivity(PauseActivity {
                target,
                reason: String::from("maintenance"),
                identity: words.identity().to_owned(),
                request_id: words.value("request").unwrap_or_default().to_owned(),
            }),
            "unpause" => Request::UnpauseActivity(UnpauseActivity {
                target,
                reset_attempts: words.has("attempts"),
                reset_heartbeat: words.has("heartbeat"),
                jitter,
            }),
            "renew" => Request::ResetActivity(ResetActivity {
                target,
                reset_heartbeat: words.has("heartbeat"),
                keep_paused: words.has("keep-paused"),
                restore_original_options: words.has("restore"),
                jitter,
            }),
            _ => Request::UpdateActivityOptions(Box::new(UpdateActivityOptions {
                target,
                change: change(words),
                restore_original: words.has("restore"),
            })),
        })
    }

    /// `activities w`
    pub(super) fn pending(&mut self, words: &Words<'_>) -> Vec<String> {
        let request = Request::DescribeWorkflowExecution {
            namespace: namespace(),
            workflow_id: workflow_id(words.at(1)),
            run_id: None,
        };
        let described = self.world.request(request).1.into_iter().find_map(|(_, reply)| match reply {
            Ok(Reply::Described(described)) => Some(described),
            Ok(_) | Err(_) => None,
        });
        let RunDescription { pending_activities, .. } = *described.expect("an open run is described");
        pending_activities.iter().map(|activity| self.render_pending(activity)).collect()
    }

    fn render_pending(&self, activity: &PendingActivity) -> String {
        let mut line = format!("{} {:?}, attempt {}", activity.activity_id, activity.state, activity.attempt);
        if let Some(at) = activity.next_attempt_schedule_time {
            line += &format!(", again in {:?}", at.saturating_since(self.world.now));
        }
        if let Some(failure) = &activity.last_failure {
            line += &format!(", after {}", failure.message);
        }
        if let Some((at, details)) = &activity.heartbeat {
            let ago = self.world.now.saturating_since(*at);
            let bytes: usize = details.iter().map(|payload| payload.data.len()).sum();
            line += &format!(", heard {ago:?} ago: {bytes} bytes");
        }
        if let Some(pause) = &activity.pause {
            line += &format!(", paused by {} for {}", pause.identity, pause.reason);
        }
        line
    }

    /// `queue q`, `queue activity q`
    pub(super) fn describe_queue(&mut self, words: &Words<'_>) -> Vec<String> {
        let (kind, name) = match words.at(1) {
            "activity" => (TaskQueueKind::Activity, words.at(2)),
            name => (TaskQueueKind::Workflow, name),
        };
        self.request(Request::DescribeTaskQueue { namespace: namespace(), task_queue: queue(name), kind })
    }

    pub(super) fn render_queue(&self, description: &TaskQueueDescription) -> String {
        let pollers: Vec<String> = description
            .pollers
            .iter()
            .map(|poller| {
                let ago = self.world.now.saturating_since(poller.last_access_time);
                format!("{} {ago:?} ago", poller.identity)
            })
            .collect();
        format!(
            "{} tasks, the oldest {:?} old, {:.2} come and {:.2} go a second; [{}]",
            description.backlog_count,
            description.backlog_age,
            description.tasks_add_rate,
            description.tasks_dispatch_rate,
            pollers.join(", ")
        )
    }
}

pub(super) fn render_options(options: &ActivityOptions) -> String {
    let time =
        |timeout: Option<Duration>| timeout.map_or(String::from("no"), |timeout| format!("{timeout:?}"));
    format!(
        "on {}, {} in all, {} to start, {:?} each, {} of silence, first {:?}, priority {}",
        options.task_queue,
        time(options.schedule_to_close_timeout),
        time(options.schedule_to_start_timeout),
        options.start_to_close_timeout,
        time(options.heartbeat_timeout),
        options.retry_policy.initial_interval,
        options.priority.as_ref().map_or(0, |priority| priority.priority_key)
    )
}

pub(super) fn priority(words: &Words<'_>) -> Option<Priority> {
    words
        .value("priority")
        .map(|key| Priority { priority_key: key.parse().expect("a number"), ..Priority::default() })
}

fn change(words: &Words<'_>) -> ActivityOptionsChange {
    let time = |key| words.value(key).map(duration);
    ActivityOptionsChange {
        task_queue: words.value("queue").map(queue),
        schedule_to_close_timeout: time("all"),
        schedule_to_start_timeout: time("start"),
        start_to_close_timeout: time("timeout"),
        heartbeat_timeout: time("beat"),
        initial_interval: time("first"),
        backoff_coefficient: words.value("times").map(|text| text.parse().expect("a number")),
        maximum_interval: time("longest"),
        maximum_attempts: words.value("attempts").map(|text| text.parse().expect("a number")),
        priority_key: words.value("priority").map(|text| text.parse().expect("a number")),
        fairness_key: None,
        fairness_weight: None,
    }
}
