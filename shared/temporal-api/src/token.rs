//! What callers are given to bring back: tasks, and places in what they page through. Opaque to them; each says all that
//! is needed to go on, so that it outlives the process. In the model's envelope: what is damaged, or was made by
//! something else, is recognised.

use serde::{Deserialize, Serialize};
use tidegate_engine::{ActivityTaskToken, ListToken, QueryToken, WorkflowTaskToken};
use tidegate_model::codec::{self, Kind};
use tidegate_model::event::Event;
use tidegate_model::id::{EventId, Namespace, RunId, ScheduleId};
use tidegate_model::limits::API_TOKEN_BYTES_MAX;
use tidegate_model::time::Timestamp;

use crate::convert::Invalid;

/// A token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Token {
    /// One attempt of a workflow task.
    WorkflowTask {
        /// Where its workflow lives: what its commands mean by "here".
        namespace: Namespace,
        /// The attempt.
        task: WorkflowTaskToken,
    },
    /// One attempt of an activity.
    ActivityTask(ActivityTaskToken),
    /// A query that went out as a task of its own.
    Query(QueryToken),
    /// A place in a history.
    History(HistoryPlace),
    /// A place in a history that is read backwards: everything from this event on was given.
    Reverse {
        /// The run.
        run_id: RunId,
        /// The event.
        before: EventId,
    },
    /// A place in a list of runs.
    List(ListToken),
    /// A place in the list of namespaces: behind this one.
    Namespaces(Namespace),
    /// A place in a list of schedules: behind this one.
    Schedules(ScheduleId),
}

/// See [`Token::History`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct HistoryPlace {
    /// The run. Other runs of the execution are another history.
    pub(crate) run_id: RunId,
    /// The next event to give.
    pub(crate) next: EventId,
    /// The last event there was when the token was made; `None` where nobody had asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<EventId>,
    /// Whether more could come then.
    pub(crate) is_open: bool,
    /// Events of an attempt of a workflow task that are in no log: they follow the last one, for the worker that has
    /// this attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) transient: Vec<(Timestamp, Event)>,
}

impl Token {
    /// As a caller gets it.
    pub(crate) fn seal(&self) -> Vec<u8> {
        codec::encode(Kind::ApiToken, self)
    }

    /// What a caller brings back in `field`.
    pub(crate) fn open(field: &str, bytes: &[u8]) -> Result<Self, Invalid> {
        codec::decode(Kind::ApiToken, bytes, API_TOKEN_BYTES_MAX)
            .map_err(|error| Invalid::new(field, format_args!("not a token of this server: {error}")))
    }

    /// What a caller brings back in `field`, if anything.
    pub(crate) fn open_any(field: &str, bytes: &[u8]) -> Result<Option<Self>, Invalid> {
        if bytes.is_empty() { Ok(None) } else { Self::open(field, bytes).map(Some) }
    }
}

/// A token that is right, in the wrong place.
pub(crate) fn misplaced(field: &str) -> Invalid {
    Invalid::new(field, "a token that was given out for something else")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token::ActivityTask(ActivityTaskToken {
            run_id: RunId::from_u128(7),
            scheduled_event_id: 5,
            attempt: 2,
        })
    }

    #[test]
    fn a_token_comes_back_as_it_went_and_a_damaged_one_does_not() {
        let sealed = token().seal();
        assert_eq!(Token::open("task_token", &sealed), Ok(token()));
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 0x10;
            let words = Token::open("task_token", &damaged).expect_err("damaged").to_string();
            assert!(words.starts_with("task_token: not a token of this server"), "{words}");
        }
        assert!(Token::open("task_token", b"").is_err());
        assert!(Token::open("task_token", &codec::encode(Kind::Hello, &token())).is_err());
        assert!(Token::open("task_token", &vec![0; API_TOKEN_BYTES_MAX + 1]).is_err());
        assert_eq!(Token::open_any("next_page_token", b""), Ok(None));
    }
}
