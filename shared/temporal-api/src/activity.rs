//! Open activities, steered by a person: paused, let go on, begun anew, tried otherwise.

use tidegate_engine::{
    ActivityOptions, ActivityOptionsChange, ActivityTarget, PauseActivity, Reply, Request, ResetActivity,
    UnpauseActivity, UpdateActivityOptions, WhichActivities, WorkflowService,
};
use tonic::Status;

use crate::api::{Api, unexpected};
use crate::convert::inward::{self, Checked};
use crate::convert::{Invalid, outward};
use crate::proto::activity as proto;
use crate::proto::common::{Priority, RetryPolicy, WorkflowExecution};
use crate::proto::service::{
    PauseActivityRequest, PauseActivityResponse, ResetActivityRequest, ResetActivityResponse,
    UnpauseActivityRequest, UnpauseActivityResponse, UpdateActivityOptionsRequest,
    UpdateActivityOptionsResponse, pause_activity_request, reset_activity_request, unpause_activity_request,
    update_activity_options_request,
};

fn target(
    namespace: &str,
    execution: Option<WorkflowExecution>,
    which: Option<WhichActivities>,
) -> Checked<ActivityTarget> {
    let (workflow_id, run_id) = inward::execution("execution", execution)?;
    let which = which.ok_or_else(|| Invalid::new("activity", "an activity, or a type, must be named"))?;
    Ok(ActivityTarget { namespace: inward::namespace(namespace)?, workflow_id, run_id, which })
}

/// All, where that is said; nothing, where it is denied.
fn all(all: bool) -> Option<WhichActivities> {
    all.then_some(WhichActivities::All)
}

async fn done<S: WorkflowService>(api: &Api<S>, request: Request) -> Result<(), Status> {
    let Reply::Done = api.ask(request).await? else { return Err(unexpected()) };
    Ok(())
}

pub(crate) async fn pause<S: WorkflowService>(
    api: &Api<S>,
    request: PauseActivityRequest,
) -> Result<PauseActivityResponse, Status> {
    use pause_activity_request::Activity;
    let which = request.activity.map(|activity| match activity {
        Activity::Id(id) => WhichActivities::Id(id),
        Activity::Type(kind) => WhichActivities::Type(kind),
    });
    let pause = PauseActivity {
        target: target(&request.namespace, request.execution, which)?,
        reason: request.reason,
        identity: request.identity,
        request_id: request.request_id,
    };
    done(api, Request::PauseActivity(pause)).await?;
    Ok(PauseActivityResponse {})
}

pub(crate) async fn unpause<S: WorkflowService>(
    api: &Api<S>,
    request: UnpauseActivityRequest,
) -> Result<UnpauseActivityResponse, Status> {
    use unpause_activity_request::Activity;
    let which = request.activity.and_then(|activity| match activity {
        Activity::Id(id) => Some(WhichActivities::Id(id)),
        Activity::Type(kind) => Some(WhichActivities::Type(kind)),
        Activity::UnpauseAll(said) => all(said),
    });
    let unpause = UnpauseActivity {
        target: target(&request.namespace, request.execution, which)?,
        reset_attempts: request.reset_attempts,
        reset_heartbeat: request.reset_heartbeat,
        jitter: inward::or_zero("jitter", request.jitter)?,
    };
    done(api, Request::UnpauseActivity(unpause)).await?;
    Ok(UnpauseActivityResponse {})
}

pub(crate) async fn reset<S: WorkflowService>(
    api: &Api<S>,
    request: ResetActivityRequest,
) -> Result<ResetActivityResponse, Status> {
    use reset_activity_request::Activity;
    let which = request.activity.and_then(|activity| match activity {
        Activity::Id(id) => Some(WhichActivities::Id(id)),
        Activity::Type(kind) => Some(WhichActivities::Type(kind)),
        Activity::MatchAll(said) => all(said),
    });
    let reset = ResetActivity {
        target: target(&request.namespace, request.execution, which)?,
        reset_heartbeat: request.reset_heartbeat,
        keep_paused: request.keep_paused,
        restore_original_options: request.restore_original_options,
        jitter: inward::or_zero("jitter", request.jitter)?,
    };
    done(api, Request::ResetActivity(reset)).await?;
    Ok(ResetActivityResponse {})
}

pub(crate) async fn update_options<S: WorkflowService>(
    api: &Api<S>,
    request: UpdateActivityOptionsRequest,
) -> Result<UpdateActivityOptionsResponse, Status> {
    use update_activity_options_request::Activity;
    let which = request.activity.and_then(|activity| match activity {
        Activity::Id(id) => Some(WhichActivities::Id(id)),
        Activity::Type(kind) => Some(WhichActivities::Type(kind)),
        Activity::MatchAll(said) => all(said),
    });
    let mask = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
    let update = UpdateActivityOptions {
        target: target(&request.namespace, request.execution, which)?,
        change: change(&mask, request.activity_options.unwrap_or_default())?,
        restore_original: request.restore_original,
    };
    let Reply::ActivityOptions(options) = api.ask(Request::UpdateActivityOptions(Box::new(update))).await?
    else {
        return Err(unexpected());
    };
    Ok(UpdateActivityOptionsResponse { activity_options: Some(outward_options(*options)) })
}

/// What the mask picks of the options. A path may be written as Temporal's proto has it, or in JSON's way.
fn change(mask: &[String], options: proto::ActivityOptions) -> Checked<ActivityOptionsChange> {
    let mut change = ActivityOptionsChange::default();
    let retry = options.retry_policy.unwrap_or_default();
    let priority = options.priority.unwrap_or_default();
    for path in mask {
        match snake(path).as_str() {
            "task_queue" | "task_queue.name" => {
                let queue = inward::task_queue("activity_options.task_queue", options.task_queue.clone())?;
                change.task_queue = Some(queue);
            }
            "schedule_to_close_timeout" => {
                change.schedule_to_close_timeout =
                    Some(inward::or_zero(path, options.schedule_to_close_timeout)?);
            }
            "schedule_to_start_timeout" => {
                change.schedule_to_start_timeout =
                    Some(inward::or_zero(path, options.schedule_to_start_timeout)?);
            }
            "start_to_close_timeout" => {
                change.start_to_close_timeout = Some(inward::or_zero(path, options.start_to_close_timeout)?);
            }
            "heartbeat_timeout" => {
                change.heartbeat_timeout = Some(inward::or_zero(path, options.heartbeat_timeout)?);
            }
            "retry_policy" => retry_change(&mut change, &retry, None)?,
            "priority" => priority_change(&mut change, &priority, None)?,
            nested => match nested.split_once('.') {
                Some(("retry_policy", name)) => retry_change(&mut change, &retry, Some(name))?,
                Some(("priority", name)) => priority_change(&mut change, &priority, Some(name))?,
                Some(_) | None => {
                    return Err(Invalid::new("update_mask", format_args!("there is no option {path:?}")));
                }
            },
        }
    }
    Ok(change)
}

/// One field of a policy, or all of them.
fn retry_change(change: &mut ActivityOptionsChange, policy: &RetryPolicy, name: Option<&str>) -> Checked<()> {
    let picked = |field: &str| name.is_none_or(|name| name == field);
    let known = ["initial_interval", "backoff_coefficient", "maximum_interval", "maximum_attempts"];
    if name.is_some_and(|name| !known.contains(&name)) {
        return Err(Invalid::new(
            "update_mask",
            format_args!("there is no option {name:?} of a retry policy"),
        ));
    }
    let field = |name: &str| format!("activity_options.retry_policy.{name}");
    if picked("initial_interval") {
        let interval = inward::or_zero(&field("initial_interval"), policy.initial_interval)?;
        change.initial_interval = Some(interval);
    }
    if picked("backoff_coefficient") {
        change.backoff_coefficient = Some(policy.backoff_coefficient);
    }
    if picked("maximum_interval") {
        let interval = inward::or_zero(&field("maximum_interval"), policy.maximum_interval)?;
        change.maximum_interval = Some(interval);
    }
    if picked("maximum_attempts") {
        change.maximum_attempts = Some(inward::count(&field("maximum_attempts"), policy.maximum_attempts)?);
    }
    Ok(())
}

/// One field of a priority, or all of them.
fn priority_change(
    change: &mut ActivityOptionsChange,
    priority: &Priority,
    name: Option<&str>,
) -> Checked<()> {
    let picked = |field: &str| name.is_none_or(|name| name == field);
    if name.is_some_and(|name| !["priority_key", "fairness_key", "fairness_weight"].contains(&name)) {
        return Err(Invalid::new("update_mask", format_args!("there is no option {name:?} of a priority")));
    }
    if picked("priority_key") {
        let key = inward::count("activity_options.priority.priority_key", priority.priority_key)?;
        change.priority_key = Some(key);
    }
    if picked("fairness_key") {
        change.fairness_key = Some(priority.fairness_key.clone());
    }
    if picked("fairness_weight") {
        change.fairness_weight = Some(priority.fairness_weight);
    }
    Ok(())
}

/// `retryPolicy.maximumAttempts` as `retry_policy.maximum_attempts`.
fn snake(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// How an activity is tried, as callers read it.
pub(crate) fn outward_options(options: ActivityOptions) -> proto::ActivityOptions {
    proto::ActivityOptions {
        task_queue: outward::task_queue(&options.task_queue),
        schedule_to_close_timeout: options.schedule_to_close_timeout.map(outward::duration),
        schedule_to_start_timeout: options.schedule_to_start_timeout.map(outward::duration),
        start_to_close_timeout: Some(outward::duration(options.start_to_close_timeout)),
        heartbeat_timeout: options.heartbeat_timeout.map(outward::duration),
        retry_policy: Some(outward::retry_policy(options.retry_policy)),
        priority: outward::priority(options.priority),
        start_delay: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_mask_names_is_changed() {
        let options = proto::ActivityOptions {
            heartbeat_timeout: Some(prost_types::Duration { seconds: 3, nanos: 0 }),
            start_to_close_timeout: Some(prost_types::Duration { seconds: 9, nanos: 0 }),
            retry_policy: Some(RetryPolicy { maximum_attempts: 5, ..Default::default() }),
            ..Default::default()
        };
        let mask = ["heartbeat_timeout".to_owned(), "retryPolicy.maximumAttempts".to_owned()];
        let expected = ActivityOptionsChange {
            heartbeat_timeout: Some(std::time::Duration::from_secs(3)),
            maximum_attempts: Some(5),
            ..Default::default()
        };
        assert_eq!(change(&mask, options.clone()), Ok(expected));
        for wrong in ["color", "retry_policy.color", "priority.color", "color.red"] {
            let error = change(&[wrong.to_owned()], options.clone()).expect_err(wrong);
            assert!(error.to_string().starts_with("update_mask: there is no option"), "{error}");
        }
    }
}
