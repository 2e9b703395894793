//! What an SDK remembers with the workflow tasks it completes. In a history it is JSON in protobuf's own mapping, so that
//! it can be read where there is no protobuf: by the command line and by the workers of other kinds.

use serde::{Deserialize, Serialize};
use tidegate_model::payload::Payload;

use crate::proto::sdk::WorkflowTaskCompletedMetadata;

/// `temporal.api.sdk.v1.WorkflowTaskCompletedMetadata` in JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Json {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    core_used_flags: Vec<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lang_used_flags: Vec<u32>,
    #[serde(skip_serializing_if = "String::is_empty")]
    sdk_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    sdk_version: String,
}

/// `None` where it says nothing.
pub(crate) fn to_payload(metadata: WorkflowTaskCompletedMetadata) -> Option<Payload> {
    if metadata == WorkflowTaskCompletedMetadata::default() {
        return None;
    }
    let WorkflowTaskCompletedMetadata { core_used_flags, lang_used_flags, sdk_name, sdk_version } = metadata;
    let json = Json { core_used_flags, lang_used_flags, sdk_name, sdk_version };
    let json = serde_json::to_string(&json).expect("numbers and texts can be written");
    Some(Payload::json(json))
}

/// `None` where it is not of this form: it was written by a worker of another kind.
pub(crate) fn of_payload(payload: &Payload) -> Option<WorkflowTaskCompletedMetadata> {
    let json: Json = serde_json::from_slice(&payload.data).ok()?;
    let Json { core_used_flags, lang_used_flags, sdk_name, sdk_version } = json;
    Some(WorkflowTaskCompletedMetadata { core_used_flags, lang_used_flags, sdk_name, sdk_version })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_as_json_and_comes_back_whole() {
        let metadata = WorkflowTaskCompletedMetadata {
            core_used_flags: vec![1, 4],
            lang_used_flags: vec![],
            sdk_name: "temporal-python".to_owned(),
            sdk_version: "1.35.0".to_owned(),
        };
        let payload = to_payload(metadata.clone()).expect("it says something");
        let json = r#"{"coreUsedFlags":[1,4],"sdkName":"temporal-python","sdkVersion":"1.35.0"}"#;
        assert_eq!(payload, Payload::json(json));
        assert_eq!(of_payload(&payload), Some(metadata));
        assert_eq!(to_payload(WorkflowTaskCompletedMetadata::default()), None);
        assert_eq!(of_payload(&Payload::json("7")), None);
    }
}
