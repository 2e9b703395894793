//! One attempt of an activity, as a script carries it out.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_engine::{ActivityTask, Engine, Reply, Request};
use tidegate_model::payload::Failure;

use super::World;
use crate::worker::state::canceled;
use crate::worker::workflow::{from_payloads, to_payloads};

/// What a script can do besides answering.
pub struct Attempt<'w> {
    world: &'w mut World,
    task: &'w ActivityTask,
}

impl std::fmt::Debug for Attempt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").field("task", &self.task).finish_non_exhaustive()
    }
}

impl<'w> Attempt<'w> {
    pub(super) fn of(world: &'w mut World, task: &'w ActivityTask) -> Self {
        Self { world, task }
    }

    /// The task as the engine gave it: which attempt it is, among others.
    #[must_use]
    pub fn task(&self) -> &ActivityTask {
        self.task
    }

    /// Reports progress, and says whether the attempt is to end: cancelled, or over.
    pub fn heartbeat(&mut self, details: &impl Serialize) -> bool {
        let beat = Request::RecordActivityTaskHeartbeat {
            task: self.task.token.clone().into(),
            details: to_payloads(details).expect("details are JSON"),
            identity: super::IDENTITY.to_owned(),
        };
        match self.world.call(beat) {
            Ok(Reply::Heartbeat { cancel_requested, paused, reset }) => cancel_requested || paused || reset,
            Ok(_) => false,
            Err(_) => true,
        }
    }

    /// What the attempt before this one last reported.
    ///
    /// # Panics
    /// If it is not a `T`.
    #[must_use]
    pub fn last_heartbeat<T: DeserializeOwned>(&self) -> Option<T> {
        let details = &self.task.heartbeat_details;
        (!details.is_empty()).then(|| from_payloads(details).expect("the details are what the test expects"))
    }

    /// Has the workflow tasks answered that have come up meanwhile.
    pub fn answer_workflow_tasks(&mut self) {
        while let Some(task) = self.world.poll_workflow() {
            self.world.answer(&task);
        }
    }

    /// The failure of an attempt that ends because it was asked to.
    #[must_use]
    pub fn canceled(&self) -> Failure {
        canceled("the activity was cancelled")
    }

    /// Lets time pass while the attempt goes on. Workflow tasks that come up meanwhile wait; the one that
    /// a local activity is a part of is renewed.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.world.now + duration;
        loop {
            let engine = self.world.engine.next_deadline().map(|(at, _)| at);
            let next = engine.into_iter().chain(self.world.next_beat()).min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            // First the answer: the engine may wait for it until this very moment.
            self.world.now = self.world.now.max(at);
            while self.world.beat() {}
            self.world.step(Engine::handle_deadline);
        }
        self.world.now = end;
    }
}
