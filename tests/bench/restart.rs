//! From SIGKILL to an answer on the control socket, with a store of 200 MB and a load that goes on.

use std::thread::sleep;
use std::time::{Duration, Instant};

use tidegate_tests::site::Site;

use crate::Bench;
use crate::figures::{Sheet, mega, say};
use crate::ingest::started;
use crate::machine;
use crate::publisher::{self, Form, Load};

const STORE_BYTES: u64 = 200_000_000;
/// Messages published between two kills: they come for longer than the agent lives.
const BETWEEN_KILLS: u64 = 40_000;

/// Measures and prints.
pub(crate) fn measure(bench: &Bench) -> anyhow::Result<()> {
    let site = bench.site("restart", &[])?;
    site.link.cut();
    let _broker = site.start_broker()?;
    let mut agent = started(&site)?;
    let mut load = Load { form: Form::Wave, session: 0, messages: 100_000, pace: None };
    while machine::allocated(&site.agent_data())? < STORE_BYTES {
        load.session += 1;
        publisher::finish(publisher::start(&site, load))?;
    }
    let readings = readings(&site)?;
    let bytes = machine::allocated(&site.agent_data())?;
    let mut sheet = Sheet::default();
    load = Load { form: Form::Ours, messages: BETWEEN_KILLS, ..load };
    for cache in [Cache::Warm, Cache::Cold] {
        for _ in 0..2 * bench.rounds {
            load.session += 1;
            let publisher = publisher::start(&site, load);
            sleep(Duration::from_millis(300));
            agent.kill()?;
            publisher::finish(publisher)?;
            if cache == Cache::Cold && !machine::drop_caches()? {
                say("the page cache may not be emptied here: no figure for a cold start");
                sheet.print("restart");
                return Ok(());
            }
            let since = Instant::now();
            agent = site.start_agent()?;
            sheet.take(cache.title(), since.elapsed().as_secs_f64() * 1e3);
            while site.agent("/v1/status")?["subscribed"] != true {
                sleep(Duration::from_millis(10));
            }
        }
    }
    sheet.print(&format!(
        "from start to serving after SIGKILL under load: {readings} readings, {:.0} MB on disk",
        mega(bytes)
    ));
    drop(agent);
    bench.clear("restart")
}

fn readings(site: &Site) -> anyhow::Result<u64> {
    Ok(site.agent("/v1/status")?["readings"].as_u64().unwrap_or(0))
}

/// Whether the store's pages are in memory when the agent starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cache {
    Warm,
    Cold,
}

impl Cache {
    fn title(self) -> &'static str {
        match self {
            Self::Warm => "warm page cache, ms",
            Self::Cold => "cold page cache, ms",
        }
    }
}
