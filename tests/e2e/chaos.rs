//! Agent, bridge and broker are killed at random moments while readings flow; every reading that was acknowledged to
//! its sensor must be in the cloud exactly once.

use std::time::Duration;

use anyhow::ensure;
use tidegate_model::chance::Chance;
use tidegate_tests::site::{Process, Site};

const KILLS_DEFAULT: u64 = 50;

#[test]
fn what_was_acknowledged_is_in_the_cloud_exactly_once_whatever_is_killed() {
    crate::run(&[], |site| {
        let kills = number("E2E_KILLS").unwrap_or(KILLS_DEFAULT);
        let seed = number("E2E_SEED").unwrap_or(1);
        eprintln!("seed {seed}, {kills} kills");
        let mut chance = Chance::new(seed);
        let mut running = Running {
            broker: site.start_broker()?,
            bridge: site.start_bridge()?,
            agent: site.start_agent()?,
        };
        let sensor = site.start_sensor(&[
            "--source",
            "ward/bed-1",
            "--source",
            "ward/bed-2",
            "--rate",
            "150",
            "--drain",
            "80",
        ])?;
        for _ in 0..kills {
            std::thread::sleep(Duration::from_millis(20 + chance.below(400)));
            running = running.kill_one(site, &mut chance)?;
        }
        let report = crate::finish(sensor)?;
        ensure!(report["kept"] == 0, "every reading is acknowledged in the end: {report}");
        crate::drained(site)?;
        crate::check_exactly_once(site, std::slice::from_ref(&report))?;
        let lane = site.lane("samples")?;
        ensure!(lane["complete"] == true, "nothing is missing: {lane}");
        for log in ["agent", "bridge"] {
            let errors = crate::errors(site, log)?;
            ensure!(errors.is_empty(), "{log} said:\n{}", errors.join("\n"));
        }
        Ok(())
    });
}

struct Running {
    broker: Process,
    bridge: Process,
    agent: Process,
}

impl Running {
    /// Kills one, or the agent and another at once, leaves them down for a moment, and starts them again.
    fn kill_one(self, site: &Site, chance: &mut Chance) -> anyhow::Result<Self> {
        let Self { mut broker, mut bridge, mut agent } = self;
        let which = chance.below(8);
        let down = Duration::from_millis(chance.below(150));
        match which {
            0..=3 => {
                agent.kill()?;
                std::thread::sleep(down);
                agent = site.start_agent()?;
            }
            4 | 5 => {
                bridge.kill()?;
                std::thread::sleep(down);
                bridge = site.start_bridge()?;
            }
            6 => {
                broker.kill()?;
                std::thread::sleep(down);
                broker = site.start_broker()?;
            }
            7.. => {
                agent.kill()?;
                bridge.kill()?;
                std::thread::sleep(down);
                bridge = site.start_bridge()?;
                agent = site.start_agent()?;
            }
        }
        Ok(Self { broker, bridge, agent })
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a whole number")))
}
