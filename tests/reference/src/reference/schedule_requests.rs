//! What can be asked of schedules.

use std::time::Duration;

use tidegate_engine::{
    Backfill, CreateSchedule, ListSchedules, PatchSchedule, Refusal, Reply, Schedule as Wanted,
    ScheduleDescription, ScheduleInfo, ScheduleListEntry, SchedulePatch, UpdateSchedule,
};
use tidegate_model::id::Namespace;
use tidegate_model::payload::Header;
use tidegate_model::time::Timestamp;

use super::Reference;
use super::filter::Filter;
use super::schedule_times::after;
use super::schedules::{Action, Key, Schedule};

const SHORTEST_WINDOW: Duration = Duration::from_secs(10);
const WINDOW: Duration = Duration::from_secs(365 * 86_400);

fn not_found() -> Refusal {
    Refusal::NotFound(String::from("schedule not found"))
}

/// As it is kept: with its defaults.
fn kept(mut wanted: Wanted) -> Wanted {
    let window = wanted.policies.catchup_window.unwrap_or(WINDOW);
    wanted.policies.catchup_window = Some(window.max(SHORTEST_WINDOW));
    wanted
}

fn check(patch: &SchedulePatch) -> Result<(), Refusal> {
    let is_backwards = |backfill: &Backfill| backfill.start_time > backfill.end_time;
    if patch.backfill_request.iter().any(is_backwards) {
        return Err(Refusal::InvalidArgument(String::new()));
    }
    Ok(())
}

impl Schedule {
    fn knows(&self, request: &str) -> bool {
        !request.is_empty() && self.requests.iter().any(|known| known == request)
    }

    fn remember(&mut self, request: String) {
        if !request.is_empty() {
            self.requests.push(request);
        }
        self.attention = Some(Timestamp::EPOCH);
    }

    fn patch(&mut self, patch: SchedulePatch, request: String, now: Timestamp) {
        if let Some(trigger) = patch.trigger_immediately {
            let number = self.next_number;
            self.next_number += 1;
            let time = trigger.scheduled_time.unwrap_or(now);
            self.waiting.push(Action { number, time, overlap: trigger.overlap_policy, manual: true });
        }
        // Both ends belong to the stretch.
        let before = |time: Timestamp| time - Duration::from_micros(1);
        self.backfills.extend(
            patch
                .backfill_request
                .into_iter()
                .map(|backfill| Backfill { start_time: before(backfill.start_time), ..backfill }),
        );
        let pause = match (patch.unpause.is_empty(), patch.pause.is_empty()) {
            (false, _) => Some((false, patch.unpause)),
            (true, false) => Some((true, patch.pause)),
            (true, true) => None,
        };
        if let Some((paused, notes)) = pause {
            self.pass_idle_time(now);
            self.wanted.state.paused = paused;
            self.wanted.state.notes = notes;
            self.token += 1;
        }
        self.remember(request);
    }

    /// The next times on which it would act.
    fn future(&self, now: Timestamp, most: usize) -> Vec<Timestamp> {
        let state = &self.wanted.state;
        let left = if state.limited_actions { state.remaining_actions } else { u64::MAX };
        let from = if self.can_act() { self.dealt_with } else { self.dealt_with.max(now) };
        after(&self.wanted.spec, from)
            .filter(|time| self.updated.is_none_or(|updated| updated <= *time))
            .take(most.min(usize::try_from(left).unwrap_or(most)))
            .collect()
    }
}

impl Reference {
    fn schedule(&self, key: &Key) -> Result<&Schedule, Refusal> {
        self.schedules.get(key).ok_or_else(not_found)
    }

    fn schedule_mut(&mut self, key: &Key) -> Result<&mut Schedule, Refusal> {
        self.schedules.get_mut(key).ok_or_else(not_found)
    }

    pub(super) fn create_schedule(&mut self, create: CreateSchedule) -> Result<Reply, Refusal> {
        let now = self.now;
        let key = (create.namespace, create.schedule_id);
        if let Some(there) = self.schedules.get(&key) {
            let is_repeated = !create.request_id.is_empty() && there.create_request == create.request_id;
            return if is_repeated {
                Ok(Reply::ScheduleCreated { conflict_token: there.token })
            } else {
                Err(Refusal::ScheduleAlreadyExists(key.1))
            };
        }
        create.initial_patch.iter().try_for_each(check)?;
        let mut schedule = Schedule::new(kept(create.schedule), create.memo, create.request_id, now);
        if let Some(patch) = create.initial_patch {
            schedule.patch(patch, String::new(), now);
        }
        let conflict_token = schedule.token;
        self.schedules.insert(key, schedule);
        Ok(Reply::ScheduleCreated { conflict_token })
    }

    pub(super) fn update_schedule(&mut self, update: UpdateSchedule) -> Result<Reply, Refusal> {
        let now = self.now;
        let key = (update.namespace, update.schedule_id);
        let schedule = self.schedule(&key)?;
        if schedule.knows(&update.request_id) {
            return Ok(Reply::Done);
        }
        if update.conflict_token.is_some_and(|token| token != schedule.token) {
            return Err(Refusal::FailedPrecondition(String::new()));
        }
        self.bring_up_to_date(&key);
        let schedule = self.schedule_mut(&key)?;
        schedule.pass_idle_time(now);
        schedule.wanted = kept(update.schedule);
        schedule.memo = update.memo.unwrap_or_else(|| std::mem::take(&mut schedule.memo));
        schedule.updated = Some(now);
        schedule.token += 1;
        schedule.remember(update.request_id);
        Ok(Reply::Done)
    }

    pub(super) fn patch_schedule(&mut self, patch: PatchSchedule) -> Result<Reply, Refusal> {
        let now = self.now;
        let key = (patch.namespace, patch.schedule_id);
        if self.schedule(&key)?.knows(&patch.request_id) {
            return Ok(Reply::Done);
        }
        check(&patch.patch)?;
        self.bring_up_to_date(&key);
        self.schedule_mut(&key)?.patch(patch.patch, patch.request_id, now);
        Ok(Reply::Done)
    }

    pub(super) fn delete_schedule(&mut self, key: &Key) -> Result<Reply, Refusal> {
        self.schedules.remove(key).map(|_| Reply::Done).ok_or_else(not_found)
    }

    pub(super) fn describe_schedule(&self, key: &Key) -> Result<Reply, Refusal> {
        let schedule = self.schedule(key)?;
        let running = schedule.running.iter().filter(|running| running.closed.is_none());
        Ok(Reply::ScheduleDescribed(Box::new(ScheduleDescription {
            schedule: schedule.wanted.clone(),
            info: ScheduleInfo {
                action_count: schedule.counts.actions,
                missed_catchup_window: schedule.counts.missed,
                overlap_skipped: schedule.counts.skipped,
                buffer_dropped: schedule.counts.dropped,
                buffer_size: schedule.waiting.len() as u64,
                running_workflows: running
                    .map(|running| (running.workflow_id.clone(), running.run_id))
                    .collect(),
                recent_actions: schedule.recent.clone(),
                future_action_times: schedule.future(self.now, 10),
                create_time: schedule.created,
                update_time: schedule.updated,
                invalid_schedule_error: String::new(),
                state_size_bytes: 0,
            },
            memo: schedule.memo.clone(),
            search_attributes: Header::new(),
            conflict_token: schedule.token,
        })))
    }

    fn schedules_found(&self, namespace: &Namespace, query: &str) -> Result<Vec<(&Key, &Schedule)>, Refusal> {
        let filter = Filter::parse(query).ok_or_else(|| Refusal::InvalidArgument(String::new()))?;
        let all = self.schedules.iter().filter(|((of, _), _)| of == namespace);
        let accepted = all.filter(|((_, id), schedule)| {
            filter.accepts(|name| match name {
                "ScheduleId" => id.to_string(),
                "TemporalSchedulePaused" => schedule.wanted.state.paused.to_string(),
                _ => String::new(),
            })
        });
        Ok(accepted.collect())
    }

    pub(super) fn list_schedules(&self, list: &ListSchedules) -> Result<Reply, Refusal> {
        let mut found = self.schedules_found(&list.namespace, &list.query)?;
        found.retain(|((_, id), _)| list.after.as_ref().is_none_or(|after| id > after));
        let has_more = found.len() > list.page_size;
        found.truncate(list.page_size);
        let next = found.last().filter(|_| has_more).map(|((_, id), _)| id.clone());
        let entry = |((_, id), schedule): (&Key, &Schedule)| ScheduleListEntry {
            schedule_id: id.clone(),
            memo: schedule.memo.clone(),
            search_attributes: Header::new(),
            spec: schedule.wanted.spec.clone(),
            workflow_type: schedule.wanted.action.workflow_type.clone(),
            notes: schedule.wanted.state.notes.clone(),
            paused: schedule.wanted.state.paused,
            recent_actions: schedule.recent.iter().rev().take(5).rev().cloned().collect(),
            future_action_times: schedule.future(self.now, 5),
            state_size_bytes: 0,
        };
        Ok(Reply::SchedulesListed { schedules: found.into_iter().map(entry).collect(), next })
    }

    pub(super) fn count_schedules(&self, namespace: &Namespace, query: &str) -> Result<Reply, Refusal> {
        let count = self.schedules_found(namespace, query)?.len() as u64;
        Ok(Reply::Counted { count, groups: Vec::new() })
    }

    pub(super) fn schedule_times(
        &self,
        key: &Key,
        start_time: Timestamp,
        end_time: Timestamp,
    ) -> Result<Reply, Refusal> {
        let spec = &self.schedule(key)?.wanted.spec;
        Ok(Reply::ScheduleTimes(
            after(spec, start_time).take(1_000).take_while(|time| *time <= end_time).collect(),
        ))
    }
}
