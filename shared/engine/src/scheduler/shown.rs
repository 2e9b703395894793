//! What is to be seen of schedules.

use std::ops::Bound;

use tidegate_model::codec;
use tidegate_model::id::{Namespace, RunId, ScheduleId};
use tidegate_model::limits::{
    LIST_RUNS_MAX, SCHEDULE_FUTURE_ACTIONS_MAX, SCHEDULE_LISTED_ACTIONS_MAX, SCHEDULE_LISTED_ENTRIES_MAX,
    SCHEDULE_MATCHING_TIMES_MAX,
};
use tidegate_model::payload::{Header, Payload};
use tidegate_model::time::Timestamp;

use crate::bounds::Wrong;
use crate::engine::{Engine, Step};
use crate::request::{
    ListSchedules, Refusal, Reply, RunStatus, ScheduleDescription, ScheduleInfo, ScheduleListEntry,
};
use crate::schedule::ScheduleSpec;
use crate::search_attributes::SCHEDULED_BY_ID;
use crate::visibility::{Filter, Row};

use super::act::json;
use super::clock::CalendarTime;
use super::state::Scheduled;

/// What a schedule is called among workflows, with its id behind it.
const WORKFLOW_ID_PREFIX: &str = "temporal-sys-scheduler:";
/// What a schedule can be found by besides its own search attributes.
const PAUSED: &str = "TemporalSchedulePaused";

impl Engine {
    pub(crate) fn describe_schedule(
        &self,
        step: &Step<'_>,
        namespace: Namespace,
        schedule_id: ScheduleId,
    ) -> Result<Reply, Refusal> {
        let scheduled = self.schedule(&(namespace, schedule_id))?;
        let calendar = CalendarTime::new(step.now, &step.stamp);
        Ok(Reply::ScheduleDescribed(Box::new(scheduled.description(calendar))))
    }

    pub(crate) fn list_schedules(&self, step: &Step<'_>, list: &ListSchedules) -> Result<Reply, Refusal> {
        let filter = self.filter(Some(&list.namespace), &list.query)?;
        let calendar = CalendarTime::new(step.now, &step.stamp);
        let page_size = list.page_size.clamp(1, LIST_RUNS_MAX);
        let mut found = self
            .schedules_of(&list.namespace, list.after.as_ref())
            .filter(|scheduled| scheduled.is_accepted(&filter));
        let schedules: Vec<ScheduleListEntry> =
            found.by_ref().take(page_size).map(|scheduled| scheduled.entry(calendar)).collect();
        let last = schedules.last().map(|entry| entry.schedule_id.clone());
        let next = last.filter(|_| schedules.len() == page_size && found.next().is_some());
        Ok(Reply::SchedulesListed { schedules, next })
    }

    pub(crate) fn count_schedules(&self, namespace: &Namespace, query: &str) -> Result<Reply, Refusal> {
        let filter = self.filter(Some(namespace), query)?;
        let found = self.schedules_of(namespace, None).filter(|scheduled| scheduled.is_accepted(&filter));
        Ok(Reply::Counted { count: found.count() as u64, groups: Vec::new() })
    }

    pub(crate) fn list_schedule_times(
        &self,
        namespace: Namespace,
        schedule_id: ScheduleId,
        start_time: Timestamp,
        end_time: Timestamp,
    ) -> Result<Reply, Refusal> {
        let scheduled = self.schedule(&(namespace, schedule_id))?;
        let Some(spec) = &scheduled.outlook.times else {
            return Err(Wrong(format!("Invalid schedule spec: {}", scheduled.outlook.error)).into());
        };
        let mut times = Vec::new();
        for time in spec.after(&scheduled.outlook.seed, start_time).take(SCHEDULE_MATCHING_TIMES_MAX) {
            let time = time.map_err(|limit| Wrong(limit.to_string()))?;
            if time.actual > end_time {
                break;
            }
            times.push(time.actual);
        }
        Ok(Reply::ScheduleTimes(times))
    }

    fn schedules_of(
        &self,
        namespace: &Namespace,
        after: Option<&ScheduleId>,
    ) -> impl Iterator<Item = &Scheduled> {
        self.schedules.of(namespace, after)
    }
}

impl super::Schedules {
    /// Those of a namespace, in the order of their ids, from the one behind `after`.
    fn of(&self, namespace: &Namespace, after: Option<&ScheduleId>) -> impl Iterator<Item = &Scheduled> {
        // No id is empty, so there is none to begin a range with: the others are passed over.
        let from = match after {
            Some(after) => Bound::Excluded((namespace.clone(), after.clone())),
            None => self
                .by_key
                .keys()
                .find(|(of, _)| of == namespace)
                .map_or(Bound::Unbounded, |first| Bound::Included(first.clone())),
        };
        let namespace = namespace.clone();
        self.by_key
            .range((from, Bound::Unbounded))
            .take_while(move |((of, _), _)| *of == namespace)
            .map(|(_, scheduled)| scheduled)
    }
}

impl Scheduled {
    fn description(&self, calendar: CalendarTime) -> ScheduleDescription {
        let running = self.running.iter().filter(|running| running.closed.is_none());
        ScheduleDescription {
            schedule: self.schedule.clone(),
            info: ScheduleInfo {
                action_count: self.counts.action,
                missed_catchup_window: self.counts.missed_catchup_window,
                overlap_skipped: self.counts.overlap_skipped,
                buffer_dropped: self.counts.buffer_dropped,
                buffer_size: self.waiting.len() as u64,
                running_workflows: running
                    .map(|running| (running.workflow_id.clone(), running.run_id))
                    .collect(),
                recent_actions: self.recent.iter().cloned().collect(),
                future_action_times: self.future(calendar, SCHEDULE_FUTURE_ACTIONS_MAX),
                create_time: self.create_time,
                update_time: self.update_time,
                invalid_schedule_error: self.outlook.error.clone(),
                state_size_bytes: codec::to_cbor(self).len() as u64,
            },
            memo: self.memo.clone(),
            search_attributes: self.search_attributes.clone(),
            conflict_token: self.conflict_token,
        }
    }

    fn entry(&self, calendar: CalendarTime) -> ScheduleListEntry {
        let spec = &self.schedule.spec;
        let first = SCHEDULE_LISTED_ENTRIES_MAX;
        let recent = self.recent.len().saturating_sub(SCHEDULE_LISTED_ACTIONS_MAX);
        ScheduleListEntry {
            schedule_id: self.schedule_id.clone(),
            memo: self.memo.clone(),
            search_attributes: self.search_attributes.clone(),
            spec: ScheduleSpec {
                structured_calendar: spec.structured_calendar.iter().take(first).cloned().collect(),
                interval: spec.interval.iter().take(first).copied().collect(),
                exclude_structured_calendar: spec
                    .exclude_structured_calendar
                    .iter()
                    .take(first)
                    .cloned()
                    .collect(),
                start_time: spec.start_time,
                end_time: spec.end_time,
                jitter: spec.jitter,
                timezone_name: spec.timezone_name.clone(),
                ..ScheduleSpec::default()
            },
            workflow_type: self.schedule.action.workflow_type.clone(),
            notes: self.schedule.state.notes.clone(),
            paused: self.schedule.state.paused,
            recent_actions: self.recent.iter().skip(recent).cloned().collect(),
            future_action_times: self.future(calendar, SCHEDULE_LISTED_ACTIONS_MAX),
            state_size_bytes: codec::to_cbor(self).len() as u64,
        }
    }

    /// The next times on which it would act, at most as many as actions are left to it.
    fn future(&self, calendar: CalendarTime, count: usize) -> Vec<Timestamp> {
        let Some(times) = &self.outlook.times else { return Vec::new() };
        let state = &self.schedule.state;
        let left = if state.limited_actions { state.remaining_actions } else { u64::MAX };
        let count = usize::try_from(left).unwrap_or(count).min(count);
        // While it may not act, time passes without being dealt with.
        let from = if self.can_act() { self.dealt_with } else { self.dealt_with.max(calendar.now) };
        let from = times.after(&self.outlook.seed, from).map_while(Result::ok).map(|time| time.actual);
        from.filter(|time| self.update_time.is_none_or(|updated| updated <= *time)).take(count).collect()
    }

    fn is_accepted(&self, filter: &Filter) -> bool {
        let mut search_attributes: Header = self.search_attributes.clone();
        let paused = Payload::json(self.schedule.state.paused.to_string());
        search_attributes.insert(PAUSED.to_owned(), paused);
        // What a query calls `ScheduleId`.
        search_attributes.insert(SCHEDULED_BY_ID.to_owned(), json(self.schedule_id.as_str()));
        let workflow_id = format!("{WORKFLOW_ID_PREFIX}{}", self.schedule_id);
        filter.accepts(&Row {
            workflow_id: &workflow_id,
            run_id: RunId::from_u128(0),
            workflow_type: "temporal-sys-scheduler-workflow",
            task_queue: "",
            status: RunStatus::Running,
            start_time: self.create_time,
            execution_time: self.create_time,
            close_time: None,
            history_length: 0,
            history_size_bytes: 0,
            state_transition_count: 0,
            parent: None,
            root: (&workflow_id, RunId::from_u128(0)),
            search_attributes: &search_attributes,
        })
    }
}
