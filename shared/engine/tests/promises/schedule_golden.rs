//! Samples of what is stored of schedules.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_engine::{
    Backfill, BackfillProgress, CalendarSpec, IntervalSpec, OverlapPolicy, Schedule, ScheduleChange,
    ScheduleChangeKind, SchedulePolicies, ScheduleSpec, ScheduleState, ScheduledWorkflow, StartedAction,
    WaitingAction,
};
use tidegate_model::id::{Namespace, RunId, ScheduleId, TaskQueue, WorkflowId};
use tidegate_model::payload::Payload;
use tidegate_model::time::Timestamp;

use crate::schedule_stage::Stage;

/// One change of a schedule of each kind.
pub(crate) fn changes(
    namespace: Namespace,
    run_id: RunId,
    time: Timestamp,
) -> impl Iterator<Item = ScheduleChange> {
    let seconds = |seconds| time + Duration::from_secs(seconds);
    let spec = ScheduleSpec {
        cron_string: vec![String::from("CRON_TZ=Europe/Berlin 30 2 * * mon-fri # at night")],
        interval: vec![IntervalSpec {
            interval: Duration::from_secs(3_600),
            phase: Some(Duration::from_secs(60)),
        }],
        exclude_calendar: vec![CalendarSpec { month: String::from("dec"), ..CalendarSpec::default() }],
        start_time: Some(time),
        end_time: Some(seconds(31_536_000)),
        jitter: Some(Duration::from_millis(1_500)),
        ..ScheduleSpec::default()
    };
    let schedule = Box::new(Schedule {
        spec: spec.canonical().expect("a spec of this file"),
        action: Box::new(ScheduledWorkflow {
            input: vec![Payload::json("21.5")],
            workflow_run_timeout: Some(Duration::from_secs(600)),
            ..ScheduledWorkflow::new(
                WorkflowId::new("report").expect("a workflow id"),
                "report",
                TaskQueue::new("reports").expect("a queue"),
            )
        }),
        policies: SchedulePolicies {
            overlap_policy: OverlapPolicy::BufferOne,
            catchup_window: Some(Duration::from_secs(600)),
            pause_on_failure: true,
            keep_original_workflow_id: false,
        },
        state: ScheduleState {
            notes: String::from("for the winter"),
            paused: false,
            limited_actions: true,
            remaining_actions: 3,
        },
    });
    let header = BTreeMap::from([(String::from("site"), Payload::json("\"north\""))]);
    let request_id = String::from("00c0ffee00c0ffee");
    let waiting = WaitingAction {
        number: 7,
        nominal: time,
        actual: Some(seconds(1)),
        overlap_policy: Some(OverlapPolicy::AllowAll),
        manual: true,
    };
    let backfill = Backfill {
        start_time: time,
        end_time: seconds(60),
        overlap_policy: Some(OverlapPolicy::CancelOther),
    };
    let workflow_id = WorkflowId::new("report-2026-01-01T00:00:00Z").expect("a workflow id");
    [
        ScheduleChangeKind::Created {
            schedule: schedule.clone(),
            memo: header.clone(),
            search_attributes: header.clone(),
            request_id: request_id.clone(),
        },
        ScheduleChangeKind::Updated {
            schedule,
            memo: Some(header.clone()),
            search_attributes: Some(header),
            request_id: request_id.clone(),
        },
        ScheduleChangeKind::Patched {
            trigger: Some(waiting),
            backfills: vec![backfill],
            pause: Some((true, String::from("for the night"))),
            request_id,
        },
        ScheduleChangeKind::RunsClosed,
        ScheduleChangeKind::TimesCame {
            to: seconds(2),
            backfill: Some(BackfillProgress::Reached(seconds(3))),
            waiting: vec![
                waiting,
                WaitingAction { actual: None, overlap_policy: None, manual: false, ..waiting },
            ],
            left_out: vec![(1, 4), (6, 6)],
            next_number: 9,
            overlap_skipped: 5,
            missed_catchup_window: 2,
            buffer_dropped: 1,
        },
        ScheduleChangeKind::Acted {
            started: vec![StartedAction { number: 7, workflow_id, run_id, beside: true }],
            left_out: vec![8],
            overlap_skipped: 1,
            missed_catchup_window: 2,
            buffer_dropped: 3,
            again: Some(seconds(10)),
        },
        ScheduleChangeKind::Deleted,
    ]
    .into_iter()
    .map(move |change| ScheduleChange {
        namespace: namespace.clone(),
        schedule_id: ScheduleId::new("reports").expect("a schedule id"),
        time,
        change,
    })
}

/// The snapshot of an engine with a schedule that has been through much, and no runs any more: their form is not a
/// schedule's.
pub(crate) fn snapshot() -> Vec<u8> {
    let mut stage = Stage::new();
    let program = [
        "create every=1h overlap=buffer-all actions=30 pause-on-failure request=c memo=1",
        "update every=1h jitter=1m overlap=buffer-all actions=30 pause-on-failure request=u",
        "wait 190m",
        "done 01-01T01:00:00 17",
        "done 01-01T02:00:00 18",
        "unpause nothing request=p",
        "fail 01-01T03:00:00 oops",
        "wait 40d",
    ];
    for line in program {
        stage.play(line);
    }
    stage.world.engine.snapshot()
}
