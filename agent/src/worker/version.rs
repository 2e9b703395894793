//! Which code answered a workflow task, as the history says it: Temporal's `WorkflowTaskCompletedMetadata`, so that its
//! own tools show it. Written where it differs from what the run's history said last.

use std::fmt;

use serde::{Deserialize, Serialize};
use tidegate_model::payload::Payload;

/// The name this worker goes by among SDKs.
const SDK_NAME: &str = "tidegate";

/// An SDK, and the version of it; for this worker, the build of the workflow code.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CodeVersion {
    /// `tidegate`, `temporal-python` and so on.
    pub sdk_name: String,
    /// This worker writes the build of its workflow code here.
    pub sdk_version: String,
}

impl CodeVersion {
    /// Of workflow code in this worker.
    pub(super) fn of_build(build_id: impl Into<String>) -> Self {
        Self { sdk_name: SDK_NAME.to_owned(), sdk_version: build_id.into() }
    }

    /// As it stands in an event.
    pub(super) fn to_payload(&self) -> Payload {
        Payload::json(serde_json::to_vec(self).expect("texts have a JSON form"))
    }

    /// What an event says of it; `None` where it names no SDK.
    #[must_use]
    pub fn of_payload(payload: &Payload) -> Option<Self> {
        serde_json::from_slice(&payload.data).ok().filter(|version: &Self| !version.sdk_name.is_empty())
    }
}

impl fmt::Display for CodeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sdk_name == SDK_NAME {
            write!(f, "build {:?}", self.sdk_version)
        } else {
            write!(f, "{} {}", self.sdk_name, self.sdk_version)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_temporals_tools_read_and_another_sdks_is_read_too() {
        let version = CodeVersion::of_build("1.4.0");
        let payload = version.to_payload();
        assert_eq!(payload, Payload::json(r#"{"sdkName":"tidegate","sdkVersion":"1.4.0"}"#));
        assert_eq!(CodeVersion::of_payload(&payload), Some(version));
        let other = Payload::json(r#"{"coreUsedFlags":[1],"sdkName":"temporal-go","sdkVersion":"1.2"}"#);
        assert_eq!(CodeVersion::of_payload(&other).expect("it names one").to_string(), "temporal-go 1.2");
        for flags_alone in [r#"{"langUsedFlags":[3]}"#, "7"] {
            assert_eq!(CodeVersion::of_payload(&Payload::json(flags_alone)), None);
        }
    }
}
