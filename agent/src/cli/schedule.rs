//! `tidegate schedule`: what Temporal's command line does, in its words and with its flags, on this gateway.

mod plan;

use clap::Subcommand;
use serde_json::{Value, json};
use tidegate_engine::OverlapPolicy;
use tidegate_model::payload::Header;
use tidegate_model::time::Timestamp;

use self::plan::{Plan, header, named_json, overlap_policy};
use super::agent::Agent;
use super::print;
use super::workflow::{IDENTITY, random_id};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Creates a schedule: workflow executions at the times that it names.
    Create {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        plan: Box<Plan>,
        /// What is remembered with the schedule itself, as KEY=JSON; several times for more.
        #[arg(long, value_parser = named_json)]
        schedule_memo: Vec<(String, Value)>,
        /// What the schedule itself is found by, as KEY=JSON; several times for more.
        #[arg(long, value_parser = named_json)]
        schedule_search_attribute: Vec<(String, Value)>,
        #[command(flatten)]
        agent: Agent,
    },
    /// Replaces a schedule: what is not given is not kept. What it has started goes on.
    Update {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        plan: Box<Plan>,
        #[command(flatten)]
        agent: Agent,
    },
    /// Shows a schedule: its times, its action, what it has done and what comes next.
    Describe {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        agent: Agent,
    },
    /// Lists schedules by their ids.
    List {
        /// Which, in Temporal's filter grammar, over their search attributes.
        #[arg(short, long, default_value = "")]
        query: String,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Of this namespace.
        #[arg(short, long)]
        namespace: Option<String>,
        #[command(flatten)]
        agent: Agent,
    },
    /// Lists the times of a schedule in a stretch.
    ListMatchingTimes {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        stretch: Stretch,
        #[command(flatten)]
        agent: Agent,
    },
    /// Pauses or unpauses a schedule.
    Toggle {
        #[command(flatten)]
        named: Named,
        /// Its times pass and nothing is done.
        #[arg(long, required_unless_present = "unpause", conflicts_with = "unpause")]
        pause: bool,
        /// It goes on.
        #[arg(long)]
        unpause: bool,
        /// Why.
        #[arg(long, default_value = "(no reason provided)")]
        reason: String,
        #[command(flatten)]
        agent: Agent,
    },
    /// Does the action of a schedule now.
    Trigger {
        #[command(flatten)]
        named: Named,
        /// When the last action still runs; without, as the schedule has it.
        #[arg(long, value_parser = overlap_policy)]
        overlap_policy: Option<OverlapPolicy>,
        #[command(flatten)]
        agent: Agent,
    },
    /// Does the actions of times gone by.
    Backfill {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        stretch: Stretch,
        /// When the last action still runs; without, as the schedule has it.
        #[arg(long, value_parser = overlap_policy)]
        overlap_policy: Option<OverlapPolicy>,
        #[command(flatten)]
        agent: Agent,
    },
    /// Removes a schedule. What it has started goes on.
    Delete {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        agent: Agent,
    },
}

/// Which schedule.
#[derive(Debug, clap::Args)]
pub(super) struct Named {
    /// The schedule id.
    #[arg(short, long)]
    schedule_id: String,
    /// Its namespace.
    #[arg(short, long)]
    namespace: Option<String>,
}

/// From when to when.
#[derive(Debug, clap::Args)]
pub(super) struct Stretch {
    /// From here (2026-11-23T18:40:31Z) …
    #[arg(long)]
    start_time: Timestamp,
    /// … to here.
    #[arg(long)]
    end_time: Timestamp,
}

impl Named {
    fn query(&self) -> Vec<(&'static str, String)> {
        let namespace = self.namespace.iter().map(|namespace| ("namespace", namespace.clone()));
        std::iter::once(("schedule_id", self.schedule_id.clone())).chain(namespace).collect()
    }

    /// A body that names it, and says more.
    fn body(&self, mut more: Value) -> anyhow::Result<Value> {
        more["schedule_id"] = json!(self.schedule_id);
        more["namespace"] = json!(self.namespace);
        more["identity"] = json!(IDENTITY);
        more["request_id"] = json!(random_id()?);
        Ok(more)
    }

    async fn patch(&self, agent: &Agent, patch: Value, said: &str) -> anyhow::Result<()> {
        let body = self.body(json!({ "patch": patch }))?;
        let reply = agent.post("/v1/schedule/patch", &body).await?;
        self.done(agent, &reply, said)
    }

    fn done(&self, agent: &Agent, reply: &Value, said: &str) -> anyhow::Result<()> {
        if agent.wants_json() {
            print::json(reply)
        } else {
            print::line(&format!("schedule {} {said}", self.schedule_id))
        }
    }
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create { named, plan, schedule_memo, schedule_search_attribute, agent } => {
            let body = named.body(json!({
                "schedule": plan.schedule(random_id)?,
                "memo": header(schedule_memo),
                "search_attributes": header(schedule_search_attribute),
            }))?;
            let reply = agent.post("/v1/schedule/create", &body).await?;
            named.done(&agent, &reply, "is created")
        }
        Command::Update { named, plan, agent } => {
            let body = named.body(json!({
                "schedule": plan.schedule(random_id)?,
                "memo": None::<Header>,
                "search_attributes": None::<Header>,
            }))?;
            let reply = agent.post("/v1/schedule/update", &body).await?;
            named.done(&agent, &reply, "is replaced")
        }
        Command::Describe { named, agent } => {
            let schedule: Value = agent.get("/v1/schedule", &named.query()).await?;
            if agent.wants_json() { print::json(&schedule) } else { print::schedule(&schedule) }
        }
        Command::List { query, limit, namespace, agent } => {
            let asked: Vec<_> = [("limit", limit.to_string()), ("query", query)]
                .into_iter()
                .chain(namespace.map(|namespace| ("namespace", namespace)))
                .collect();
            let schedules: Vec<Value> = agent.get("/v1/schedules", &asked).await?;
            if agent.wants_json() { print::json(&schedules) } else { print::schedules(&schedules) }
        }
        Command::ListMatchingTimes { named, stretch, agent } => {
            let mut asked = named.query();
            asked.push(("start_time", stretch.start_time.to_string()));
            asked.push(("end_time", stretch.end_time.to_string()));
            let times: Vec<String> = agent.get("/v1/schedule/times", &asked).await?;
            if agent.wants_json() { print::json(&times) } else { print::lines(times) }
        }
        Command::Toggle { named, pause, unpause: _, reason, agent } => {
            let (patch, said) = if pause { ("pause", "is paused") } else { ("unpause", "goes on") };
            named.patch(&agent, json!({ patch: { "reason": reason } }), said).await
        }
        Command::Trigger { named, overlap_policy, agent } => {
            let patch = json!({ "trigger": { "overlap_policy": overlap_policy } });
            named.patch(&agent, patch, "is triggered").await
        }
        Command::Backfill { named, stretch, overlap_policy, agent } => {
            let patch = json!({ "backfill": {
                "start_time": stretch.start_time,
                "end_time": stretch.end_time,
                "overlap_policy": overlap_policy,
            } });
            named.patch(&agent, patch, "does what it would have done").await
        }
        Command::Delete { named, agent } => {
            let reply = agent.post("/v1/schedule/delete", &named.body(json!({}))?).await?;
            named.done(&agent, &reply, "is deleted")
        }
    }
}
