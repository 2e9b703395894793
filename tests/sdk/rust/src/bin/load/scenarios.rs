//! The scenarios, under the names the field's load tools have for them.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use futures::stream;
use temporalio_client::{Client, WorkflowHandle, WorkflowStartOptions};
use temporalio_common::HasWorkflowDefinition;

use crate::Server;
use crate::figures::Figures;
use crate::workflows::{Load, ManyActions, ManyTimers, Noop, OutOfOrder, Rabbit, Reactor};

type Round<'a> = Pin<Box<dyn Future<Output = Result<Figures>> + 'a>>;

pub struct Scenario {
    pub name: &'static str,
    pub run: for<'a> fn(&'a Server, &'a Load, &'a str, f64) -> Round<'a>,
}

pub const SCENARIOS: [Scenario; 6] = [
    Scenario {
        name: "single-noop-activity",
        run: |server, load, label, scale| Box::pin(noop(server, load, label, scale)),
    },
    Scenario {
        name: "many-actions",
        run: |server, load, label, scale| Box::pin(many_actions(server, load, label, scale)),
    },
    Scenario {
        name: "reactor",
        run: |server, load, label, scale| Box::pin(reactor(server, load, label, scale)),
    },
    Scenario {
        name: "rabbit",
        run: |server, load, label, scale| Box::pin(rabbit(server, load, label, scale)),
    },
    Scenario {
        name: "many-timers",
        run: |server, load, label, scale| Box::pin(many_timers(server, load, label, scale)),
    },
    Scenario {
        name: "signals-out-of-order",
        run: |server, load, label, scale| Box::pin(out_of_order(server, load, label, scale)),
    },
];

/// Workflows under way at once.
const AT_ONCE: usize = 50;
/// Values a reactor is sent before it reacts.
const THRESHOLD: u64 = 20;
/// Signals of one workflow that come out of order.
const NUMBERS: u64 = 50;

fn scaled(count: usize, scale: f64) -> usize {
    ((count as f64 * scale) as usize).max(1)
}

async fn noop(server: &Server, load: &Load, label: &str, scale: f64) -> Result<Figures> {
    drive(server, load, label, scaled(400, scale), async |_, id| server.execute::<Noop>(id, ()).await).await
}

async fn many_actions(server: &Server, load: &Load, label: &str, scale: f64) -> Result<Figures> {
    drive(server, load, label, scaled(60, scale), async |_, id| {
        server.execute::<ManyActions>(id, 6_u32).await
    })
    .await
}

async fn reactor(server: &Server, load: &Load, label: &str, scale: f64) -> Result<Figures> {
    drive(server, load, label, scaled(100, scale), async |_, id| {
        let handle = server.start::<Reactor>(id, THRESHOLD).await?;
        for _ in 0..THRESHOLD {
            handle.signal(Reactor::add, 1_u64, Default::default()).await?;
        }
        let sum = handle.get_result(Default::default()).await?;
        ensure!(sum == THRESHOLD, "a reactor saw {sum} of {THRESHOLD}");
        Ok(())
    })
    .await
}

async fn rabbit(server: &Server, load: &Load, label: &str, scale: f64) -> Result<Figures> {
    // One root and its 3 + 9 + 27 descendants.
    let mut figures = drive(server, load, label, scaled(4, scale), async |_, id| {
        let handle = server.start::<Rabbit>(id, (3_u32, 3_u32)).await?;
        let descendants = handle.get_result(Default::default()).await?;
        ensure!(descendants == 40, "a rabbit counted {descendants} of 40");
        Ok(())
    })
    .await?;
    figures.workflows *= 40;
    Ok(figures)
}

async fn many_timers(server: &Server, load: &Load, label: &str, scale: f64) -> Result<Figures> {
    drive(server, load, label, scaled(60, scale), async |_, id| {
        server.execute::<ManyTimers>(id, 100_u32).await
    })
    .await
}

async fn out_of_order(server: &Server, load: &Load, label: &str, scale: f64) -> Result<Figures> {
    drive(server, load, label, scaled(60, scale), async |_, id| {
        let handle = server.start::<OutOfOrder>(id, NUMBERS).await?;
        // A step that shares no divisor with the number of signals visits each once, far from its neighbours.
        for n in 0..NUMBERS {
            handle.signal(OutOfOrder::number, n * 29 % NUMBERS, Default::default()).await?;
        }
        let seen = handle.get_result(Default::default()).await?;
        ensure!(seen == NUMBERS, "a workflow saw {seen} of {NUMBERS} numbers");
        Ok(())
    })
    .await
}

/// Runs so many workflows, some at once, and takes the time of each.
async fn drive(
    server: &Server,
    load: &Load,
    label: &str,
    workflows: usize,
    one: impl AsyncFn(usize, String) -> Result<()>,
) -> Result<Figures> {
    let before = server.transitions().await?;
    let begun = Instant::now();
    let times: Vec<Result<Duration>> = stream::iter(0..workflows)
        .map(|n| {
            let id = format!("{}-{label}-{n}", server.task_queue);
            let one = &one;
            async move {
                let begun = Instant::now();
                one(n, id.clone()).await.with_context(|| id)?;
                Ok(begun.elapsed())
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let took = begun.elapsed();
    let start_to_complete = times.into_iter().collect::<Result<Vec<_>>>()?;
    let transitions = server.transitions().await?.saturating_sub(before);
    let schedule_to_start = std::mem::take(&mut *load.waits.lock().expect("nobody panics with it"));
    Ok(Figures { workflows: workflows as u64, transitions, took, start_to_complete, schedule_to_start })
}

impl Server {
    async fn start<W: HasWorkflowDefinition<Input: Send, Output: 'static> + Default>(
        &self,
        id: String,
        input: impl Into<W::Input>,
    ) -> Result<WorkflowHandle<Client, W>> {
        let options = WorkflowStartOptions::new(self.task_queue.clone(), id).build();
        Ok(self.client.start_workflow(W::default(), input.into(), options).await?)
    }

    async fn execute<W: HasWorkflowDefinition<Input: Send, Output: 'static> + Default>(
        &self,
        id: String,
        input: impl Into<W::Input>,
    ) -> Result<()> {
        self.start::<W>(id, input).await?.get_result(Default::default()).await?;
        Ok(())
    }

    /// Transitions of all runs of this load so far, as the server counts them.
    async fn transitions(&self) -> Result<u64> {
        let query = format!("TaskQueue = '{}'", self.task_queue);
        let mut found = std::pin::pin!(self.client.list_workflows(query, Default::default()));
        let mut sum = 0;
        while let Some(run) = found.next().await {
            sum += u64::try_from(run?.raw().state_transition_count).unwrap_or_default();
        }
        Ok(sum)
    }
}
