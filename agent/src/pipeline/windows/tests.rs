//! Windows, tried with readings at every time.

use super::*;

pub(in crate::pipeline) fn summary() -> WindowSummary {
    WindowSummary {
        pipeline: "ward".to_owned(),
        definition: "0123456789abcdef".to_owned(),
        source: SourceId::new("ward/bed-12").expect("a source"),
        channel: Channel::new("HR").expect("a channel"),
        start: Timestamp::from_micros(1_795_459_200_000_000),
        end: Timestamp::from_micros(1_795_459_260_000_000),
        count: 3,
        missing: 1,
        min: None,
        max: Some(140.0),
        mean: Some(131.5),
        first_reading: 5,
        last_reading: 9,
        condition: Some(true),
        condition_error: None,
        late: 0,
        cut_short: false,
    }
}
