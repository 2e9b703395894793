//! Golden bytes: what a released gateway has on its disk.
//!
//! A file that no longer matches means that a stored state is no longer understood. Where that is meant,
//! `TIDEGATE_GOLDEN=write cargo test -p tidegate-engine --test promises golden` writes them anew, and the commit says
//! why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use tidegate_engine::{
    ActivityOptions, ActivityPause, Engine, IndexedValueType, NamespaceInfo, NamespaceRecord, NamespaceState,
    Record, ScheduleChangeKind, StateChange, StickyAttributes,
};
use tidegate_model::codec;
use tidegate_model::event::{Event, Priority};
use tidegate_model::id::{Namespace, NamespaceId, RunId, TaskQueue};
use tidegate_model::payload::{Failure, Payload, RetryPolicy};
use tidegate_model::time::Timestamp;

use crate::schedule_golden;
use crate::script::Stage;

#[test]
fn every_stored_form_is_what_it_was() {
    let is_to_be_written = env::var_os("TIDEGATE_GOLDEN").is_some_and(|wish| wish == "write");
    for (name, bytes) in samples() {
        let file = folder().join(format!("{name}.hex"));
        if is_to_be_written {
            fs::write(&file, to_hex(&bytes)).expect("the golden folder is writable");
        }
        let golden = fs::read_to_string(&file).unwrap_or_else(|error| {
            panic!("{}: {error}. A new form? Write it with TIDEGATE_GOLDEN=write", file.display())
        });
        assert_eq!(to_hex(&bytes), golden, "{name} is written differently from before");
        assert_eq!(reread(&name, &from_hex(&golden)), bytes, "{name} is not read back as it was");
    }
}

#[test]
fn every_golden_file_has_a_sample() {
    let files: BTreeSet<String> = fs::read_dir(folder())
        .expect("the golden folder")
        .map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned())
        .collect();
    let names: BTreeSet<String> = samples().into_iter().map(|(name, _)| format!("{name}.hex")).collect();
    assert_eq!(files, names);
}

fn samples() -> Vec<(String, Vec<u8>)> {
    let mut samples: Vec<(String, Vec<u8>)> =
        changes().into_iter().map(|change| (name(&change), codec::to_cbor(&Record::State(change)))).collect();
    samples.push((String::from("snapshot-empty"), Engine::new().snapshot()));
    samples.push((String::from("snapshot"), full_of_life()));
    samples.push((String::from("snapshot-schedule"), schedule_golden::snapshot()));
    samples
}

fn reread(name: &str, bytes: &[u8]) -> Vec<u8> {
    if name.starts_with("snapshot") {
        Engine::restore(bytes).expect("a stored snapshot is understood").snapshot()
    } else {
        let record: Record = codec::from_cbor(bytes).expect("a stored record is understood");
        codec::to_cbor(&record)
    }
}

fn name(change: &StateChange) -> String {
    String::from(match change {
        StateChange::TransientTaskStarted { .. } => "change-transient_task_started",
        StateChange::TransientTaskEnded { .. } => "change-transient_task_ended",
        StateChange::Buffered { .. } => "change-buffered",
        StateChange::StickyBound { .. } => "change-sticky_bound",
        StateChange::StickyReleased { .. } => "change-sticky_released",
        StateChange::UpdateRejected { .. } => "change-update_rejected",
        StateChange::ActivityStarted { .. } => "change-activity_started",
        StateChange::ActivityRetried { time: None, .. } => "change-activity_retried",
        StateChange::ActivityRetried { time: Some(_), .. } => "change-activity_retried_then",
        StateChange::ActivityHeartbeat { .. } => "change-activity_heartbeat",
        StateChange::ActivityPaused { .. } => "change-activity_paused",
        StateChange::ActivityUnpaused { .. } => "change-activity_unpaused",
        StateChange::ActivityReset { .. } => "change-activity_reset",
        StateChange::ActivityOptionsUpdated { .. } => "change-activity_options_updated",
        StateChange::ParentTold { .. } => "change-parent_told",
        StateChange::ChildLeft { .. } => "change-child_left",
        StateChange::RunsForgotten { .. } => "change-runs_forgotten",
        StateChange::Namespace(NamespaceRecord::Saved(_)) => "change-namespace_saved",
        StateChange::Namespace(NamespaceRecord::Forgotten { .. }) => "change-namespace_forgotten",
        StateChange::Namespace(NamespaceRecord::AttributesAdded { .. }) => "change-attributes_added",
        StateChange::Namespace(NamespaceRecord::AttributesRemoved { .. }) => "change-attributes_removed",
        StateChange::Schedule(change) => match change.change {
            ScheduleChangeKind::Created { .. } => "change-schedule_created",
            ScheduleChangeKind::Updated { .. } => "change-schedule_updated",
            ScheduleChangeKind::Patched { .. } => "change-schedule_patched",
            ScheduleChangeKind::RunsClosed => "change-schedule_runs_closed",
            ScheduleChangeKind::TimesCame { .. } => "change-schedule_times_came",
            ScheduleChangeKind::Acted { .. } => "change-schedule_acted",
            ScheduleChangeKind::Deleted => "change-schedule_deleted",
        },
        StateChange::WorkflowReset { .. } => "change-workflow_reset",
    })
}

/// One of each.
fn changes() -> Vec<StateChange> {
    let run_id = RunId::from_u128(0x019b_76da_a800_7000_8000_0000_0000_0001);
    let time = Timestamp::from_micros(1_767_225_600_123_456);
    let namespace = Namespace::new("ward").expect("a namespace");
    let identity = String::from("worker@gw-1");
    let request_id = String::from("00c0ffee00c0ffee");
    let mut changes = vec![
        StateChange::TransientTaskStarted {
            run_id,
            time,
            identity: identity.clone(),
            request_id: request_id.clone(),
            suggest_continue_as_new: false,
        },
        StateChange::TransientTaskEnded { run_id, time },
        StateChange::Buffered {
            run_id,
            events: vec![
                Event::ActivityTaskStarted {
                    scheduled_event_id: 5,
                    identity: identity.clone(),
                    request_id: request_id.clone(),
                    attempt: 2,
                    last_failure: Some(Failure::application("no answer", "Unreachable", false)),
                },
                Event::ActivityTaskCompleted {
                    result: vec![Payload::json("21.5")],
                    scheduled_event_id: 5,
                    started_event_id: 0,
                    identity: identity.clone(),
                },
            ],
        },
        StateChange::StickyBound {
            run_id,
            sticky: StickyAttributes {
                task_queue: TaskQueue::new("worker@gw-1:sticky").expect("a queue"),
                schedule_to_start_timeout: Duration::from_secs(10),
            },
            identity: identity.clone(),
        },
        StateChange::StickyReleased { run_id },
        StateChange::UpdateRejected { run_id, update_id: String::from("set-point/1") },
        StateChange::ActivityStarted { run_id, scheduled_event_id: 5, time, identity, request_id },
        StateChange::ActivityRetried {
            run_id,
            scheduled_event_id: 5,
            time: None,
            due: time,
            failure: Failure::application("no answer", "Unreachable", false),
        },
        StateChange::ActivityRetried {
            run_id,
            scheduled_event_id: 5,
            time: Some(time),
            due: time,
            failure: Failure::application("no answer", "Unreachable", false),
        },
        StateChange::ActivityHeartbeat {
            run_id,
            scheduled_event_id: 5,
            time,
            details: vec![Payload::json("0.5")],
        },
        StateChange::ActivityPaused {
            run_id,
            scheduled_event_id: 5,
            pause: ActivityPause {
                time,
                identity: String::from("operator"),
                reason: String::from("the pump is out"),
                request_id: String::from("pause/1"),
            },
        },
        StateChange::ActivityUnpaused {
            run_id,
            scheduled_event_id: 5,
            due: time,
            reset_attempts: true,
            reset_heartbeat: false,
        },
        StateChange::ActivityReset {
            run_id,
            scheduled_event_id: 5,
            due: time,
            reset_heartbeat: true,
            keep_paused: true,
            restore_options: true,
        },
        StateChange::ActivityOptionsUpdated {
            run_id,
            scheduled_event_id: 5,
            due: time,
            options: Box::new(ActivityOptions {
                task_queue: TaskQueue::new("gpu").expect("a queue"),
                schedule_to_close_timeout: Some(Duration::from_secs(60)),
                schedule_to_start_timeout: None,
                start_to_close_timeout: Duration::from_secs(30),
                heartbeat_timeout: Some(Duration::from_secs(5)),
                retry_policy: RetryPolicy::default(),
                priority: Some(Priority { priority_key: 1, ..Priority::default() }),
            }),
        },
        StateChange::ParentTold { run_id },
        StateChange::ChildLeft { run_id, initiated_event_id: 5 },
        StateChange::RunsForgotten { runs: vec![run_id] },
        StateChange::Namespace(NamespaceRecord::Saved(NamespaceInfo {
            name: namespace.clone(),
            id: NamespaceId::from_u128(0x019b_76da_a800_7000_8000_0000_0000_0002),
            state: NamespaceState::Deprecated,
            description: String::from("beds and pumps"),
            owner_email: String::from("ward@example.org"),
            data: BTreeMap::from([(String::from("site"), String::from("north"))]),
            retention: Some(Duration::from_secs(86_400)),
            payload_bytes_max: None,
            created: time,
            updated: time,
        })),
        StateChange::Namespace(NamespaceRecord::Forgotten { name: namespace.clone() }),
        StateChange::Namespace(NamespaceRecord::AttributesAdded {
            namespace: namespace.clone(),
            attributes: IndexedValueType::ALL.map(|kind| (kind.name().to_owned(), kind)).into(),
        }),
        StateChange::Namespace(NamespaceRecord::AttributesRemoved {
            namespace: namespace.clone(),
            names: BTreeSet::from([String::from("Text")]),
        }),
        StateChange::WorkflowReset {
            run_id,
            new_run_id: RunId::from_u128(0x019b_76da_a800_7000_8000_0000_0000_0002),
            time,
            request_id: String::from("00c0ffee00c0ffee"),
        },
    ];
    changes.extend(
        schedule_golden::changes(namespace, run_id, time)
            .map(|change| StateChange::Schedule(Box::new(change))),
    );
    changes
}

/// The snapshot of an engine with something of everything in it.
fn full_of_life() -> Vec<u8> {
    let mut stage = Stage::new();
    let program = [
        "start closed request=c",
        "poll q",
        "complete closed: finish",
        "start waiting request=w",
        "start failing queue=f task-timeout=4s",
        "poll f",
        "fail failing",
        "poll f",
        "start busy queue=b size=20",
        "poll b",
        "poll s",
        "complete busy sticky=s: activity out all=9m beat=1m; activity back-off never=Kind; activity new; timer t 90s; timer u 1s",
        "poll activity b as bob",
        "poll activity b as bob",
        "failed back-off oops",
        "beat out size=3",
        "renew busy out heartbeat",
        "tune busy back-off priority=1",
        "pause busy new",
        "signal busy go request=r",
        "wait 2s",
        "signal busy again request=s",
        "start later delay=90s run-timeout=60s execution-timeout=300s memo=m",
        "signal later go request=r",
        "start tried attempts=3 size=20 request=t",
        "poll q",
        "poll q",
        "complete tried: fail oops",
        "start shared request=first",
        "start shared request=second conflict=use attach",
        "ask-cancel shared request=c",
        "start left queue=l request=l",
        "poll l",
        "complete left: activity a; timer v 90s",
        "signal left go request=r",
        "reset left 4",
    ];
    for line in program {
        stage.run(line);
    }
    stage.world.engine.snapshot()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            write!(text, "{byte:02x}").expect("a string takes everything");
        }
        text.push('\n');
    }
    text
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| u8::try_from(digit).expect("a digit"))
        .collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}
