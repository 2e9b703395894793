//! Workflows of a ward's gateway, each there for one thing that a server must do right.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use temporalio_client::RetryPolicy;
use temporalio_common::MemoValue;
use temporalio_common::error::IncomingError;
use temporalio_common::search_attributes::SearchAttributeKey;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::workflows::join_all;
use temporalio_sdk::{
    ActivityCancellationType, ActivityExecutionError, ActivityOptions, ApplicationFailure,
    ChildWorkflowOptions, ContinueAsNewOptions, LocalActivityOptions, ParentClosePolicy,
    SignalWorkflowOptions, SyncWorkflowContext, TimerOptions, TimerResult, WorkflowCancellationToken,
    WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination,
};

use crate::activities::Gateway;

const QUICKLY: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

pub const WARD: SearchAttributeKey<String> = SearchAttributeKey::keyword("SdkWard");
pub const BEDS: SearchAttributeKey<i64> = SearchAttributeKey::int("SdkBeds");

fn every(interval: Duration) -> RetryPolicy {
    RetryPolicy::builder().initial_interval(interval).backoff_coefficient(1.0).build()
}

fn often() -> RetryPolicy {
    every(Duration::from_millis(100))
}

fn quickly() -> ActivityOptions {
    ActivityOptions::start_to_close_timeout(QUICKLY)
}

/// What an application said when it failed, somewhere below.
fn application(error: Option<&IncomingError>) -> Option<&ApplicationFailure> {
    match error? {
        IncomingError::Application(failure) => Some(failure),
        other => application(other.cause()),
    }
}

#[workflow]
#[derive(Default)]
pub struct ReadSensor;

#[workflow_methods]
impl ReadSensor {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, sensor: String) -> WorkflowResult<String> {
        Ok(ctx.execute_activity(Gateway::read_sensor, sensor, quickly()).await?)
    }
}

/// One answers in the end, the other is not even asked again.
#[workflow]
#[derive(Default)]
pub struct ReadBadSensors;

#[workflow_methods]
impl ReadBadSensors {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, failures: u32) -> WorkflowResult<String> {
        let flaky = ActivityOptions::with_start_to_close_timeout(QUICKLY).retry_policy(often()).build();
        let attempt = ctx.execute_activity(Gateway::read_flaky_sensor, failures, flaky).await?;
        let policy = RetryPolicy::builder().non_retryable_error_types(["BrokenSensor"]).build();
        let broken = ActivityOptions::with_start_to_close_timeout(QUICKLY).retry_policy(policy).build();
        let Err(error) = ctx.execute_activity(Gateway::read_broken_sensor, (), broken).await else {
            return Ok("the broken sensor answered".to_owned());
        };
        let Some(failure) = application(error.cause()) else { return Err(error.into()) };
        let kind = failure.type_name().unwrap_or_default();
        let sensor: Option<String> = failure.details()?;
        Ok(format!("answer at attempt {attempt}, then {kind}: {failure} ({})", sensor.unwrap_or_default()))
    }
}

#[workflow]
#[derive(Default)]
pub struct UpdateFirmware;

#[workflow_methods]
impl UpdateFirmware {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, blocks: u32) -> WorkflowResult<String> {
        let options = ActivityOptions::with_start_to_close_timeout(Duration::from_secs(60))
            .heartbeat_timeout(Duration::from_secs(2))
            .retry_policy(often())
            .build();
        Ok(ctx.execute_activity(Gateway::upload_firmware, blocks, options).await?)
    }
}

/// Cancels its activity when it is told to, and waits until the activity has seen it.
#[workflow]
#[derive(Default)]
pub struct WatchBed {
    enough: bool,
}

#[workflow_methods]
impl WatchBed {
    #[signal]
    pub fn stop(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.enough = true;
    }

    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, bed: String) -> WorkflowResult<String> {
        let watching = ctx.cancellation_token().child_token();
        let options = ActivityOptions::with_start_to_close_timeout(Duration::from_secs(300))
            .heartbeat_timeout(QUICKLY)
            .cancellation_type(ActivityCancellationType::WaitCancellationCompleted)
            .cancellation_token(watching.clone())
            .build();
        let watch = ctx.execute_activity(Gateway::watch_bed, bed.clone(), options);
        ctx.wait_condition(|state| state.enough).await?;
        watching.cancel();
        match watch.await {
            Err(ActivityExecutionError::Cancelled(_)) => Ok(format!("nobody watches {bed}")),
            Err(error) => Err(error.into()),
            Ok(()) => Ok("the watch went on".to_owned()),
        }
    }
}

#[workflow]
#[derive(Default)]
pub struct AskNurse;

#[workflow_methods]
impl AskNurse {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, question: String) -> WorkflowResult<String> {
        let options = ActivityOptions::with_start_to_close_timeout(Duration::from_secs(300))
            .activity_id("question")
            .build();
        Ok(ctx.execute_activity(Gateway::ask_nurse, question, options).await?)
    }
}

#[workflow]
#[derive(Default)]
pub struct ConvertReading;

#[workflow_methods]
impl ConvertReading {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, celsius: f64) -> WorkflowResult<f64> {
        let options =
            LocalActivityOptions::builder().start_to_close_timeout(QUICKLY).retry_policy(often()).build();
        Ok(ctx.execute_local_activity(Gateway::to_kelvin, celsius, options).await?)
    }
}

/// Timers side by side, and another that is not waited for.
#[workflow]
#[derive(Default)]
pub struct Pause;

#[workflow_methods]
impl Pause {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, seconds: Vec<f64>) -> WorkflowResult<f64> {
        let begun = ctx.workflow_time().unwrap_or(SystemTime::UNIX_EPOCH);
        let token = ctx.cancellation_token().child_token();
        let mut options = TimerOptions::from(HOUR);
        options.cancellation_token = Some(token.clone());
        let never = ctx.timer(options);
        join_all(seconds.iter().map(|each| ctx.timer(Duration::from_secs_f64(*each)))).await;
        token.cancel();
        never.await;
        let over = ctx.workflow_time().unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(over.duration_since(begun).unwrap_or_default().as_secs_f64())
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reading {
    pub number: u32,
    pub text: String,
}

impl Reading {
    pub fn new(number: u32, text: &str) -> Self {
        Self { number, text: text.to_owned() }
    }
}

/// Takes each reading once, however often it comes, until it is told that this was all.
#[workflow]
#[derive(Default)]
pub struct CollectReadings {
    readings: Vec<Reading>,
    complete: bool,
}

#[workflow_methods]
impl CollectReadings {
    #[signal]
    pub fn add(&mut self, _ctx: &mut SyncWorkflowContext<Self>, reading: Reading) {
        if self.readings.iter().all(|known| known.number != reading.number) {
            self.readings.push(reading);
        }
    }

    #[signal]
    pub fn close(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.complete = true;
    }

    #[query]
    pub fn readings_so_far(&self, _ctx: &WorkflowContextView) -> Vec<String> {
        self.readings.iter().map(|reading| reading.text.clone()).collect()
    }

    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Vec<String>> {
        ctx.wait_condition(|state| state.complete).await?;
        Ok(ctx.state(|state| state.readings.iter().map(|reading| reading.text.clone()).collect()))
    }
}

type HandlerError = Box<dyn std::error::Error + Send + Sync>;

#[workflow]
pub struct Thermostat {
    target: i64,
    off: bool,
}

impl Default for Thermostat {
    fn default() -> Self {
        Self { target: 20, off: false }
    }
}

#[workflow_methods]
impl Thermostat {
    /// Gives the target before.
    #[update]
    pub async fn set_target(ctx: &mut WorkflowContext<Self>, degrees: i64) -> Result<i64, HandlerError> {
        let before = ctx.state_mut(|state| std::mem::replace(&mut state.target, degrees));
        ctx.execute_activity(Gateway::read_sensor, "thermostat", quickly()).await?;
        Ok(before)
    }

    #[update_validator(set_target)]
    fn check_target(&self, _ctx: &WorkflowContextView, degrees: &i64) -> Result<(), HandlerError> {
        if (5..=30).contains(degrees) {
            return Ok(());
        }
        let message = format!("{degrees} degrees are not for people");
        Err(ApplicationFailure::builder(message).type_name("OutOfRange".to_owned()).build().into())
    }

    #[update]
    pub async fn wait_for_target(
        ctx: &mut WorkflowContext<Self>,
        degrees: i64,
    ) -> Result<String, HandlerError> {
        ctx.wait_condition(|state| state.target >= degrees).await?;
        Ok(format!("{degrees} degrees are reached"))
    }

    #[signal]
    pub fn switch_off(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.off = true;
    }

    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<i64> {
        ctx.wait_condition(|state| state.off && ctx.all_handlers_finished()).await?;
        Ok(ctx.state(|state| state.target))
    }
}

/// A child: waits to be woken.
#[workflow]
#[derive(Default)]
pub struct Bed {
    awake: bool,
}

#[workflow_methods]
impl Bed {
    #[signal]
    pub fn wake(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.awake = true;
    }

    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, name: String) -> WorkflowResult<String> {
        if name == "broken" {
            let failure = ApplicationFailure::builder("a bed broke down").type_name("BrokenBed".to_owned());
            return Err(failure.build().into());
        }
        ctx.wait_condition(|state| state.awake).await?;
        Ok(format!("{name} is awake"))
    }
}

fn child_of(parent: &str, name: &str) -> ChildWorkflowOptions {
    ChildWorkflowOptions::workflow_id(format!("{parent}-{name}"))
}

/// Wakes its beds by signals; one of them has broken down, and one is cancelled.
#[workflow]
#[derive(Default)]
pub struct Ward;

#[workflow_methods]
impl Ward {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, beds: Vec<String>) -> WorkflowResult<Vec<String>> {
        let parent = ctx.workflow_id().to_owned();
        let mut children = Vec::new();
        for bed in beds {
            let options = child_of(&parent, &bed);
            children.push(ctx.start_child_workflow(Bed::run, bed, options).await?);
        }
        for child in &children {
            child.signal(Bed::wake, (), SignalWorkflowOptions::default()).await?;
        }
        let mut results = Vec::new();
        for child in children {
            results.push(child.result().await?);
        }
        let broken = ctx.start_child_workflow(Bed::run, "broken", child_of(&parent, "broken")).await?;
        if let Err(error) = broken.result().await
            && let Some(failure) = application(error.cause())
        {
            results.push(format!("{}: {failure}", failure.type_name().unwrap_or_default()));
        }
        let asleep = ctx.start_child_workflow(Bed::run, "asleep", child_of(&parent, "asleep")).await?;
        asleep.cancel("it may sleep on".to_owned());
        let cancelled = asleep.result().await.is_err_and(|error| error.as_cancelled().is_some());
        results.push(format!("asleep is cancelled: {cancelled}"));
        Ok(results)
    }
}

/// Leaves two children behind: one is asked to stop, the other is left alone.
#[workflow]
#[derive(Default)]
pub struct NightShift;

#[workflow_methods]
impl NightShift {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        for (bed, policy) in
            [("left", ParentClosePolicy::Abandon), ("stopped", ParentClosePolicy::RequestCancel)]
        {
            let mut options = child_of(ctx.workflow_id(), bed);
            options.parent_close_policy = policy;
            ctx.start_child_workflow(Bed::run, bed, options).await?;
        }
        Ok(())
    }
}

/// A parent whose child is woken by somebody else.
#[workflow]
#[derive(Default)]
pub struct WaitForBed;

#[workflow_methods]
impl WaitForBed {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<String> {
        let options = child_of(ctx.workflow_id(), "guest");
        Ok(ctx.start_child_workflow(Bed::run, "guest", options).await?.result().await?)
    }
}

/// One run per round; each hands over what it saw to the next.
#[workflow]
#[derive(Default)]
pub struct Rounds;

#[workflow_methods]
impl Rounds {
    #[run]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        (left, mut seen): (u32, Vec<String>),
    ) -> WorkflowResult<Vec<String>> {
        ctx.timer(Duration::from_millis(200)).await;
        seen.push(format!("round {}", seen.len() + 1));
        if left > 1 {
            ctx.continue_as_new((left - 1, seen.clone()), ContinueAsNewOptions::default())?;
        }
        Ok(seen)
    }
}

/// Walks until it is cancelled, and leaves nothing switched on.
#[workflow]
#[derive(Default)]
pub struct Patrol {
    done: Vec<String>,
}

#[workflow_methods]
impl Patrol {
    #[query]
    pub fn what_was_done(&self, _ctx: &WorkflowContextView) -> Vec<String> {
        self.done.clone()
    }

    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, ward: String) -> WorkflowResult<()> {
        if let TimerResult::Fired = ctx.timer(HOUR).await {
            return Ok(());
        }
        let mut cleanup = quickly();
        cleanup.cancellation_token = Some(WorkflowCancellationToken::new());
        let lights = ctx.execute_activity(Gateway::switch_lights_off, ward, cleanup).await?;
        ctx.state_mut(|state| state.done.push(lights));
        Err(WorkflowTermination::cancelled())
    }
}

/// What only chance decides must come out the same at every replay.
#[workflow]
#[derive(Default)]
pub struct ChooseNumbers {
    numbers: Vec<String>,
}

#[workflow_methods]
impl ChooseNumbers {
    #[query]
    pub fn chosen(&self, _ctx: &WorkflowContextView) -> Vec<String> {
        self.numbers.clone()
    }

    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Vec<String>> {
        let numbers = vec![ctx.uuid4(), ctx.random::<u64>().to_string()];
        ctx.state_mut(|state| state.numbers = numbers);
        ctx.timer(Duration::from_millis(100)).await;
        let way = if ctx.patched("count-differently") { "new way" } else { "old way" };
        ctx.state_mut(|state| state.numbers.push(way.to_owned()));
        Ok(ctx.state(|state| state.numbers.clone()))
    }
}

#[workflow]
#[derive(Default)]
pub struct LabelWard;

#[workflow_methods]
impl LabelWard {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, beds: i64) -> WorkflowResult<()> {
        ctx.upsert_search_attributes([BEDS.value_set(beds)]);
        ctx.upsert_memo([("note", Some(MemoValue::new("labelled".to_owned())))])?;
        Ok(())
    }
}

#[workflow]
#[derive(Default)]
pub struct GiveUp;

#[workflow_methods]
impl GiveUp {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, attempts_that_fail: u32) -> WorkflowResult<String> {
        let attempt = ctx.info().attempt();
        if attempt <= attempts_that_fail {
            return Err(ApplicationFailure::builder("it cannot be done")
                .type_name("GivenUp".to_owned())
                .details(attempt)
                .build()
                .into());
        }
        Ok(format!("done at attempt {attempt}"))
    }
}

#[workflow]
#[derive(Default)]
pub struct StayForever;

#[workflow_methods]
impl StayForever {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        Ok(ctx.wait_condition(|_| false).await?)
    }
}

/// Its activity fails for as long as the outage lasts.
#[workflow]
#[derive(Default)]
pub struct KeepReporting;

#[workflow_methods]
impl KeepReporting {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<u32> {
        let options = ActivityOptions::with_start_to_close_timeout(QUICKLY)
            .retry_policy(every(Duration::from_millis(300)))
            .build();
        Ok(ctx.execute_activity(Gateway::report_to_centre, (), options).await?)
    }
}

/// Its activity goes on through the outage.
#[workflow]
#[derive(Default)]
pub struct KeepLine;

#[workflow_methods]
impl KeepLine {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<u32> {
        let options = ActivityOptions::with_start_to_close_timeout(Duration::from_secs(300))
            .heartbeat_timeout(Duration::from_secs(30))
            .build();
        Ok(ctx.execute_activity(Gateway::hold_line, (), options).await?)
    }
}

/// Registers every workflow with a worker's or a replayer's options.
macro_rules! with_all_workflows {
    ($options:expr) => {
        $options
            .register_workflow::<$crate::workflows::ReadSensor>()?
            .register_workflow::<$crate::workflows::ReadBadSensors>()?
            .register_workflow::<$crate::workflows::UpdateFirmware>()?
            .register_workflow::<$crate::workflows::WatchBed>()?
            .register_workflow::<$crate::workflows::AskNurse>()?
            .register_workflow::<$crate::workflows::ConvertReading>()?
            .register_workflow::<$crate::workflows::Pause>()?
            .register_workflow::<$crate::workflows::CollectReadings>()?
            .register_workflow::<$crate::workflows::Thermostat>()?
            .register_workflow::<$crate::workflows::Bed>()?
            .register_workflow::<$crate::workflows::Ward>()?
            .register_workflow::<$crate::workflows::NightShift>()?
            .register_workflow::<$crate::workflows::WaitForBed>()?
            .register_workflow::<$crate::workflows::Rounds>()?
            .register_workflow::<$crate::workflows::Patrol>()?
            .register_workflow::<$crate::workflows::ChooseNumbers>()?
            .register_workflow::<$crate::workflows::LabelWard>()?
            .register_workflow::<$crate::workflows::GiveUp>()?
            .register_workflow::<$crate::workflows::StayForever>()?
            .register_workflow::<$crate::workflows::KeepReporting>()?
            .register_workflow::<$crate::workflows::KeepLine>()?
    };
}
pub(crate) use with_all_workflows;
