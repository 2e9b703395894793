//! The histories of this run: each is written down as JSON, read back, and replayed against the code that made it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use temporalio_client::WorkflowHistory;
use temporalio_sdk::workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions};

use crate::driver::{Driver, persistently, until};
use crate::workflows::with_all_workflows;

/// Writes one file per run, named by workflow and run; gives their number.
pub async fn save(driver: &Driver, folder: &Path) -> Result<usize> {
    fs::create_dir_all(folder)?;
    let query = format!("TaskQueue = '{0}' OR TaskQueue = '{0}-handover'", driver.task_queue);
    let runs = RefCell::new(Vec::new());
    // What was started here must be among them, and nothing must be open.
    until("all workflows are listed and closed", async || {
        let found = driver.list(&query).await?;
        let listed: BTreeSet<String> = found.iter().map(|run| run.id().to_owned()).collect();
        let closed = found.iter().all(|run| run.close_time().is_some());
        runs.replace(found);
        Ok(closed && driver.started().is_subset(&listed))
    })
    .await?;
    for run in runs.borrow().iter() {
        let handle = driver.of_run(run.id(), run.run_id());
        let events = async || handle.fetch_history(Default::default()).into_events().await;
        let history = temporalio_common::protos::temporal::api::history::v1::History {
            events: persistently(events).await?,
        };
        let json = WorkflowHistory::from(history).to_json().await?;
        fs::write(folder.join(format!("{}.{}.json", run.id(), run.run_id())), json)?;
    }
    Ok(runs.take().len())
}

/// Replays every file; the first that does not fit is an error. Gives their number.
pub async fn replay(folder: &Path) -> Result<usize> {
    let options = with_all_workflows!(WorkflowReplayerOptions::new()).build();
    let mut histories = Vec::new();
    for file in fs::read_dir(folder)? {
        histories.push(WorkflowHistory::from_json(&fs::read(file?.path())?)?);
    }
    let outcomes = WorkflowReplayer::new(options)?.replay_workflows(histories).await?;
    for outcome in &outcomes {
        if let Some(failure) = &outcome.replay_failure {
            bail!("{:?} cannot be replayed: {failure}", outcome.history.workflow_id());
        }
    }
    Ok(outcomes.len())
}
