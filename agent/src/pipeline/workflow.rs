//! The workflow that carries out a pipeline's steps.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_engine::StartWorkflow;
use tidegate_model::id::{Namespace, TaskQueue, WorkflowId};
use tidegate_model::limits::PIPELINE_NAME_BYTES_MAX;
use tidegate_model::payload::{Failure, Payload};
use tidegate_model::reading::WindowSummary;

use super::definition::Definition;
use super::steps::{Action, Attempts, Next, Step};
use super::template::Values;
use crate::activities::{HttpPost, HttpRequest, MqttMessage, MqttPublish};
use crate::worker::{Activity, Context, Either, Workflow, select};

/// The workflow type of pipelines' runs.
pub const PIPELINE_WORKFLOW: &str = "pipeline";
/// The task queue they run on.
pub const PIPELINE_QUEUE: &str = "pipelines";
/// The namespace they run in.
const NAMESPACE: &str = "default";

/// What a run is given: its pipeline's steps as they were when it was decided on, and what it was decided on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PipelineInput {
    steps: Vec<Step>,
    window: WindowSummary,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineOutput {
    /// The steps that were done, in order.
    pub steps: Vec<StepReport>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// The step.
    pub name: String,
    /// What became of it.
    pub outcome: StepOutcome,
}

/// See [`StepReport`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// The broker has acknowledged the message.
    Published,
    /// The request was answered with success.
    Answered {
        /// With this HTTP status.
        status: u16,
    },
    /// The signal came.
    Signaled,
    /// The signal did not come in time.
    TimedOut,
    /// It failed, and the pipeline goes on nevertheless.
    Failed {
        /// How.
        reason: String,
    },
}

/// The id of the run a window may start: the same for the same window, so that it is started once.
///
/// # Panics
/// Never: names, sources and channels are shorter together than an id may be.
#[must_use]
pub fn workflow_id(window: &WindowSummary) -> WorkflowId {
    const _: () = assert!(
        PIPELINE_NAME_BYTES_MAX + 2 * tidegate_model::limits::NAME_BYTES_MAX + 64
            < tidegate_model::limits::ID_BYTES_MAX
    );
    let WindowSummary { pipeline, source, channel, start, .. } = window;
    WorkflowId::new(format!("pipeline/{pipeline}/{source}/{channel}/{start}"))
        .expect("the parts are checked and short where they are made")
}

/// The request that starts the run a window has decided on.
///
/// # Panics
/// Never: see [`workflow_id`].
#[must_use]
pub fn start_request(definition: &Definition, window: &WindowSummary) -> StartWorkflow {
    let workflow_id = workflow_id(window);
    let input = PipelineInput { steps: definition.steps().to_vec(), window: window.clone() };
    let input = serde_json::to_vec(&input).expect("steps and window have a JSON form");
    StartWorkflow {
        request_id: format!("{workflow_id}/{}", window.first_reading),
        input: vec![Payload::json(input)],
        identity: "gateway".to_owned(),
        ..StartWorkflow::new(
            Namespace::new(NAMESPACE).expect("a namespace by its form"),
            workflow_id,
            PIPELINE_WORKFLOW.to_owned(),
            TaskQueue::new(PIPELINE_QUEUE).expect("a task queue by its form"),
        )
    }
}

/// Carries out steps, one after the other.
#[derive(Debug)]
pub struct PipelineWorkflow;

impl Workflow for PipelineWorkflow {
    const TYPE: &'static str = PIPELINE_WORKFLOW;
    type Input = PipelineInput;
    type Output = PipelineOutput;

    async fn run(
        cx: Context,
        PipelineInput { steps, window }: PipelineInput,
    ) -> Result<PipelineOutput, Failure> {
        let run = cx.info().run_id.to_string();
        let values = Values { window: &window, run: &run };
        let mut reports = Vec::with_capacity(steps.len());
        for step in &steps {
            let (outcome, next) = match &step.action {
                Action::Publish { topic, payload, qos, retain, attempts } => {
                    let message = MqttMessage {
                        topic: topic.fill(values),
                        payload: payload.fill(values),
                        qos: *qos,
                        retain: *retain,
                    };
                    let published = attempt::<MqttPublish>(&cx, message, attempts).await;
                    after(step, published.map(|()| StepOutcome::Published))?
                }
                Action::Http { url, headers, body, attempts } => {
                    let request = HttpRequest {
                        url: url.fill_with(values, percent_encoded),
                        headers: headers
                            .iter()
                            .map(|(name, value)| (name.clone(), value.fill(values)))
                            .collect(),
                        content_type: body.content_type().to_owned(),
                        body: body.fill(values),
                    };
                    let answered = attempt::<HttpPost>(&cx, request, attempts).await;
                    after(step, answered.map(|answer| StepOutcome::Answered { status: answer.status }))?
                }
                Action::Wait { signal, timeout, on_signal } => {
                    wait(&cx, step, signal, *timeout, *on_signal).await?
                }
            };
            reports.push(StepReport { name: step.name.clone(), outcome });
            match next {
                Next::Continue => {}
                Next::End | Next::Fail => break,
            }
        }
        Ok(PipelineOutput { steps: reports })
    }
}

async fn attempt<A: Activity>(
    cx: &Context,
    input: A::Input,
    attempts: &Attempts,
) -> Result<A::Output, Failure> {
    cx.activity::<A>(input).start_to_close(attempts.timeout).retry(attempts.retry.clone()).await
}

/// What a step's result means for the run.
fn after(step: &Step, result: Result<StepOutcome, Failure>) -> Result<(StepOutcome, Next), Failure> {
    match (result, step.on_failure) {
        (Ok(outcome), _) => Ok((outcome, Next::Continue)),
        (Err(failure), Next::Fail) => Err(failed(step, failure)),
        (Err(failure), next @ (Next::Continue | Next::End)) => {
            let reason = failure.cause.map_or(failure.message, |cause| cause.message);
            Ok((StepOutcome::Failed { reason }, next))
        }
    }
}

/// What a signal carries is in the history; the step asks only whether it came.
async fn wait(
    cx: &Context,
    step: &Step,
    signal: &str,
    timeout: Duration,
    on_signal: Next,
) -> Result<(StepOutcome, Next), Failure> {
    let signals = cx.signal::<serde::de::IgnoredAny>(signal);
    let (outcome, next) = match select(signals.recv(), cx.timer(timeout)).await {
        Either::Left(_) => (StepOutcome::Signaled, on_signal),
        Either::Right(()) => (StepOutcome::TimedOut, step.on_failure),
    };
    if next == Next::Fail {
        let what = match outcome {
            StepOutcome::TimedOut => format!("signal {signal:?} did not come within {}", seconds(timeout)),
            StepOutcome::Signaled
            | StepOutcome::Published
            | StepOutcome::Answered { .. }
            | StepOutcome::Failed { .. } => format!("signal {signal:?} came"),
        };
        return Err(failed(step, Failure::application(what, "Wait", true)));
    }
    Ok((outcome, next))
}

fn failed(step: &Step, failure: Failure) -> Failure {
    let message = format!("step {:?}: {}", step.name, failure.message);
    Failure { cause: Some(Box::new(failure)), ..Failure::application(message, "PipelineStep", true) }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

/// What stands in a place of a URL is data: it neither ends a path nor begins a query (RFC 3986 §2.1).
fn percent_encoded(text: String) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests;
