//! Readings a second that are on disk before their PUBACK, against appending the same bytes to a file in the same
//! groups; and what agent and broker spend on each.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tidegate_tests::site::{Process, Site};

use crate::Bench;
use crate::figures::Sheet;
use crate::machine::cpu_seconds;
use crate::publisher::{self, Form, Load, PLAIN_PIPELINE};
use crate::raw;

/// Messages of one live round: some ten seconds.
const LIVE_MESSAGES: u64 = 500_000;
/// Messages that wait for the agent in one drain: they fit the queue that the shipped settings allow.
const DRAINED_MESSAGES: u64 = 400_000;
/// Groups appended for comparison.
const RAW_GROUPS: u32 = 2_000;

const FORMS: [(Form, &str); 2] =
    [(Form::Ours, "our topic, identities, confirmed"), (Form::Plain, "a pipeline's topic")];

/// The agent as it stands at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reckoning {
    at: Instant,
    readings: u64,
    /// Since the process began.
    pub(crate) commits: u64,
    /// Since the process began.
    pub(crate) row_bytes: u64,
    agent_cpu: f64,
    broker_cpu: f64,
}

impl Reckoning {
    /// Looks.
    pub(crate) fn of(site: &Site, agent: &Process, broker: &Process) -> anyhow::Result<Self> {
        let page = site.agent("/metrics")?;
        let page = page.as_str().context("metrics are text")?;
        let metric = |name: &str| -> anyhow::Result<u64> {
            page.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
                .with_context(|| format!("no metric {name}"))
        };
        Ok(Self {
            at: Instant::now(),
            readings: metric("tidegate_readings")?,
            commits: metric("tidegate_commits_total")?,
            row_bytes: metric("tidegate_commit_row_bytes_total")?,
            agent_cpu: cpu_seconds(agent.id())?,
            broker_cpu: cpu_seconds(broker.id())?,
        })
    }
}

/// With a publisher at full speed.
pub(crate) fn live(bench: &Bench) -> anyhow::Result<()> {
    for (form, title) in FORMS {
        let mut sheet = Sheet::default();
        for round in 0..bench.rounds {
            let name = format!("live-{form:?}-{round}");
            let site = bench.site(&name, &[PLAIN_PIPELINE])?;
            // Nobody answers at the other end: this is about the way in.
            site.link.cut();
            let broker = site.start_broker()?;
            let agent = started(&site)?;
            let load = Load { form, session: 1, messages: LIVE_MESSAGES, pace: None };
            let publisher = publisher::start(&site, load);
            sleep(Duration::from_secs(1));
            let from = Reckoning::of(&site, &agent, &broker)?;
            let mut to = from;
            while !publisher.is_finished() {
                to = Reckoning::of(&site, &agent, &broker)?;
                sleep(Duration::from_millis(200));
            }
            publisher::finish(publisher)?;
            all_stored(&site, LIVE_MESSAGES)?;
            drop((agent, broker));
            take(&mut sheet, &site, from, to)?;
            bench.clear(&name)?;
        }
        sheet.print(&format!("durable before PUBACK, live publisher: {title}"));
    }
    Ok(())
}

/// From the queue the broker has kept for the agent.
pub(crate) fn drain(bench: &Bench) -> anyhow::Result<()> {
    for (form, title) in FORMS {
        let mut sheet = Sheet::default();
        for round in 0..bench.rounds {
            let name = format!("drain-{form:?}-{round}");
            let site = bench.site(&name, &[PLAIN_PIPELINE])?;
            site.link.cut();
            let broker = site.start_broker()?;
            let first = started(&site)?;
            let status = first.stop(Duration::from_secs(10))?;
            ensure!(status.success(), "the agent did not stop well: {status}");
            let load = Load { form, session: 1, messages: DRAINED_MESSAGES, pace: None };
            publisher::finish(publisher::start(&site, load))?;
            let agent = site.start_agent()?;
            let from = Reckoning::of(&site, &agent, &broker)?;
            let mut to = from;
            while to.readings < DRAINED_MESSAGES {
                ensure!(to.at - from.at < Duration::from_secs(120), "the queue does not drain: {to:?}");
                sleep(Duration::from_millis(50));
                to = Reckoning::of(&site, &agent, &broker)?;
            }
            all_stored(&site, DRAINED_MESSAGES)?;
            drop((agent, broker));
            take(&mut sheet, &site, from, to)?;
            bench.clear(&name)?;
        }
        sheet.print(&format!("durable before PUBACK, from the broker's queue: {title}"));
    }
    Ok(())
}

/// Starts the agent and waits until the broker has its subscriptions.
pub(crate) fn started(site: &Site) -> anyhow::Result<Process> {
    let mut agent = site.start_agent()?;
    tidegate_tests::site::wait_for(&mut agent, "is subscribed", || {
        Ok(site.agent("/v1/status")?["subscribed"] == true)
    })?;
    Ok(agent)
}

/// Waits until as many readings are stored as were published, and no more.
pub(crate) fn all_stored(site: &Site, published: u64) -> anyhow::Result<()> {
    let since = Instant::now();
    loop {
        let stored = site.agent("/v1/status")?["readings"].as_u64().unwrap_or(0);
        ensure!(stored <= published, "{published} readings were published, {stored} are stored");
        if stored == published {
            return Ok(());
        }
        ensure!(since.elapsed() < Duration::from_secs(60), "{published} were published, {stored} are stored");
        sleep(Duration::from_millis(50));
    }
}

fn take(sheet: &mut Sheet, site: &Site, from: Reckoning, to: Reckoning) -> anyhow::Result<()> {
    let readings = (to.readings - from.readings) as f64;
    let commits = (to.commits - from.commits) as f64;
    let row_bytes = (to.row_bytes - from.row_bytes) as f64;
    let per_second = readings / (to.at - from.at).as_secs_f64();
    let in_group = readings / commits;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of one group")]
    let group_bytes = (row_bytes / commits) as usize;
    let raw = in_group * raw::groups_per_second(&site.folder, group_bytes, RAW_GROUPS)?;
    let agent = (to.agent_cpu - from.agent_cpu) / readings * 1e6;
    sheet.take("readings/s", per_second);
    sheet.take("raw append + fdatasync, readings/s", raw);
    sheet.take("ratio", per_second / raw);
    sheet.take("readings in a commit", in_group);
    sheet.take("row bytes a reading", row_bytes / readings);
    sheet.take("agent, µs of processor a reading", agent);
    sheet.take("mosquitto, µs of processor a reading", (to.broker_cpu - from.broker_cpu) / readings * 1e6);
    sheet.take("readings/s one core of the agent is worth", 1e6 / agent);
    Ok(())
}
