//! What the formats are called.

use serde_json::{Value, json};

use super::speaking;
use crate::agent::stage::{Stage, fault};
use crate::case::Entry;
use crate::check::holds;

const NAMES: [&str; 5] = ["cloudevent", "default", "http", "http-stream", "json"];
/// Others' names, and names that are spelled otherwise.
const UNKNOWN: [&str; 4] = ["xml", "JSON", "\"json\"", "http_stream"];

pub(super) const CASES: &[Entry<Stage>] = &[Entry::must(
    154,
    "The names of the formats",
    "All five are taken, as JSON texts, written as they were read, and told the function as FN_FORMAT; any other is \
     refused with 400.",
    |stage| {
        for name in NAMES {
            let function = speaking(stage, name)?;
            let told = stage.api("GET", &format!("/v2/fns/{}", function.id), None)?.is(200, "a function")?;
            let told: Value = serde_json::from_slice(&told.body).unwrap_or_default();
            // What is usual need not be said.
            let format = told["format"].as_str().unwrap_or("http-stream");
            holds!(format == name, "the format {name} is read back as {}", told["format"]);
            let seen = function.sees(&function.request("who"))?;
            let found = seen.environment.get("FN_FORMAT").map_or("absent", String::as_str);
            holds!(found == name, "a function of the format {name} was told FN_FORMAT {found}");
        }
        let app = stage.app(&json!({}))?;
        for name in UNKNOWN {
            let new = json!({ "name": "f", "app_id": app.id, "image": stage.image, "format": name });
            fault(&stage.api("POST", "/v2/fns", Some(&new))?, 400, &["format"])?;
        }
        Ok(())
    },
)];
