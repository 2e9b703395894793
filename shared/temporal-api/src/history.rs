//! Reading histories: page by page, waiting for more, only the end, backwards; and the history a task comes with.

use prost::Message as _;
use tidegate_engine::{HistoryStanding, Reply, Request, WaitForHistory, WorkflowService};
use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::limits::{API_HISTORY_PAGE_BYTES_MAX, API_HISTORY_PAGE_EVENTS_MAX};
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::api::{Api, Patience, unexpected};
use crate::convert::inward::{self, Checked};
use crate::convert::{Invalid, outward};
use crate::event;
use crate::proto::enums::{EventType, HistoryEventFilterType};
use crate::proto::history::history_event::Attributes;
use crate::proto::history::{History, HistoryEvent, WorkflowExecutionContinuedAsNewEventAttributes};
use crate::proto::service::*;
use crate::token::{HistoryPlace, Token, misplaced};

const TOKEN: &str = "next_page_token";

/// A caller that follows `new_execution_run_id` by himself says so in the header `supported-features`.
const FOLLOWS_NEXT_RUN: &str = "follows-next-run-id";

/// Who is asked about.
struct Asked {
    namespace: Namespace,
    workflow_id: WorkflowId,
    run_id: Option<RunId>,
}

impl Asked {
    /// How far the history goes; with `wait_beyond`, once it goes further. `None` when the caller's patience ended.
    async fn standing<S: WorkflowService>(
        &self,
        api: &Api<S>,
        patience: Patience,
        wait_beyond: Option<EventId>,
        until_closed: bool,
    ) -> Result<Option<HistoryStanding>, Status> {
        let request = Request::WaitForHistory(WaitForHistory {
            namespace: self.namespace.clone(),
            workflow_id: self.workflow_id.clone(),
            run_id: self.run_id,
            wait_beyond,
            until_closed,
        });
        match api.wait(patience, request).await? {
            Some(Reply::History(standing)) => Ok(Some(standing)),
            Some(_) => Err(unexpected()),
            None => Ok(None),
        }
    }

    /// How far it goes now.
    async fn standing_now<S: WorkflowService>(&self, api: &Api<S>) -> Result<HistoryStanding, Status> {
        let now = self.standing(api, Patience::endless(), None, false).await?;
        now.ok_or_else(|| Status::unavailable("the server is shutting down"))
    }
}

pub(crate) async fn get<S: WorkflowService>(
    api: &Api<S>,
    metadata: &MetadataMap,
    request: GetWorkflowExecutionHistoryRequest,
) -> Result<GetWorkflowExecutionHistoryResponse, Status> {
    let (workflow_id, run_id) = inward::execution("execution", request.execution)?;
    let mut asked = Asked { namespace: inward::namespace(&request.namespace)?, workflow_id, run_id };
    let place = match Token::open_any(TOKEN, &request.next_page_token)? {
        None => None,
        Some(Token::History(place)) => Some(place),
        Some(_) => return Err(misplaced(TOKEN).into()),
    };
    if let Some(place) = &place {
        if asked.run_id.is_some_and(|run_id| run_id != place.run_id) {
            return Err(Invalid::new(TOKEN, "it is of another run than execution.run_id").into());
        }
        asked.run_id = Some(place.run_id);
    }
    let patience = Patience::of(metadata);
    let events_max = page_size(request.maximum_page_size)?;
    if request.history_event_filter_type == i32::from(HistoryEventFilterType::CloseEvent) {
        let follows = follows_next_run(metadata);
        return close_event(api, &asked, patience, place, request.wait_new_event, follows).await;
    }
    all_events(api, &asked, patience, place, request.wait_new_event, events_max).await
}

/// How many events a page should have; 0 leaves it to us.
fn page_size(asked: i32) -> Checked<usize> {
    let asked = usize::try_from(inward::count("maximum_page_size", asked)?).unwrap_or(usize::MAX);
    Ok(if asked == 0 { API_HISTORY_PAGE_EVENTS_MAX } else { asked.min(API_HISTORY_PAGE_EVENTS_MAX) })
}

async fn all_events<S: WorkflowService>(
    api: &Api<S>,
    asked: &Asked,
    patience: Patience,
    place: Option<HistoryPlace>,
    wait: bool,
    events_max: usize,
) -> Result<GetWorkflowExecutionHistoryResponse, Status> {
    let mut place = match place {
        Some(place) => place,
        None => {
            let standing = asked.standing_now(api).await?;
            HistoryPlace {
                run_id: standing.run_id,
                next: 1,
                last: Some(standing.last_event_id),
                is_open: standing.is_open,
                transient: Vec::new(),
            }
        }
    };
    let all_given = place.last.is_some_and(|last| place.next > last);
    if all_given && wait && place.is_open {
        let beyond = place.next.saturating_sub(1);
        match asked.standing(api, patience, Some(beyond), false).await? {
            Some(standing) => {
                place.last = Some(standing.last_event_id);
                place.is_open = standing.is_open;
            }
            None => return Ok(response(Vec::new(), Some(place))),
        }
    }
    let Page { events, rest, is_last } = page(api, place, asked.workflow_id.as_str(), events_max).await?;
    let more = !is_last || wait && rest.is_open;
    Ok(response(events, more.then_some(rest)))
}

/// Some events of a history.
pub(crate) struct Page {
    /// The events.
    pub(crate) events: Vec<HistoryEvent>,
    /// The place behind them.
    pub(crate) rest: HistoryPlace,
    /// Whether that is the end of what there was when the place was made.
    pub(crate) is_last: bool,
}

/// The events from a place on. Batches are what replay steps by: they are not split, so a page may have some events more
/// than asked for.
pub(crate) async fn page<S: WorkflowService>(
    api: &Api<S>,
    mut place: HistoryPlace,
    workflow_id: &str,
    events_max: usize,
) -> Result<Page, Status> {
    let last = place.last.unwrap_or(EventId::MAX);
    let (mut events, mut bytes) = (Vec::new(), 0);
    if place.next <= last {
        for batch in api.history(place.run_id, place.next, events_max).await? {
            if events.len() >= events_max
                || bytes >= API_HISTORY_PAGE_BYTES_MAX
                || batch.first_event_id > last
            {
                break;
            }
            let next = batch.next_event_id();
            let wanted = outward::id(place.next)..=outward::id(last);
            for event in event::of_batch(batch).filter(|event| wanted.contains(&event.event_id)) {
                bytes += event.encoded_len();
                events.push(event);
            }
            place.next = next;
        }
        if events.is_empty() && place.last.is_some() {
            // Trimmed, or another store: a reader that is sent on would ask for ever.
            return Err(Status::data_loss("this part of the run's history is no longer there"));
        }
    }
    let is_last = match place.last {
        Some(last) => place.next > last,
        None => events.len() < events_max && bytes < API_HISTORY_PAGE_BYTES_MAX,
    };
    if is_last {
        let transient = std::mem::take(&mut place.transient);
        events.extend(
            (place.next..)
                .zip(transient)
                .map(|(id, (at, event))| event::numbered(id, at, event, workflow_id)),
        );
    }
    Ok(Page { events, rest: place, is_last })
}

fn response(events: Vec<HistoryEvent>, next: Option<HistoryPlace>) -> GetWorkflowExecutionHistoryResponse {
    GetWorkflowExecutionHistoryResponse {
        history: Some(History { events }),
        next_page_token: next.map(|place| Token::History(place).seal()).unwrap_or_default(),
        ..Default::default()
    }
}

/// Only the event that closed the run, and nothing while it goes on.
async fn close_event<S: WorkflowService>(
    api: &Api<S>,
    asked: &Asked,
    patience: Patience,
    place: Option<HistoryPlace>,
    wait: bool,
    follows: bool,
) -> Result<GetWorkflowExecutionHistoryResponse, Status> {
    let standing = match place {
        Some(place) if !wait || !place.is_open => {
            let last_event_id = place.last.unwrap_or_default();
            HistoryStanding { run_id: place.run_id, last_event_id, is_open: place.is_open }
        }
        Some(_) | None => asked.standing_now(api).await?,
    };
    let standing = if wait && standing.is_open {
        // From here on it is this run, whatever follows it.
        let asked = Asked {
            namespace: asked.namespace.clone(),
            workflow_id: asked.workflow_id.clone(),
            run_id: Some(standing.run_id),
        };
        asked.standing(api, patience, Some(standing.last_event_id), true).await?.unwrap_or(standing)
    } else {
        standing
    };
    if standing.is_open {
        let place = HistoryPlace {
            run_id: standing.run_id,
            next: standing.last_event_id.saturating_add(1),
            last: Some(standing.last_event_id),
            is_open: true,
            transient: Vec::new(),
        };
        return Ok(response(Vec::new(), wait.then_some(place)));
    }
    let batches = api.history(standing.run_id, standing.last_event_id, 1).await?;
    let last = batches.into_iter().flat_map(event::of_batch).last();
    let last = last.ok_or_else(|| Status::data_loss("the run's history does not have its last event"))?;
    Ok(response(vec![if follows { last } else { as_continued(last) }], None))
}

fn follows_next_run(metadata: &MetadataMap) -> bool {
    let features = metadata.get("supported-features").and_then(|value| value.to_str().ok());
    features.is_some_and(|features| features.split(',').any(|feature| feature.trim() == FOLLOWS_NEXT_RUN))
}

/// A run that ended and is followed by another (a retry, the next of a cron schedule), for callers that know only of
/// continue-as-new and would take its end for the execution's.
fn as_continued(event: HistoryEvent) -> HistoryEvent {
    let following = match &event.attributes {
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(closed)) => &closed.new_execution_run_id,
        Some(Attributes::WorkflowExecutionFailedEventAttributes(closed)) => &closed.new_execution_run_id,
        Some(Attributes::WorkflowExecutionTimedOutEventAttributes(closed)) => &closed.new_execution_run_id,
        Some(_) | None => return event,
    };
    if following.is_empty() {
        return event;
    }
    let attributes = WorkflowExecutionContinuedAsNewEventAttributes {
        new_execution_run_id: following.clone(),
        ..Default::default()
    };
    HistoryEvent {
        event_type: EventType::WorkflowExecutionContinuedAsNew.into(),
        attributes: Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(attributes)),
        ..event
    }
}

/// From the last event backwards.
pub(crate) async fn get_reverse<S: WorkflowService>(
    api: &Api<S>,
    request: GetWorkflowExecutionHistoryReverseRequest,
) -> Result<GetWorkflowExecutionHistoryReverseResponse, Status> {
    let (workflow_id, run_id) = inward::execution("execution", request.execution)?;
    let asked = Asked { namespace: inward::namespace(&request.namespace)?, workflow_id, run_id };
    let events_max = page_size(request.maximum_page_size)?;
    let (run_id, before) = match Token::open_any(TOKEN, &request.next_page_token)? {
        None => {
            let standing = asked.standing_now(api).await?;
            (standing.run_id, standing.last_event_id.saturating_add(1))
        }
        Some(Token::Reverse { run_id, before }) => (run_id, before),
        Some(_) => return Err(misplaced(TOKEN).into()),
    };
    let first = before.saturating_sub(events_max as u64).max(1);
    let mut events = Vec::new();
    let mut from = first;
    // What the log gives at once begins with a whole batch, and so may end before the page does.
    while from < before {
        let batches = api.history(run_id, from, events_max).await?;
        let Some(last) = batches.last() else {
            return Err(Status::data_loss("this part of the run's history is no longer there"));
        };
        let wanted = outward::id(from)..outward::id(before);
        from = last.next_event_id();
        let given = batches.into_iter().flat_map(event::of_batch);
        events.extend(given.filter(|event| wanted.contains(&event.event_id)));
    }
    events.reverse();
    let next = (first > 1).then_some(Token::Reverse { run_id, before: first });
    Ok(GetWorkflowExecutionHistoryReverseResponse {
        history: Some(History { events }),
        next_page_token: next.map(|token| token.seal()).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::history::{
        WorkflowExecutionFailedEventAttributes, WorkflowExecutionTerminatedEventAttributes,
    };

    #[test]
    fn the_end_of_a_run_that_another_follows_is_to_older_callers_a_continuation() {
        let failed = |following: &str| HistoryEvent {
            event_id: 9,
            event_type: EventType::WorkflowExecutionFailed.into(),
            attributes: Some(Attributes::WorkflowExecutionFailedEventAttributes(
                WorkflowExecutionFailedEventAttributes {
                    new_execution_run_id: following.to_owned(),
                    ..Default::default()
                },
            )),
            ..Default::default()
        };
        let continued = as_continued(failed("the next"));
        assert_eq!(continued.event_id, 9);
        assert_eq!(continued.event_type, i32::from(EventType::WorkflowExecutionContinuedAsNew));
        let Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(next)) = continued.attributes
        else {
            panic!("a continuation");
        };
        assert_eq!(next.new_execution_run_id, "the next");
        assert_eq!(as_continued(failed("")), failed(""), "the last run of a chain has ended");
        let terminated = HistoryEvent {
            attributes: Some(Attributes::WorkflowExecutionTerminatedEventAttributes(
                WorkflowExecutionTerminatedEventAttributes::default(),
            )),
            ..Default::default()
        };
        assert_eq!(as_continued(terminated.clone()), terminated);
    }

    #[test]
    fn a_caller_that_follows_by_himself_says_so() {
        let check = |features: Option<&str>, follows| {
            let mut metadata = MetadataMap::new();
            if let Some(features) = features {
                metadata.insert("supported-features", features.parse().expect("ASCII"));
            }
            assert_eq!(follows_next_run(&metadata), follows, "{features:?}");
        };
        check(None, false);
        check(Some("something-else"), false);
        check(Some("something-else, follows-next-run-id"), true);
    }
}
