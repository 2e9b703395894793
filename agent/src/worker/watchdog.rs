//! The threads on which workflow code runs: one at a time, and another when code does not come back to it.
//!
//! Code is polled, so it cannot be interrupted. An `await` in an endless loop is counted and ends (`POLLS_PER_EVENT_MAX`);
//! a loop without one, or a call that blocks, keeps its thread for good. Then the thread is left behind with everything
//! it has in memory, the task fails with what is known, and a new thread goes on with the other runs, which come back
//! from their histories. The run is held back for as long as its thread is stuck, and so is a workflow type that has
//! left `STUCK_THREADS_PER_TYPE_MAX` threads behind. What nothing can prevent is that such a loop uses a core until the
//! process ends.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use tidegate_engine::WorkflowTask;
use tidegate_model::event::HistoryBatch;
use tidegate_model::id::{EventId, RunId};
use tidegate_model::limits::STUCK_THREADS_PER_TYPE_MAX;
use tokio::sync::oneshot;

use super::executor::{Answer, Executor};
use super::fault::Fault;
use super::health::Health;
use super::local_state::Ended;

thread_local! {
    /// Of the job this thread is at.
    static PULSE: RefCell<Option<Arc<Pulse>>> = const { RefCell::new(None) };
}

/// Says that workflow code is about to be polled, after this event of its history.
pub(super) fn beat(event: EventId) {
    PULSE.with_borrow(|pulse| {
        if let Some(pulse) = pulse {
            pulse.event.store(event, Ordering::Relaxed);
            pulse.beats.fetch_add(1, Ordering::Relaxed);
        }
    });
}

/// What is heard of a job from outside.
#[derive(Debug, Default)]
struct Pulse {
    /// Polls so far, from 1 when a thread has taken the job; while they grow, the code comes back.
    beats: AtomicU64,
    /// The event it was last polled after.
    event: AtomicU64,
    /// Set to leave the thread behind that has taken the job.
    leave: OnceLock<Arc<AtomicBool>>,
    /// The code has come back.
    done: AtomicBool,
}

/// What is asked of workflow code.
#[derive(Debug)]
pub(super) enum Ask {
    /// To answer a task, with the run's whole history where it was wanted; twice with `shadow`.
    Task { whole: Option<Vec<HistoryBatch>>, shadow: bool },
    /// To go on with a task that waits for local activities ([`Executor::go_on`]).
    GoOn(Option<Box<Ended>>),
}

/// For the thread of workflow code.
enum Job {
    Answer { task: Arc<WorkflowTask>, ask: Ask, reply: oneshot::Sender<Answer>, pulse: Arc<Pulse> },
    Forget(RunId),
}

/// Runs whose code does not come back, with their workflow types.
type Stuck = Arc<Mutex<BTreeMap<RunId, String>>>;

/// What a thread begins with.
type MakeExecutor = dyn Fn() -> Executor + Send + Sync;

/// See above.
pub(super) struct WorkflowThreads {
    jobs: mpsc::Sender<Job>,
    incoming: Arc<Mutex<mpsc::Receiver<Job>>>,
    stuck: Stuck,
    make: Arc<MakeExecutor>,
    patience: Duration,
    health: Arc<Health>,
}

impl WorkflowThreads {
    /// Starts the first. `patience` is how long code may take from one poll to the next.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(super) fn start(
        make: impl Fn() -> Executor + Send + Sync + 'static,
        patience: Duration,
        health: Arc<Health>,
    ) -> Result<Self, std::io::Error> {
        let (jobs, incoming) = mpsc::channel();
        let threads = Self {
            jobs,
            incoming: Arc::new(Mutex::new(incoming)),
            stuck: Stuck::default(),
            make: Arc::new(make),
            patience,
            health,
        };
        threads.spawn()?;
        Ok(threads)
    }

    /// Has workflow code answer a task, or go on with it; `None` when there is no thread any more.
    pub(super) async fn answer(&self, task: &Arc<WorkflowTask>, ask: Ask) -> Option<Answer> {
        if let Some(fault) = self.held_back(task) {
            return Some(Answer::Fault(fault));
        }
        let (reply, answer) = oneshot::channel();
        let pulse = Arc::new(Pulse::default());
        let job = Job::Answer { task: Arc::clone(task), ask, reply, pulse: Arc::clone(&pulse) };
        self.jobs.send(job).ok()?;
        let mut answer = pin!(answer);
        let mut beats = 0;
        loop {
            match tokio::time::timeout(self.patience, &mut answer).await {
                Ok(answer) => return answer.ok(),
                Err(_) => {
                    let heard = pulse.beats.load(Ordering::Relaxed);
                    // None: it waits for its turn.
                    if heard > 0
                        && heard == beats
                        && let Some(fault) = self.leave_behind(task, &pulse)
                    {
                        return Some(Answer::Fault(fault));
                    }
                    beats = heard;
                }
            }
        }
    }

    /// Forgets a run whose answer was not taken.
    pub(super) fn forget(&self, run_id: RunId) {
        // A thread that has ended has forgotten already.
        drop(self.jobs.send(Job::Forget(run_id)));
    }

    /// Why a task is not to be tried now.
    fn held_back(&self, task: &WorkflowTask) -> Option<Fault> {
        let stuck = lock(&self.stuck);
        if stuck.contains_key(&task.token.run_id) {
            return Some(Fault::PotentialDeadlock(
                "the code of this run has not come back from an earlier workflow task: it loops or blocks on a thread \
                 that cannot be stopped; the run waits until it comes back, or the agent is started again"
                    .to_owned(),
            ));
        }
        let of_type = stuck.values().filter(|of| **of == task.workflow_type).count();
        (of_type >= STUCK_THREADS_PER_TYPE_MAX).then(|| {
            Fault::PotentialDeadlock(format!(
                "{of_type} runs of workflow type {:?} have not come back (limit STUCK_THREADS_PER_TYPE_MAX); those of \
                 its type wait until one does, or the agent is started again",
                task.workflow_type
            ))
        })
    }

    /// Leaves the thread behind that is at this job; `None` when it has come back this moment.
    fn leave_behind(&self, task: &WorkflowTask, pulse: &Pulse) -> Option<Fault> {
        {
            let mut stuck = lock(&self.stuck);
            let leave = pulse.leave.get().filter(|_| !pulse.done.load(Ordering::Relaxed))?;
            leave.store(true, Ordering::Relaxed);
            stuck.insert(task.token.run_id, task.workflow_type.clone());
            self.health.note_stuck_threads(stuck.len());
        }
        if let Err(error) = self.spawn() {
            tracing::error!(%error, "there is no other thread for workflow code; its tasks wait");
        }
        Some(Fault::PotentialDeadlock(format!(
            "the code did not come back within {:?} of event {}: it loops without an await, or blocks (a lock, a \
             channel, I/O, a sleep); its thread cannot be stopped and was left behind",
            self.patience,
            pulse.event.load(Ordering::Relaxed)
        )))
    }

    fn spawn(&self) -> Result<(), std::io::Error> {
        let (incoming, make) = (Arc::clone(&self.incoming), Arc::clone(&self.make));
        let (stuck, health) = (Arc::clone(&self.stuck), Arc::clone(&self.health));
        std::thread::Builder::new()
            .name("workflows".to_owned())
            .spawn(move || work(&incoming, make(), &stuck, &health))
            .map(drop)
    }
}

/// Does one job after the other until there are no more, or it was left behind.
fn work(incoming: &Mutex<mpsc::Receiver<Job>>, mut executor: Executor, stuck: &Stuck, health: &Health) {
    let leave = Arc::new(AtomicBool::new(false));
    loop {
        let job = incoming.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let (task, ask, reply, pulse) = match job {
            Err(_) => return,
            Ok(Job::Forget(run_id)) => {
                executor.forget(run_id);
                continue;
            }
            Ok(Job::Answer { task, ask, reply, pulse }) => (task, ask, reply, pulse),
        };
        let run_id = task.token.run_id;
        pulse.leave.get_or_init(|| Arc::clone(&leave));
        PULSE.set(Some(Arc::clone(&pulse)));
        beat(0);
        let answer = match ask {
            Ask::Task { whole, shadow } => executor.answer(&task, whole, shadow),
            Ask::GoOn(ended) => executor.go_on(&task, ended.map(|ended| *ended)),
        };
        PULSE.set(None);
        {
            // Together with what the watchdog does, so that either sees the other.
            let mut stuck = lock(stuck);
            pulse.done.store(true, Ordering::Relaxed);
            if leave.load(Ordering::Relaxed) {
                // It has come back after all: others may try the run again.
                stuck.remove(&run_id);
                health.note_stuck_threads(stuck.len());
                return;
            }
        }
        // Nobody waits for the answer: the run in memory is ahead of its history.
        if reply.send(answer).is_err() {
            executor.forget(run_id);
        }
    }
}

fn lock(stuck: &Stuck) -> MutexGuard<'_, BTreeMap<RunId, String>> {
    stuck.lock().unwrap_or_else(PoisonError::into_inner)
}
