//! Handlers of queries and updates: what others may ask of workflow code while it runs.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_model::payload::{Failure, Payload, Payloads};

use super::context::Context;
use super::workflow::{Code, from_payloads, to_payloads};

pub(super) type QueryHandler = Rc<dyn Fn(&[Payload]) -> Result<Payloads, String>>;

/// What is done with the arguments of an update.
type OnUpdate<T> = Box<dyn Fn(&[Payload]) -> Result<T, Failure>>;

/// How a run deals with updates of one name.
pub(super) struct UpdateHandler {
    pub(super) validate: OnUpdate<()>,
    pub(super) carry_out: OnUpdate<Code>,
}

/// The handlers of a run, by name.
#[derive(Default)]
pub(super) struct Handlers {
    queries: BTreeMap<String, QueryHandler>,
    updates: BTreeMap<String, Rc<UpdateHandler>>,
}

impl Handlers {
    pub(super) fn query(&self, name: &str) -> Result<QueryHandler, String> {
        self.queries.get(name).cloned().ok_or_else(|| unknown("query", name, &names(&self.queries)))
    }

    pub(super) fn update(&self, name: &str) -> Result<Rc<UpdateHandler>, String> {
        self.updates.get(name).cloned().ok_or_else(|| unknown("update", name, &names(&self.updates)))
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.queries.keys()).entries(self.updates.keys()).finish()
    }
}

impl Context {
    /// Answers queries of this name from now on. The handler sees what the code has arrived at, and must change
    /// nothing: it gives no commands and draws no chance. It answers for closed runs, too.
    pub fn on_query<In, Out>(&self, name: &str, handler: impl Fn(In) -> Out + 'static)
    where
        In: DeserializeOwned,
        Out: Serialize,
    {
        let query = name.to_owned();
        let handler: QueryHandler = Rc::new(move |args| {
            let input = from_payloads(args)
                .map_err(|reason| format!("the argument is not what query {query:?} takes: {reason}"))?;
            to_payloads(&handler(input))
                .map_err(|reason| format!("the answer to query {query:?} has no JSON form: {reason}"))
        });
        let former = self.shared().handlers.queries.insert(name.to_owned(), handler);
        drop(former);
    }

    /// Deals with updates of this name from now on. The validator lets an update in or rejects it with a failure that
    /// leaves no trace; it must change nothing. The handler may do whatever the workflow may, and what it returns is
    /// the answer. It runs beside the workflow's own code, and ends with it.
    ///
    /// Best called before the first `await`: an update that comes to a run without a handler for it is rejected.
    pub fn on_update<In, Out, R>(
        &self,
        name: &str,
        validator: impl Fn(&In) -> Result<(), Failure> + 'static,
        handler: impl Fn(In) -> R + 'static,
    ) where
        In: DeserializeOwned,
        Out: Serialize,
        R: Future<Output = Result<Out, Failure>> + 'static,
    {
        let update = name.to_owned();
        let read = move |args: &[Payload]| {
            from_payloads::<In>(args).map_err(|reason| {
                let message = format!("the argument is not what update {update:?} takes: {reason}");
                Failure::application(message, "UndecodableInput", true)
            })
        };
        let read = Rc::new(read);
        let reader = Rc::clone(&read);
        let handler = UpdateHandler {
            validate: Box::new(move |args| validator(&reader(args)?)),
            carry_out: Box::new(move |args| {
                let work = handler(read(args)?);
                Ok(Box::pin(async move {
                    to_payloads(&work.await?).map_err(|reason| {
                        let message = format!("the result of the update has no JSON form: {reason}");
                        Failure::application(message, "UnencodableResult", true)
                    })
                }))
            }),
        };
        let former = self.shared().handlers.updates.insert(name.to_owned(), Rc::new(handler));
        drop(former);
    }
}

fn names<T>(handlers: &BTreeMap<String, T>) -> String {
    let names: Vec<&str> = handlers.keys().map(String::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn unknown(kind: &str, name: &str, known: &str) -> String {
    format!("the workflow has no handler of {kind} {name:?}; it has: {known}")
}
