//! The steps: each uses one feature through the client and checks what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::TryStreamExt;
use futures::future::LocalBoxFuture;
use temporalio_client::errors::{
    WorkflowGetResultError, WorkflowInteractionError, WorkflowStartError, WorkflowUpdateError,
};
use temporalio_client::schedules::{
    CreateScheduleOptions, ListSchedulesOptions, ScheduleAction, ScheduleDescription, ScheduleError,
    ScheduleHandle, ScheduleOverlapPolicy, ScheduleSpec, ScheduleUpdate,
};
use temporalio_client::tonic::{Code, IntoRequest, Status};
use temporalio_client::{
    ActivityIdentifier, Client, RetryPolicy, UntypedQuery, WorkflowExecuteUpdateOptions,
    WorkflowExecutionDescription, WorkflowExecutionStatus, WorkflowIdConflictPolicy, WorkflowStartOptions,
    WorkflowStartUpdateOptions, WorkflowTerminateOptions, WorkflowUpdateHandle,
    WorkflowUpdateWithStartOptions,
};
use temporalio_common::data_converters::RawValue;
use temporalio_common::error::IncomingError;
use temporalio_common::protos::temporal::api::enums::v1::PendingActivityState;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::operatorservice::v1::AddSearchAttributesRequest;
use temporalio_common::protos::temporal::api::workflow::v1::PendingActivityInfo;
use temporalio_common::search_attributes::SearchAttributes;
use temporalio_common::{HasWorkflowDefinition, MemoValues};

use crate::driver::{Answer, Driver, Handle, expect, persistently, result, until};
use crate::workflows::*;

pub type Step = for<'a> fn(&'a Driver) -> LocalBoxFuture<'a, Result<()>>;

/// A table of steps with their names.
macro_rules! steps {
    ($($name:literal: $step:ident,)+) => {
        &[$(($name, |driver| Box::pin($step(driver)))),+]
    };
}

pub const IN_ORDER: &[(&str, Step)] = steps! {
    "activity": activity,
    "retry": retry,
    "heartbeat": heartbeat,
    "activity-cancel": activity_cancel,
    "async-completion": async_completion,
    "local-activity": local_activity,
    "timer": timer,
    "signal": signal,
    "signal-with-start": signal_with_start,
    "query": query,
    "update": update,
    "update-with-start": update_with_start,
    "child": child,
    "parent-close-policy": parent_close_policy,
    "continue-as-new": continue_as_new,
    "cancel": cancel,
    "terminate": terminate,
    "failure": failure,
    "workflow-retry": workflow_retry,
    "timeout": timeout,
    "start-rules": start_rules,
    "patch": patch,
    "search-attributes": search_attributes,
    "list": list,
    "schedule": schedule,
    "new-worker": new_worker,
};

async fn activity(driver: &Driver) -> Result<()> {
    expect(driver.execute::<ReadSensor>("activity", "bed-12").await?, "bed-12 reads 21.5")
}

async fn retry(driver: &Driver) -> Result<()> {
    let outcome = driver.execute::<ReadBadSensors>("retry", 2u32).await?;
    expect(outcome, "answer at attempt 3, then BrokenSensor: the wire is cut (bed-12)")
}

async fn heartbeat(driver: &Driver) -> Result<()> {
    let outcome = driver.execute::<UpdateFirmware>("heartbeat", 6u32).await?;
    expect(outcome, "attempt 3 went on at block 5 of 6")
}

async fn activity_cancel(driver: &Driver) -> Result<()> {
    let handle = driver.start::<WatchBed>("activity-cancel", "bed-12").await?;
    until("the activity has sent a heartbeat", async || {
        let started = started_activity(&handle).await?;
        Ok(started.is_some_and(|activity| activity.heartbeat_details.is_some()))
    })
    .await?;
    persistently(async || handle.signal(WatchBed::stop, (), Default::default()).await).await?;
    expect(result(&handle).await?, "nobody watches bed-12")
}

async fn async_completion(driver: &Driver) -> Result<()> {
    let handle = driver.start::<AskNurse>("async-completion", "is bed-12 free?").await?;
    until("the question is asked", async || Ok(started_activity(&handle).await?.is_some())).await?;
    let question = ActivityIdentifier::by_id_workflow(driver.id("async-completion"), "", "question");
    let question = driver.client.get_async_activity_handle(question);
    persistently(async || question.complete(Some("it is".to_owned()), Default::default()).await).await?;
    expect(result(&handle).await?, "it is")
}

async fn started_activity(
    handle: &Handle<impl HasWorkflowDefinition>,
) -> Result<Option<PendingActivityInfo>> {
    let pending = describe(handle).await?.into_raw().pending_activities;
    Ok(pending.into_iter().find(|activity| activity.state() == PendingActivityState::Started))
}

async fn describe(handle: &Handle<impl HasWorkflowDefinition>) -> Result<WorkflowExecutionDescription> {
    Ok(persistently(async || handle.describe(Default::default()).await).await?)
}

async fn local_activity(driver: &Driver) -> Result<()> {
    expect(driver.execute::<ConvertReading>("local-activity", 21.5).await?, 294.65)
}

async fn timer(driver: &Driver) -> Result<()> {
    expect(driver.execute::<Pause>("timer", [0.2, 1.0]).await? >= 1.0, true)
}

async fn signal(driver: &Driver) -> Result<()> {
    let handle = driver.start::<CollectReadings>("signal", ()).await?;
    for (number, text) in [(1, "reading 1"), (2, "reading 2"), (3, "reading 3")] {
        add(&handle, number, text).await?;
    }
    close(&handle).await?;
    expect(result(&handle).await?, ["reading 1", "reading 2", "reading 3"])?;
    let refused = close(&handle).await;
    ensure!(refused.is_err_and(|error| error.is_not_found()), "a closed workflow took a signal");
    Ok(())
}

pub async fn add(
    handle: &Handle<CollectReadings>,
    number: u32,
    text: &str,
) -> Result<(), WorkflowInteractionError> {
    let reading = Reading::new(number, text);
    persistently(async || handle.signal(CollectReadings::add, reading.clone(), Default::default()).await)
        .await
}

pub async fn close(handle: &Handle<CollectReadings>) -> Result<(), WorkflowInteractionError> {
    persistently(async || handle.signal(CollectReadings::close, (), Default::default()).await).await
}

pub async fn readings_so_far(handle: &Handle<CollectReadings>) -> Result<Vec<String>> {
    let ask = async || handle.query(CollectReadings::readings_so_far, (), Default::default()).await;
    Ok(persistently(ask).await?)
}

async fn signal_with_start(driver: &Driver) -> Result<()> {
    let options = driver.options("signal-with-start").build();
    let send = async |number, text| {
        let reading = Reading::new(number, text);
        persistently(async || {
            let (signal, reading, options) = (CollectReadings::add, reading.clone(), options.clone());
            driver
                .client
                .signal_with_start_workflow(CollectReadings::default(), (), signal, reading, options)
                .await
        })
        .await
    };
    let first = send(1, "reading 1").await?;
    let second = send(2, "reading 2").await?;
    expect(second.run_id(), first.run_id())?;
    close(&first).await?;
    expect(result(&first).await?, ["reading 1", "reading 2"])
}

async fn query(driver: &Driver) -> Result<()> {
    let handle = driver.start::<CollectReadings>("query", ()).await?;
    add(&handle, 1, "open").await?;
    expect(readings_so_far(&handle).await?, ["open"])?;
    let unknown = persistently(async || {
        handle.query(UntypedQuery::new("something_else"), RawValue::empty(), Default::default()).await
    });
    let refused = unknown.await.err().context("a query that nobody defined was answered")?;
    expect(refused.status().map(Status::code), Some(Code::InvalidArgument))?;
    close(&handle).await?;
    result(&handle).await?;
    expect(readings_so_far(&handle).await?, ["open"])
}

async fn update(driver: &Driver) -> Result<()> {
    let handle = driver.start::<Thermostat>("update", ()).await?;
    expect(set_target(&handle, 22).await?, 20)?;
    // The same id: the second call gets the outcome of the first.
    expect(set_target(&handle, 22).await?, 20)?;
    let waiting = wait_for_target(&handle, 25).await?;
    let Err(WorkflowUpdateError::Failed(refused)) = set_target(&handle, 99).await else {
        bail!("an update that its validator refuses was accepted");
    };
    expect(refused.message, "99 degrees are not for people")?;
    expect(set_target(&handle, 25).await?, 22)?;
    expect(reached(&waiting).await?, "25 degrees are reached")?;
    switch_off(&handle).await?;
    expect(result(&handle).await?, 25)?;
    let events = persistently(async || handle.fetch_history(Default::default()).into_events().await).await?;
    let accepted = events.into_iter().filter_map(|event| match event.attributes {
        Some(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(update)) => {
            Some(update.protocol_instance_id)
        }
        _ => None,
    });
    expect(accepted.collect::<Vec<_>>(), ["set-to-22", "wait-for-25", "set-to-25"])
}

pub async fn set_target(handle: &Handle<Thermostat>, degrees: i64) -> Result<i64, WorkflowUpdateError> {
    let options = WorkflowExecuteUpdateOptions::builder().update_id(format!("set-to-{degrees}")).build();
    persistently(async || handle.execute_update(Thermostat::set_target, degrees, options.clone()).await).await
}

/// Waits until the workflow has taken the update, and not for its outcome.
pub async fn wait_for_target(
    handle: &Handle<Thermostat>,
    degrees: i64,
) -> Result<WorkflowUpdateHandle<Client, String>, WorkflowUpdateError> {
    let options = WorkflowStartUpdateOptions::builder().update_id(format!("wait-for-{degrees}")).build();
    persistently(async || handle.start_update(Thermostat::wait_for_target, degrees, options.clone()).await)
        .await
}

pub async fn reached(update: &WorkflowUpdateHandle<Client, String>) -> Result<String, WorkflowUpdateError> {
    persistently(async || update.get_result(Default::default()).await).await
}

pub async fn switch_off(handle: &Handle<Thermostat>) -> Result<(), WorkflowInteractionError> {
    persistently(async || handle.signal(Thermostat::switch_off, (), Default::default()).await).await
}

async fn update_with_start(driver: &Driver) -> Result<()> {
    let id = driver.note("update-with-start");
    for (degrees, before) in [(18, 20), (19, 18)] {
        let policy = WorkflowIdConflictPolicy::UseExisting;
        let options = WorkflowUpdateWithStartOptions::new(driver.task_queue.clone(), id.clone(), policy)
            .update_id(format!("set-to-{degrees}"))
            .build();
        let set = async || {
            let (update, options) = (Thermostat::set_target, options.clone());
            let client = &driver.client;
            client
                .execute_update_with_start_workflow(Thermostat::default(), (), update, degrees, options)
                .await
        };
        expect(persistently(set).await?, before)?;
    }
    let handle = driver.handle::<Thermostat>(&id);
    switch_off(&handle).await?;
    expect(result(&handle).await?, 19)
}

async fn child(driver: &Driver) -> Result<()> {
    let woken = driver.execute::<Ward>("child", ["bed-1".to_owned(), "bed-2".to_owned()]).await?;
    let wanted =
        ["bed-1 is awake", "bed-2 is awake", "BrokenBed: a bed broke down", "asleep is cancelled: true"];
    expect(woken, wanted)
}

async fn parent_close_policy(driver: &Driver) -> Result<()> {
    driver.execute::<NightShift>("night", ()).await?;
    is_cancelled(result(&driver.handle::<Bed>(&driver.id("night-stopped"))).await)?;
    let left = driver.handle::<Bed>(&driver.id("night-left"));
    wake(&left).await?;
    expect(result(&left).await?, "left is awake")
}

pub async fn wake(bed: &Handle<Bed>) -> Result<(), WorkflowInteractionError> {
    persistently(async || bed.signal(Bed::wake, (), Default::default()).await).await
}

pub fn is_cancelled<T: std::fmt::Debug>(outcome: Result<T, WorkflowGetResultError>) -> Result<()> {
    ensure!(matches!(outcome, Err(WorkflowGetResultError::Cancelled { .. })), "not cancelled: {outcome:?}");
    Ok(())
}

async fn continue_as_new(driver: &Driver) -> Result<()> {
    let mut memo = MemoValues::new();
    memo.insert("ward", "west".to_owned());
    let options = driver.options("continue-as-new").memo(memo).build();
    let handle = driver.start_with::<Rounds>(options, (3, Vec::new())).await?;
    let id = driver.id("continue-as-new");
    let first = describe(&handle).await?.run_id().to_owned();
    expect(result(&handle).await?, ["round 1", "round 2", "round 3"])?;
    let first = describe(&driver.of_run(&id, &first)).await?;
    expect(first.status(), WorkflowExecutionStatus::ContinuedAsNew)?;
    let last = describe(&driver.handle::<Rounds>(&id)).await?;
    expect(last.status(), WorkflowExecutionStatus::Completed)?;
    expect(last.memo().get::<String>("ward")?, Some("west".to_owned()))
}

async fn cancel(driver: &Driver) -> Result<()> {
    let handle = driver.start::<Patrol>("cancel", "west").await?;
    expect(what_was_done(&handle).await?.is_empty(), true)?;
    request_cancel(&handle).await?;
    is_cancelled(result(&handle).await)?;
    expect(what_was_done(&handle).await?, ["lights of west are off"])?;
    // Nothing happens to a workflow that is closed.
    Ok(request_cancel(&handle).await?)
}

pub async fn request_cancel(handle: &Handle<Patrol>) -> Result<(), WorkflowInteractionError> {
    persistently(async || handle.cancel(Default::default()).await).await
}

pub async fn what_was_done(handle: &Handle<Patrol>) -> Result<Vec<String>> {
    Ok(persistently(async || handle.query(Patrol::what_was_done, (), Default::default()).await).await?)
}

async fn terminate(driver: &Driver) -> Result<()> {
    let handle = driver.start::<StayForever>("terminate", ()).await?;
    let options = WorkflowTerminateOptions::builder().reason("the ward is closed").build();
    persistently(async || handle.terminate(options.clone()).await).await?;
    let outcome = result(&handle).await;
    ensure!(matches!(outcome, Err(WorkflowGetResultError::Terminated { .. })), "not terminated: {outcome:?}");
    let events = persistently(async || handle.fetch_history(Default::default()).into_events().await).await?;
    let last = events.into_iter().last().and_then(|event| event.attributes);
    let Some(Attributes::WorkflowExecutionTerminatedEventAttributes(terminated)) = last else {
        bail!("the last event is {last:?}");
    };
    expect(terminated.reason, "the ward is closed")
}

async fn failure(driver: &Driver) -> Result<()> {
    let outcome = driver.start::<GiveUp>("failure", 1u32).await?;
    let Err(WorkflowGetResultError::Failed(error)) = result(&outcome).await else {
        bail!("a workflow that gives up did not fail");
    };
    let IncomingError::Application(failure) = *error else { bail!("it failed with {error:?}") };
    let found = (failure.type_name(), failure.to_string(), failure.details::<u32>()?);
    expect(found, (Some("GivenUp"), "it cannot be done".to_owned(), Some(1)))
}

async fn workflow_retry(driver: &Driver) -> Result<()> {
    let policy =
        RetryPolicy::builder().initial_interval(Duration::from_millis(100)).maximum_attempts(3).build();
    let options = driver.options("workflow-retry").retry_policy(policy).build();
    let handle = driver.start_with::<GiveUp>(options, 1u32).await?;
    expect(result(&handle).await?, "done at attempt 2")
}

async fn timeout(driver: &Driver) -> Result<()> {
    let options = driver.options("timeout").run_timeout(Duration::from_secs(1)).build();
    let outcome = result(&driver.start_with::<StayForever>(options, ()).await?).await;
    ensure!(matches!(outcome, Err(WorkflowGetResultError::TimedOut)), "not timed out: {outcome:?}");
    Ok(())
}

/// One open workflow per id.
async fn start_rules(driver: &Driver) -> Result<()> {
    let first = driver.start::<CollectReadings>("start-rules", ()).await?;
    let first_run = describe(&first).await?.run_id().to_owned();
    let options = driver.options("start-rules").build();
    let again = async || driver.client.start_workflow(CollectReadings::default(), (), options.clone()).await;
    let Err(WorkflowStartError::AlreadyStarted { run_id, .. }) = persistently(again).await else {
        bail!("a second workflow was started under the same id");
    };
    expect(run_id.as_deref(), Some(first_run.as_str()))?;
    let options =
        driver.options("start-rules").id_conflict_policy(WorkflowIdConflictPolicy::UseExisting).build();
    let same = driver.start_with::<CollectReadings>(options, ()).await?;
    expect(same.run_id(), Some(first_run.as_str()))?;
    close(&first).await?;
    result(&first).await?;
    Ok(())
}

async fn patch(driver: &Driver) -> Result<()> {
    let handle = driver.start::<ChooseNumbers>("patch", ()).await?;
    let numbers = result(&handle).await?;
    expect((numbers.len(), numbers[2].as_str()), (3, "new way"))?;
    let chosen =
        persistently(async || handle.query(ChooseNumbers::chosen, (), Default::default()).await).await?;
    expect(chosen, numbers)
}

async fn search_attributes(driver: &Driver) -> Result<()> {
    let west = driver.id("west");
    let mut memo = MemoValues::new();
    memo.insert("floor", 3);
    let options = driver
        .options("search-attributes")
        .memo(memo)
        .search_attributes(SearchAttributes::new([WARD.value_set(west.clone())]))
        .build();
    let handle = driver.start_with::<LabelWard>(options, 12).await?;
    result(&handle).await?;
    let described = describe(&handle).await?;
    let labels = described.search_attributes();
    expect((labels.get(&WARD), labels.get(&BEDS)), (Some(west.clone()), Some(12)))?;
    let memo = described.memo();
    expect((memo.get("floor")?, memo.get("note")?), (Some(3), Some("labelled".to_owned())))?;
    until("the workflow is found by its labels", async || {
        let found = driver.list_ids(&format!("SdkWard = '{west}' AND SdkBeds > 10")).await?;
        Ok(found == [driver.id("search-attributes")])
    })
    .await
}

/// Both may be there from a run before.
pub async fn register_search_attributes(driver: &Driver) -> Result<()> {
    let kinds = [
        (WARD.name().to_owned(), WARD.indexed_value_type() as i32),
        (BEDS.name().to_owned(), BEDS.indexed_value_type() as i32),
    ];
    let request = AddSearchAttributesRequest {
        search_attributes: kinds.into(),
        namespace: driver.client.options().namespace.clone(),
    };
    let add = async || {
        driver
            .client
            .connection()
            .operator_service()
            .add_search_attributes(request.clone().into_request())
            .await
    };
    match persistently(add).await {
        Err(status) if status.code() != Code::AlreadyExists => Err(status.into()),
        _ => Ok(()),
    }
}

async fn list(driver: &Driver) -> Result<()> {
    let open = driver.start::<CollectReadings>("list", ()).await?;
    let here = format!("TaskQueue = '{}'", driver.task_queue);
    until("the list has the one that is open", async || {
        let query = format!("{here} AND ExecutionStatus = 'Running' AND WorkflowType = 'CollectReadings'");
        Ok(driver.list_ids(&query).await? == [driver.id("list")])
    })
    .await?;
    until("the counts by status add up", async || {
        let query = format!("{here} GROUP BY ExecutionStatus");
        let count = async || driver.client.count_workflows(query.clone(), Default::default()).await;
        let counted = persistently(count).await?;
        let groups = counted.groups().iter();
        let by_status: BTreeMap<_, _> = groups.map(|each| (each.get::<String>(0), each.count())).collect();
        let of = |status: &str| by_status.get(&Some(status.to_owned())).copied();
        let sum: usize = by_status.values().sum();
        Ok((of("Running"), of("Terminated"), sum) == (Some(1), Some(1), counted.count()))
    })
    .await?;
    let family = driver.list_ids(&format!("WorkflowId STARTS_WITH '{}'", driver.id("child"))).await?;
    expect(family.len(), 5)?;
    close(&open).await?;
    result(&open).await?;
    Ok(())
}

async fn schedule(driver: &Driver) -> Result<()> {
    let handle = create_schedule(driver, "schedule", Duration::from_secs(3600)).await?;
    let at_once = ScheduleOverlapPolicy::Unspecified;
    persistently(async || handle.trigger(at_once, Default::default()).await).await?;
    let actions = async || Ok::<_, ScheduleError>(describe_schedule(&handle).await?.recent_actions());
    until("the triggered workflow is known", async || Ok(!actions().await?.is_empty())).await?;
    let triggered = actions().await?.remove(0).workflow_id;
    expect(result(&driver.handle::<ReadSensor>(&triggered)).await?, "bed-12 reads 21.5")?;

    persistently(async || handle.pause(Some("the ward is closed"), Default::default()).await).await?;
    let paused = describe_schedule(&handle).await?;
    expect((paused.paused(), paused.note()), (true, Some("the ward is closed")))?;
    persistently(async || handle.unpause(Some("open again"), Default::default()).await).await?;

    let more_often = |schedule: &mut ScheduleUpdate| {
        schedule.set_spec(ScheduleSpec::from_interval(Duration::from_secs(1)));
    };
    persistently(async || handle.update(more_often, Default::default()).await).await?;
    until("the schedule has started two by itself", async || Ok(actions().await?.len() >= 3)).await?;
    expect(describe_schedule(&handle).await?.paused(), false)?;
    until("the schedule is listed", async || {
        let list = async || {
            driver.client.list_schedules(ListSchedulesOptions::default()).try_collect::<Vec<_>>().await
        };
        let listed = persistently(list).await?;
        Ok(listed.iter().any(|schedule| schedule.schedule_id() == handle.schedule_id()))
    })
    .await?;
    delete_schedule(&handle).await
}

/// A schedule that reads a sensor.
pub async fn create_schedule(driver: &Driver, name: &str, every: Duration) -> Result<ScheduleHandle<Client>> {
    let action = ScheduleAction::start_workflow(
        ReadSensor,
        "bed-12".to_owned(),
        driver.task_queue.clone(),
        driver.id(&format!("{name}-run")),
    );
    let spec = ScheduleSpec::from_interval(every);
    let options = CreateScheduleOptions::builder().action(action).spec(spec).note("reads a sensor").build();
    let create = async || driver.client.create_schedule(driver.id(name), options.clone()).await;
    match persistently(create).await {
        Err(ScheduleError::Rpc(status)) if status.code() == Code::AlreadyExists => {
            Ok(driver.client.get_schedule_handle(driver.id(name)))
        }
        created => Ok(created?),
    }
}

pub async fn describe_schedule(
    handle: &ScheduleHandle<Client>,
) -> Result<ScheduleDescription, ScheduleError> {
    persistently(async || handle.describe(Default::default()).await).await
}

pub async fn delete_schedule(handle: &ScheduleHandle<Client>) -> Result<()> {
    persistently(async || handle.delete(Default::default()).await).await?;
    until("the schedule is gone", async || match describe_schedule(handle).await {
        Err(error) if error.is_not_found() => Ok(true),
        described => Ok(described.map(|_| false)?),
    })
    .await
}

/// A worker that has never seen the workflow goes on with it.
async fn new_worker(driver: &Driver) -> Result<()> {
    let task_queue = format!("{}-handover", driver.task_queue);
    let options = WorkflowStartOptions::new(task_queue.clone(), driver.note("new-worker")).build();
    let before = async {
        let handle = driver.start_with::<CollectReadings>(options, ()).await?;
        add(&handle, 1, "before").await?;
        expect(readings_so_far(&handle).await?, ["before"])?;
        Ok(handle)
    };
    let handle = driver.with_worker(&task_queue, before).await?;
    let after = async {
        add(&handle, 2, "after").await?;
        close(&handle).await?;
        expect(result(&handle).await?, ["before", "after"])
    };
    driver.with_worker(&task_queue, after).await
}
