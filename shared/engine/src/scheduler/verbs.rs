//! What a client can do to a schedule.

use std::time::Duration;

use tidegate_model::codec;
use tidegate_model::id::{Namespace, ScheduleId};
use tidegate_model::limits::{
    CATCH_UP_WINDOW_SECONDS, CATCH_UP_WINDOW_SECONDS_MIN, DURATION_SECONDS_MAX, SCHEDULE_BACKFILLS_MAX,
    SCHEDULE_BYTES_MAX, SCHEDULE_NOTES_BYTES_MAX, SCHEDULES_MAX,
};
use tidegate_model::payload::Header;
use tidegate_model::time::Timestamp;

use crate::bounds::{self, Wrong};
use crate::engine::{Engine, Step};
use crate::record::{ScheduleChange, ScheduleChangeKind, WaitingAction};
use crate::request::{
    Backfill, CreateSchedule, PatchSchedule, Refusal, Reply, Schedule, SchedulePatch, UpdateSchedule,
};

use super::Key;
use super::clock::CalendarTime;
use super::state::Scheduled;

impl Engine {
    pub(crate) fn create_schedule(
        &mut self,
        step: &mut Step<'_>,
        create: CreateSchedule,
    ) -> Result<Reply, Refusal> {
        let CreateSchedule {
            namespace,
            schedule_id,
            schedule,
            initial_patch,
            identity,
            request_id,
            memo,
            search_attributes,
        } = create;
        check_caller(&identity, &request_id)?;
        let key = (namespace, schedule_id);
        if let Some(existing) = self.schedules.get(&key) {
            let is_repeated = !request_id.is_empty() && existing.create_request_id == request_id;
            return if is_repeated {
                Ok(Reply::ScheduleCreated { conflict_token: existing.conflict_token })
            } else {
                Err(Refusal::ScheduleAlreadyExists(key.1))
            };
        }
        if self.schedules.len() >= SCHEDULES_MAX {
            let message = format!("there are {SCHEDULES_MAX} schedules");
            return Err(Refusal::ResourceExhausted { limit: "SCHEDULES_MAX", message });
        }
        let search_attributes = self.namespaces.get(&key.0)?.attributes.check(&search_attributes)?;
        let schedule = Box::new(self.kept_schedule(step, &key, schedule, &memo, &search_attributes)?);
        let calendar = CalendarTime::new(step.now, &step.stamp);
        // Refused as a whole, before anything is recorded.
        let patched = initial_patch.map(|patch| patched(None, calendar, patch, String::new())).transpose()?;
        let created = ScheduleChangeKind::Created { schedule, memo, search_attributes, request_id };
        self.change_schedule(step, &key, calendar, created);
        if let Some(patched) = patched {
            self.change_schedule(step, &key, calendar, patched);
        }
        let conflict_token = self.schedule(&key)?.conflict_token;
        Ok(Reply::ScheduleCreated { conflict_token })
    }

    pub(crate) fn update_schedule(
        &mut self,
        step: &mut Step<'_>,
        update: UpdateSchedule,
    ) -> Result<Reply, Refusal> {
        let UpdateSchedule {
            namespace,
            schedule_id,
            schedule,
            conflict_token,
            identity,
            request_id,
            search_attributes,
            memo,
        } = update;
        check_caller(&identity, &request_id)?;
        let key = (namespace, schedule_id);
        let existing = self.schedule(&key)?;
        if existing.knows_request(&request_id) {
            return Ok(Reply::Done);
        }
        if conflict_token.is_some_and(|token| token != existing.conflict_token) {
            let message = "mismatched conflict token: the schedule has changed since it was described";
            return Err(Refusal::FailedPrecondition(message.to_owned()));
        }
        let types = &self.namespaces.get(&key.0)?.attributes;
        let search_attributes = search_attributes.map(|found_by| types.check(&found_by)).transpose()?;
        let existing = self.schedule(&key)?;
        let (memo_kept, found_by_kept) = (
            memo.clone().unwrap_or_else(|| existing.memo.clone()),
            search_attributes.clone().unwrap_or_else(|| existing.search_attributes.clone()),
        );
        let schedule = Box::new(self.kept_schedule(step, &key, schedule, &memo_kept, &found_by_kept)?);
        let calendar = self.up_to_date(step, &key);
        let updated = ScheduleChangeKind::Updated { schedule, memo, search_attributes, request_id };
        self.change_schedule(step, &key, calendar, updated);
        Ok(Reply::Done)
    }

    pub(crate) fn patch_schedule(
        &mut self,
        step: &mut Step<'_>,
        patch: PatchSchedule,
    ) -> Result<Reply, Refusal> {
        let PatchSchedule { namespace, schedule_id, patch, identity, request_id } = patch;
        check_caller(&identity, &request_id)?;
        let key = (namespace, schedule_id);
        let existing = self.schedule(&key)?;
        if existing.knows_request(&request_id) {
            return Ok(Reply::Done);
        }
        let calendar = CalendarTime::new(step.now, &step.stamp);
        patched(Some(existing), calendar, patch.clone(), request_id.clone())?;
        let calendar = self.up_to_date(step, &key);
        let change = patched(Some(self.schedule(&key)?), calendar, patch, request_id)?;
        self.change_schedule(step, &key, calendar, change);
        Ok(Reply::Done)
    }

    pub(crate) fn delete_schedule(
        &mut self,
        step: &mut Step<'_>,
        namespace: Namespace,
        schedule_id: ScheduleId,
        identity: &str,
    ) -> Result<Reply, Refusal> {
        check_caller(identity, "")?;
        let key = (namespace, schedule_id);
        self.schedule(&key)?;
        let calendar = CalendarTime::new(step.now, &step.stamp);
        self.change_schedule(step, &key, calendar, ScheduleChangeKind::Deleted);
        Ok(Reply::Done)
    }

    pub(super) fn schedule(&self, key: &Key) -> Result<&Scheduled, Refusal> {
        let found = self.schedules.get(key);
        found.ok_or_else(|| Refusal::NotFound(format!("schedule not found: {}", key.1)))
    }

    /// What was due under the schedule as it is comes before what is done to it.
    fn up_to_date(&mut self, step: &mut Step<'_>, key: &Key) -> CalendarTime {
        let calendar = CalendarTime::new(step.now, &step.stamp);
        let due = self.schedules.get(key).and_then(Scheduled::calendar_due);
        if due.is_some_and(|due| calendar.is_set && due <= calendar.now) {
            self.run_schedule(step, key, calendar);
        }
        calendar
    }

    /// A schedule as it is kept, or why it cannot be.
    fn kept_schedule(
        &self,
        step: &Step<'_>,
        key: &Key,
        mut schedule: Schedule,
        memo: &Header,
        search_attributes: &Header,
    ) -> Result<Schedule, Refusal> {
        schedule.spec =
            schedule.spec.canonical().map_err(|error| Wrong(format!("Invalid schedule spec: {error}")))?;
        let window = &mut schedule.policies.catchup_window;
        let given = window.unwrap_or(Duration::from_secs(CATCH_UP_WINDOW_SECONDS));
        *window = Some(given.clamp(
            Duration::from_secs(CATCH_UP_WINDOW_SECONDS_MIN),
            Duration::from_secs(DURATION_SECONDS_MAX),
        ));
        notes("schedule.state.notes", &schedule.state.notes)?;
        let types = &self.namespaces.get(&key.0)?.attributes;
        // With their types, so that an SDK that reads them back knows what they are.
        schedule.action.search_attributes = types.check(&schedule.action.search_attributes)?;
        bounds::header("schedule memo", memo, &self.settings)?;
        let bytes = codec::to_cbor(&(&schedule, memo, search_attributes)).len();
        bounds::within("schedule", bytes, "SCHEDULE_BYTES_MAX", SCHEDULE_BYTES_MAX)?;

        let (namespace, schedule_id) = key.clone();
        let created = ScheduleChange {
            namespace,
            schedule_id,
            time: step.now,
            change: ScheduleChangeKind::Created {
                schedule: Box::new(schedule.clone()),
                memo: Header::new(),
                search_attributes: Header::new(),
                request_id: String::new(),
            },
        };
        // What it would start is checked as any start is, with a time as long as any.
        if let Some(scheduled) = Scheduled::create(&created) {
            let action = WaitingAction {
                number: u64::MAX,
                nominal: step.now,
                actual: None,
                overlap_policy: None,
                manual: false,
            };
            let start = scheduled.start(action, false).map_err(|invalid| {
                Wrong(format!("schedule.action.workflow_id with the time appended: {invalid}"))
            })?;
            self.checked(step.now, start)?;
        }
        Ok(schedule)
    }
}

fn check_caller(identity: &str, request_id: &str) -> Result<(), Wrong> {
    bounds::id("identity", identity)?;
    bounds::id("request id", request_id)
}

fn notes(what: &str, notes: &str) -> Result<(), Wrong> {
    bounds::within(what, notes.len(), "SCHEDULE_NOTES_BYTES_MAX", SCHEDULE_NOTES_BYTES_MAX)
}

/// The change that a patch asks for; `None` is a schedule that is being created.
fn patched(
    scheduled: Option<&Scheduled>,
    calendar: CalendarTime,
    patch: SchedulePatch,
    request_id: String,
) -> Result<ScheduleChangeKind, Refusal> {
    let SchedulePatch { trigger_immediately, backfill_request, pause, unpause } = patch;
    notes("patch.pause", &pause)?;
    notes("patch.unpause", &unpause)?;
    let backfills = scheduled.map_or(0, |scheduled| scheduled.backfills.len()) + backfill_request.len();
    if backfills > SCHEDULE_BACKFILLS_MAX {
        let message = format!("{backfills} backfills would be under way");
        return Err(Refusal::ResourceExhausted { limit: "SCHEDULE_BACKFILLS_MAX", message });
    }
    for (number, Backfill { start_time, end_time, .. }) in backfill_request.iter().enumerate() {
        if start_time > end_time {
            let reason = format!(
                "patch.backfill_request[{number}]: it ends ({end_time}) before it starts ({start_time})"
            );
            return Err(Wrong(reason).into());
        }
    }
    let trigger = trigger_immediately.map(|trigger| WaitingAction {
        number: scheduled.map_or(1, |scheduled| scheduled.next_number),
        nominal: trigger.scheduled_time.unwrap_or(calendar.now),
        actual: None,
        overlap_policy: trigger.overlap_policy,
        manual: true,
    });
    let before = |time: Timestamp| time - Duration::from_micros(1);
    let backfills = backfill_request
        .into_iter()
        .map(|backfill| Backfill { start_time: before(backfill.start_time), ..backfill })
        .collect();
    let pause =
        (!unpause.is_empty()).then_some((false, unpause)).or((!pause.is_empty()).then_some((true, pause)));
    Ok(ScheduleChangeKind::Patched { trigger, backfills, pause, request_id })
}

impl Scheduled {
    fn knows_request(&self, request_id: &str) -> bool {
        !request_id.is_empty() && self.request_ids.iter().any(|known| known == request_id)
    }
}
