//! What is known of a turn beyond its events: what the code said in answer, where it was answered before.

use std::collections::{BTreeMap, VecDeque};

use tidegate_engine::{Command, UpdateMessage, WorkerMessageBody};
use tidegate_model::event::{Event, UpdateRequest};
use tidegate_model::id::EventId;

use super::fault;
use super::markers::Marker;
use super::replay::{Entry, Turn};

/// See above.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// It was answered before.
    pub(super) is_answered: bool,
    /// What it recorded; absent in a turn that is new.
    pub(super) markers: Option<Vec<Marker>>,
    /// Updates to be handled in it. Where it was answered before, those it let in.
    pub(super) updates: Vec<UpdateMessage>,
}

impl Ahead {
    /// A turn that is new.
    pub(super) fn new(updates: Vec<UpdateMessage>) -> Self {
        Self { is_answered: false, markers: None, updates }
    }

    /// A turn that was answered so a moment ago, to be repeated.
    pub(super) fn again(turn: &Turn) -> Self {
        let markers = turn.commands.iter().filter_map(|command| {
            let Command::RecordMarker { marker_name, details, failure, .. } = command else { return None };
            Some(Marker {
                name: marker_name.clone(),
                details: details.clone(),
                failure: failure.clone(),
                event_id: None,
            })
        });
        let updates = turn.messages.iter().filter_map(|message| match &message.body {
            WorkerMessageBody::Acceptance {
                accepted_request_message_id,
                accepted_request_sequencing_event_id,
                accepted_request: Some(request),
            } => Some(UpdateMessage {
                id: accepted_request_message_id.clone(),
                sequencing_event_id: *accepted_request_sequencing_event_id,
                request: (**request).clone(),
            }),
            WorkerMessageBody::Acceptance { accepted_request: None, .. }
            | WorkerMessageBody::Rejection { .. }
            | WorkerMessageBody::Response { .. } => None,
        });
        Self { is_answered: true, markers: Some(markers.collect()), updates: updates.collect() }
    }
}

/// What came of a turn, by the history behind it. `admitted` are the requests that earlier events hold.
pub(super) fn look(rest: &VecDeque<Entry>, admitted: &BTreeMap<String, UpdateRequest>) -> Ahead {
    let mut ahead = Ahead { is_answered: true, markers: Some(Vec::new()), updates: Vec::new() };
    let traces = rest.iter().skip(1).take_while(|entry| {
        fault::is_command_event(&entry.event) || matches!(entry.event, Event::ActivityTaskCanceled { .. })
    });
    for Entry { id: event_id, event, .. } in traces {
        if let Event::MarkerRecorded { marker_name, details, failure, .. } = event {
            let marker = Marker {
                name: marker_name.clone(),
                details: details.clone(),
                failure: failure.clone(),
                event_id: Some(*event_id),
            };
            ahead.markers.get_or_insert_default().push(marker);
        }
        if let Event::WorkflowExecutionUpdateAccepted {
            protocol_instance_id,
            accepted_request_message_id,
            accepted_request_sequencing_event_id,
            accepted_request,
        } = event
        {
            let request = accepted_request.as_deref().or_else(|| admitted.get(protocol_instance_id));
            let id = accepted_request_message_id;
            ahead
                .updates
                .extend(request.map(|request| message(id, *accepted_request_sequencing_event_id, request)));
        }
    }
    ahead
}

fn message(id: &str, sequencing_event_id: EventId, request: &UpdateRequest) -> UpdateMessage {
    UpdateMessage { id: id.to_owned(), sequencing_event_id, request: request.clone() }
}
