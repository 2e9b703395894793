//! Schedules over the wire: what is written is read back, and an update that was overtaken is refused.

use tidegate_temporal_api::proto::common::WorkflowType;
use tidegate_temporal_api::proto::enums::ScheduleOverlapPolicy;
use tidegate_temporal_api::proto::schedule::schedule_action::Action;
use tidegate_temporal_api::proto::schedule::*;
use tidegate_temporal_api::proto::service::*;
use tidegate_temporal_api::proto::workflow::NewWorkflowExecutionInfo;
use tonic::Code;

use crate::caller::Caller;
use crate::hello::{queue, seconds, text};

fn every_minute() -> Schedule {
    let action = NewWorkflowExecutionInfo {
        workflow_id: "report".to_owned(),
        workflow_type: Some(WorkflowType { name: "Report".to_owned() }),
        task_queue: queue("hello"),
        input: text("daily"),
        ..Default::default()
    };
    let interval = IntervalSpec { interval: seconds(60), phase: None };
    Schedule {
        spec: Some(ScheduleSpec { interval: vec![interval], ..Default::default() }),
        action: Some(ScheduleAction { action: Some(Action::StartWorkflow(action)) }),
        policies: Some(SchedulePolicies {
            overlap_policy: ScheduleOverlapPolicy::BufferOne.into(),
            ..Default::default()
        }),
        state: None,
    }
}

fn create(schedule: Schedule) -> CreateScheduleRequest {
    CreateScheduleRequest {
        namespace: "default".to_owned(),
        schedule_id: "nightly".to_owned(),
        schedule: Some(schedule),
        request_id: "1".to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_schedule_is_read_back_as_it_was_written() {
    let caller = Caller::new().await;
    let created: CreateScheduleResponse =
        caller.call("CreateSchedule", create(every_minute())).await.expect("it is new");
    assert_eq!(created.conflict_token.len(), 8);
    let request =
        DescribeScheduleRequest { namespace: "default".to_owned(), schedule_id: "nightly".to_owned() };
    let described: DescribeScheduleResponse =
        caller.call("DescribeSchedule", request).await.expect("it is there");
    let schedule = described.schedule.expect("it");
    assert_eq!(schedule.action, every_minute().action);
    assert_eq!(schedule.spec.expect("its times").interval[0].interval, seconds(60));
    assert!(!described.info.expect("what it will do").future_action_times.is_empty());

    let request = ListSchedulesRequest { namespace: "default".to_owned(), ..Default::default() };
    let listed: ListSchedulesResponse = caller.call("ListSchedules", request).await.expect("a page");
    assert_eq!(listed.schedules[0].schedule_id, "nightly");
}

#[tokio::test]
async fn a_schedule_that_makes_no_sense_is_refused_by_its_field() {
    let caller = Caller::new().await;
    let check = async |schedule: Schedule, words: &str| {
        let answer: Result<CreateScheduleResponse, _> = caller.call("CreateSchedule", create(schedule)).await;
        let status = answer.expect_err("it makes no sense");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(words), "{status}");
    };
    check(
        Schedule { action: None, ..every_minute() },
        "schedule.action.start_workflow: an action must be given",
    )
    .await;
    let policies = SchedulePolicies { overlap_policy: 99, ..Default::default() };
    check(
        Schedule { policies: Some(policies), ..every_minute() },
        "schedule.policies.overlap_policy: there is no policy 99",
    )
    .await;
    let state = ScheduleState { remaining_actions: -1, ..Default::default() };
    check(Schedule { state: Some(state), ..every_minute() }, "schedule.state.remaining_actions").await;
    let request = UpdateScheduleRequest {
        namespace: "default".to_owned(),
        schedule_id: "nightly".to_owned(),
        schedule: Some(every_minute()),
        conflict_token: vec![1, 2, 3],
        ..Default::default()
    };
    let answer: Result<UpdateScheduleResponse, _> = caller.call("UpdateSchedule", request).await;
    let words = answer.expect_err("no token of ours").message().to_owned();
    assert_eq!(words, "conflict_token: not a token of this server");
}
