//! Activities of a ward's gateway. Some misbehave on purpose: they fail, fall silent, or go on until they are cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use temporalio_macros::activities;
use temporalio_sdk::ApplicationFailure;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

#[derive(Default, Clone)]
pub struct Gateway {
    pub outage: Arc<Outage>,
}

/// Belongs to the activities that are under way while the server is killed, and go on until it is over.
#[derive(Default)]
pub struct Outage {
    pub is_over: AtomicBool,
    pub failed_attempts: AtomicU32,
    pub heartbeats: AtomicU32,
}

fn fails(kind: &str, message: impl Into<String>) -> ActivityError {
    ApplicationFailure::builder(message.into()).type_name(kind.to_owned()).build().into()
}

#[activities]
impl Gateway {
    #[activity]
    pub async fn read_sensor(_ctx: ActivityContext, sensor: String) -> Result<String, ActivityError> {
        Ok(format!("{sensor} reads 21.5"))
    }

    /// Fails as often as it is told, then gives the attempt that succeeded.
    #[activity]
    pub async fn read_flaky_sensor(ctx: ActivityContext, failures: u32) -> Result<u32, ActivityError> {
        let attempt = ctx.info().attempt;
        if attempt <= failures {
            return Err(fails("NoAnswer", format!("no answer at attempt {attempt}")));
        }
        Ok(attempt)
    }

    #[activity]
    pub async fn read_broken_sensor(_ctx: ActivityContext) -> Result<(), ActivityError> {
        Err(ApplicationFailure::builder("the wire is cut")
            .type_name("BrokenSensor".to_owned())
            .details("bed-12".to_owned())
            .build()
            .into())
    }

    /// Goes on where the last attempt came to. The first one fails halfway, the second falls silent.
    #[activity]
    pub async fn upload_firmware(ctx: ActivityContext, blocks: u32) -> Result<String, ActivityError> {
        let attempt = ctx.info().attempt;
        let resumed_at: u32 = ctx.heartbeat_details().deserialize()?.unwrap_or(0);
        for done in resumed_at + 1..=blocks {
            ctx.record_heartbeat(done).await?;
            if (attempt, done) == (1, 3) {
                return Err(fails("LinkBroke", "the link broke"));
            }
            if (attempt, done) == (2, 5) {
                ctx.cancelled().await;
                return Err(ActivityError::cancelled());
            }
        }
        Ok(format!("attempt {attempt} went on at block {resumed_at} of {blocks}"))
    }

    /// Watches until it is cancelled, which it can only learn by its heartbeat.
    #[activity]
    pub async fn watch_bed(ctx: ActivityContext, bed: String) -> Result<(), ActivityError> {
        while !ctx.is_cancelled() {
            ctx.record_heartbeat(bed.clone()).await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(ActivityError::cancelled())
    }

    #[activity]
    pub async fn to_kelvin(ctx: ActivityContext, celsius: f64) -> Result<f64, ActivityError> {
        if ctx.info().attempt == 1 {
            return Err(fails("NotReady", "the table is being loaded"));
        }
        Ok(celsius + 273.15)
    }

    #[activity]
    pub async fn switch_lights_off(_ctx: ActivityContext, ward: String) -> Result<String, ActivityError> {
        Ok(format!("lights of {ward} are off"))
    }

    /// Somebody else completes it, by its id.
    #[activity]
    pub async fn ask_nurse(_ctx: ActivityContext, _question: String) -> Result<String, ActivityError> {
        Err(ActivityError::WillCompleteAsync)
    }

    /// Fails until the outage is over; gives the attempt that got through.
    #[activity]
    pub async fn report_to_centre(self: Arc<Self>, ctx: ActivityContext) -> Result<u32, ActivityError> {
        let attempt = ctx.info().attempt;
        if !self.outage.is_over.load(SeqCst) {
            self.outage.failed_attempts.store(attempt, SeqCst);
            return Err(fails("Unreachable", "the centre cannot be reached"));
        }
        Ok(attempt)
    }

    /// One long attempt with heartbeats; gives its number.
    #[activity]
    pub async fn hold_line(self: Arc<Self>, ctx: ActivityContext) -> Result<u32, ActivityError> {
        while !self.outage.is_over.load(SeqCst) {
            let heartbeat = self.outage.heartbeats.fetch_add(1, SeqCst);
            ctx.record_heartbeat(heartbeat).await?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(ctx.info().attempt)
    }
}
