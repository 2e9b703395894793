//! Schedules: created, read, changed, patched, deleted, listed.

mod inward;
mod outward;

use tidegate_engine::{
    CreateSchedule, ListSchedules, PatchSchedule, Reply, Request, UpdateSchedule, WorkflowService,
};
use tidegate_model::id::ScheduleId;
use tidegate_model::limits::API_LIST_PAGE_MAX;
use tidegate_model::time::Timestamp;
use tonic::Status;

use crate::api::{Api, unexpected};
use crate::convert::inward as common;
use crate::convert::inward::Checked;
use crate::convert::{Invalid, outward as plain};
use crate::proto::service::*;
use crate::token::{Token, misplaced};

const TOKEN: &str = "next_page_token";

fn schedule_id(text: &str) -> Checked<ScheduleId> {
    text.parse().map_err(|error| Invalid::new("schedule_id", error))
}

/// Which state of a schedule a caller has seen, as he gets it; eight bytes, as on Temporal.
fn conflict_token(token: u64) -> Vec<u8> {
    token.to_be_bytes().to_vec()
}

/// `None` for a caller that does not care what has changed.
fn read_conflict_token(bytes: &[u8]) -> Checked<Option<u64>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let bytes = bytes.try_into().map_err(|_| Invalid::new("conflict_token", "not a token of this server"))?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

pub(crate) async fn create<S: WorkflowService>(
    api: &Api<S>,
    request: CreateScheduleRequest,
) -> Result<CreateScheduleResponse, Status> {
    let create = CreateSchedule {
        namespace: common::namespace(&request.namespace)?,
        schedule_id: schedule_id(&request.schedule_id)?,
        schedule: inward::schedule(request.schedule)?,
        initial_patch: request
            .initial_patch
            .map(|patch| inward::patch("initial_patch", patch))
            .transpose()?,
        identity: request.identity,
        request_id: request.request_id,
        memo: common::memo(request.memo),
        search_attributes: common::search_attributes(request.search_attributes),
    };
    let Reply::ScheduleCreated { conflict_token: token } =
        api.ask(Request::CreateSchedule(Box::new(create))).await?
    else {
        return Err(unexpected());
    };
    Ok(CreateScheduleResponse { conflict_token: conflict_token(token) })
}

pub(crate) async fn describe<S: WorkflowService>(
    api: &Api<S>,
    request: DescribeScheduleRequest,
) -> Result<DescribeScheduleResponse, Status> {
    let namespace = common::namespace(&request.namespace)?;
    let schedule_id = schedule_id(&request.schedule_id)?;
    let describe = Request::DescribeSchedule { namespace, schedule_id };
    let Reply::ScheduleDescribed(described) = api.ask(describe).await? else { return Err(unexpected()) };
    Ok(DescribeScheduleResponse {
        schedule: Some(outward::schedule(described.schedule)),
        info: Some(outward::info(described.info)),
        memo: Some(plain::memo(described.memo).unwrap_or_default()),
        search_attributes: Some(plain::search_attributes(described.search_attributes).unwrap_or_default()),
        conflict_token: conflict_token(described.conflict_token),
    })
}

/// Asks for something that is either taken or refused.
async fn done<S: WorkflowService>(api: &Api<S>, request: Request) -> Result<(), Status> {
    let Reply::Done = api.ask(request).await? else { return Err(unexpected()) };
    Ok(())
}

pub(crate) async fn update<S: WorkflowService>(
    api: &Api<S>,
    request: UpdateScheduleRequest,
) -> Result<UpdateScheduleResponse, Status> {
    let update = UpdateSchedule {
        namespace: common::namespace(&request.namespace)?,
        schedule_id: schedule_id(&request.schedule_id)?,
        schedule: inward::schedule(request.schedule)?,
        conflict_token: read_conflict_token(&request.conflict_token)?,
        identity: request.identity,
        request_id: request.request_id,
        search_attributes: request
            .search_attributes
            .map(|attributes| common::search_attributes(Some(attributes))),
        memo: request.memo.map(|memo| common::memo(Some(memo))),
    };
    done(api, Request::UpdateSchedule(Box::new(update))).await?;
    Ok(UpdateScheduleResponse {})
}

pub(crate) async fn patch<S: WorkflowService>(
    api: &Api<S>,
    request: PatchScheduleRequest,
) -> Result<PatchScheduleResponse, Status> {
    let patch = PatchSchedule {
        namespace: common::namespace(&request.namespace)?,
        schedule_id: schedule_id(&request.schedule_id)?,
        patch: inward::patch("patch", request.patch.unwrap_or_default())?,
        identity: request.identity,
        request_id: request.request_id,
    };
    done(api, Request::PatchSchedule(Box::new(patch))).await?;
    Ok(PatchScheduleResponse {})
}

pub(crate) async fn delete<S: WorkflowService>(
    api: &Api<S>,
    request: DeleteScheduleRequest,
) -> Result<DeleteScheduleResponse, Status> {
    let namespace = common::namespace(&request.namespace)?;
    let schedule_id = schedule_id(&request.schedule_id)?;
    done(api, Request::DeleteSchedule { namespace, schedule_id, identity: request.identity }).await?;
    Ok(DeleteScheduleResponse {})
}

pub(crate) async fn list<S: WorkflowService>(
    api: &Api<S>,
    request: ListSchedulesRequest,
) -> Result<ListSchedulesResponse, Status> {
    let asked = common::count("maximum_page_size", request.maximum_page_size)?;
    let size = usize::try_from(asked).unwrap_or(usize::MAX);
    let after = match Token::open_any(TOKEN, &request.next_page_token)? {
        None => None,
        Some(Token::Schedules(after)) => Some(after),
        Some(_) => return Err(misplaced(TOKEN).into()),
    };
    let list = ListSchedules {
        namespace: common::namespace(&request.namespace)?,
        query: request.query,
        page_size: if size == 0 { API_LIST_PAGE_MAX } else { size.min(API_LIST_PAGE_MAX) },
        after,
    };
    let Reply::SchedulesListed { schedules, next } = api.ask(Request::ListSchedules(list)).await? else {
        return Err(unexpected());
    };
    Ok(ListSchedulesResponse {
        schedules: schedules.into_iter().map(outward::list_entry).collect(),
        next_page_token: next.map(|next| Token::Schedules(next).seal()).unwrap_or_default(),
    })
}

pub(crate) async fn count<S: WorkflowService>(
    api: &Api<S>,
    request: CountSchedulesRequest,
) -> Result<CountSchedulesResponse, Status> {
    let namespace = common::namespace(&request.namespace)?;
    let count = Request::CountSchedules { namespace, query: request.query };
    let Reply::Counted { count, groups: _ } = api.ask(count).await? else { return Err(unexpected()) };
    Ok(CountSchedulesResponse { count: plain::id(count), groups: Vec::new() })
}

pub(crate) async fn list_matching_times<S: WorkflowService>(
    api: &Api<S>,
    request: ListScheduleMatchingTimesRequest,
) -> Result<ListScheduleMatchingTimesResponse, Status> {
    let time = |field: &str, at| -> Checked<Timestamp> {
        common::timestamp(field, at)?.ok_or_else(|| Invalid::new(field, "a time must be given"))
    };
    let list = Request::ListScheduleMatchingTimes {
        namespace: common::namespace(&request.namespace)?,
        schedule_id: schedule_id(&request.schedule_id)?,
        start_time: time("start_time", request.start_time)?,
        end_time: time("end_time", request.end_time)?,
    };
    let Reply::ScheduleTimes(times) = api.ask(list).await? else { return Err(unexpected()) };
    Ok(ListScheduleMatchingTimesResponse { start_time: times.into_iter().map(plain::timestamp).collect() })
}
