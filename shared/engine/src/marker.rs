//! Markers: what a workflow records of its own, for its next replay. The engine keeps them and reads none.

use std::collections::BTreeMap;

use tidegate_model::codec;
use tidegate_model::event::{Event, UserMetadata, WorkflowTaskFailedCause};
use tidegate_model::payload::{Failure, Header, Payload, Payloads};

use crate::bounds;
use crate::plan::{BadCommand, Draft};

impl Draft<'_> {
    pub(crate) fn record_marker(
        &mut self,
        marker_name: String,
        details: BTreeMap<String, Payloads>,
        header: Header,
        failure: Option<Failure>,
        user_metadata: Option<Box<UserMetadata>>,
    ) -> Result<Event, BadCommand> {
        let bad = |reason| BadCommand::new(WorkflowTaskFailedCause::BadRecordMarkerAttributes, reason);
        bounds::required_id("marker name", &marker_name).map_err(bad)?;
        let bytes = |payloads: &Payloads| payloads.iter().map(Payload::size).sum::<usize>();
        let bytes = details.iter().map(|(key, payloads)| key.len() + bytes(payloads)).sum();
        bounds::blob("details of a marker", bytes, self.settings).map_err(bad)?;
        bounds::header("header of a marker", &header, self.settings).map_err(bad)?;
        let bytes = failure.as_ref().map_or(0, |failure| codec::to_cbor(failure).len());
        bounds::blob("failure of a marker", bytes, self.settings).map_err(bad)?;
        Ok(Event::MarkerRecorded {
            marker_name,
            details,
            workflow_task_completed_event_id: self.completed_event_id,
            header,
            failure,
            user_metadata,
        })
    }
}
