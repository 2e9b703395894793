//! Workflow and activity types, and the table in which a worker finds workflow code by name.

use std::collections::BTreeMap;
use std::pin::Pin;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_model::payload::{Failure, Payload, Payloads};

use super::context::Context;
use super::fault::Fault;

/// A workflow type.
///
/// The function must depend on nothing but its input and what its [`Context`] gives: no clock, no random number, no
/// hash order, no thread, no I/O. Most violations are found at once, the rest when the run is replayed.
pub trait Workflow: 'static {
    /// The name runs are started by.
    const TYPE: &'static str;
    /// One JSON argument.
    type Input: DeserializeOwned;
    /// One JSON result.
    type Output: Serialize;

    /// Runs the workflow. A failure ends the run; a panic does not, it waits for better code.
    fn run(cx: Context, input: Self::Input) -> impl Future<Output = Result<Self::Output, Failure>>;
}

/// An activity type: what a workflow asks for, and what a [`Handler`](super::Handler) does.
pub trait Activity: 'static {
    /// The name workers know it by.
    const TYPE: &'static str;
    /// One JSON argument.
    type Input: Serialize + DeserializeOwned + Send;
    /// One JSON result.
    type Output: Serialize + DeserializeOwned + Send;
}

/// A run's code, as the executor holds it.
pub(super) type Code = Pin<Box<dyn Future<Output = Result<Payloads, Failure>>>>;

type Begin = fn(Context, &[Payload]) -> Result<Code, Fault>;

/// Workflow types by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry {
    types: BTreeMap<&'static str, Begin>,
}

impl Registry {
    /// Adds a type; one of the same name gives way.
    pub(super) fn add<W: Workflow>(&mut self) {
        self.types.insert(W::TYPE, begin::<W>);
    }

    /// The code of a run from its beginning.
    pub(super) fn begin(&self, workflow_type: &str, cx: Context, input: &[Payload]) -> Result<Code, Fault> {
        let begin = self.types.get(workflow_type).ok_or_else(|| {
            let known: Vec<&str> = self.types.keys().copied().collect();
            Fault::Unusable(format!(
                "this worker has no workflow type {workflow_type:?}; it has: {}",
                known.join(", ")
            ))
        })?;
        begin(cx, input)
    }
}

fn begin<W: Workflow>(cx: Context, input: &[Payload]) -> Result<Code, Fault> {
    let input: W::Input = from_payloads(input).map_err(|reason| {
        Fault::Unusable(format!("the input is not what workflow type {:?} takes: {reason}", W::TYPE))
    })?;
    Ok(Box::pin(async move {
        let output = W::run(cx, input).await?;
        to_payloads(&output).map_err(|reason| {
            Failure::application(format!("the result has no JSON form: {reason}"), "UnencodableResult", true)
        })
    }))
}

/// A value as the one JSON payload it travels in.
pub(super) fn to_payloads<T: Serialize>(value: &T) -> Result<Payloads, serde_json::Error> {
    Ok(vec![Payload::json(serde_json::to_vec(value)?)])
}

/// The value of the one JSON payload; none at all reads as `null`.
pub(super) fn from_payloads<T: DeserializeOwned>(payloads: &[Payload]) -> Result<T, serde_json::Error> {
    let bytes: &[u8] = payloads.first().map_or(b"null", |payload| payload.data.as_slice());
    serde_json::from_slice(bytes)
}
