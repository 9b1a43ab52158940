//! Annotations: what others note down with an object, and the two that we add.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::store::record::{Annotations, Function, Trigger};

use super::Problem;

/// Most annotations of an object.
const COUNT_MAX: usize = 100;
/// Most bytes of a key.
const KEY_BYTES_MAX: usize = 128;
/// Most bytes of a value, written without blanks.
const VALUE_BYTES_MAX: usize = 512;

/// Where a function is called.
const INVOKE_ENDPOINT: &str = "fnproject.io/fn/invokeEndpoint";
/// Where a trigger is called.
const HTTP_ENDPOINT: &str = "fnproject.io/trigger/httpEndpoint";

/// What a new object's annotations are.
pub(super) fn given(given: Option<BTreeMap<String, Value>>) -> Result<Annotations, Problem> {
    let mut annotations = Annotations::new();
    for (key, value) in given.into_iter().flatten() {
        if is_empty(&value) {
            return Err(Problem::invalid(format!("Invalid annotation value: that of {key:?} is empty")));
        }
        annotations.insert(checked(key, &value)?, value);
    }
    counted(annotations.len())?;
    Ok(annotations)
}

/// Sets `annotations` as `given` says; `""` takes one away.
pub(super) fn merge(annotations: &mut Annotations, given: Option<BTreeMap<String, Value>>) -> Result<(), Problem> {
    for (key, value) in given.into_iter().flatten() {
        if is_empty(&value) {
            annotations.remove(&key);
        } else {
            annotations.insert(checked(key, &value)?, value);
        }
    }
    counted(annotations.len())
}

/// A function as it is told: with where it is called.
pub(super) fn with_invoke_endpoint(mut function: Function, base: &str) -> Function {
    let url = format!("{base}/invoke/{}", function.id);
    function.annotations.insert(INVOKE_ENDPOINT.to_owned(), url.into());
    function
}

/// A trigger as it is told: with where it is called.
pub(super) fn with_http_endpoint(mut trigger: Trigger, base: &str) -> Trigger {
    let source = trigger.source.strip_prefix('/').unwrap_or(&trigger.source);
    let url = format!("{base}/t/{}/{source}", trigger.app_name);
    trigger.annotations.insert(HTTP_ENDPOINT.to_owned(), url.into());
    trigger
}

fn checked(key: String, value: &Value) -> Result<String, Problem> {
    if !(1..=KEY_BYTES_MAX).contains(&key.len()) {
        return Err(Problem::invalid(format!(
            "Invalid annotation key: it has {} bytes and may have 1 to {KEY_BYTES_MAX}",
            key.len()
        )));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Problem::invalid(format!("Invalid annotation key: {key:?} is not of printable ASCII only")));
    }
    if value.is_null() {
        return Err(Problem::invalid(format!("Invalid annotation value: that of {key:?} is null")));
    }
    let length = value.to_string().len();
    if length > VALUE_BYTES_MAX {
        return Err(Problem::invalid(format!(
            "Invalid annotation value: that of {key:?} has {length} bytes and may have {VALUE_BYTES_MAX}"
        )));
    }
    Ok(key)
}

fn counted(count: usize) -> Result<(), Problem> {
    if count <= COUNT_MAX {
        return Ok(());
    }
    Err(Problem::invalid(format!("Too many annotations: {count} are more than {COUNT_MAX}")))
}

fn is_empty(value: &Value) -> bool {
    value.as_str() == Some("")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Option<BTreeMap<String, Value>> {
        Some(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn a_new_object_takes_what_is_within_the_limits() {
        let check = |value: Value, ok: bool| assert_eq!(given(object(value.clone())).is_ok(), ok, "{value}");
        check(json!({"k": "v", "n": 1, "o": {"deep": [null]}, "f": false}), true);
        check(json!({"k": ""}), false);
        check(json!({"k": null}), false);
        check(json!({"": "v"}), false);
        check(json!({"a b": "v"}), false);
        check(json!({"é": "v"}), false);
        check(json!({"k".repeat(128): "v"}), true);
        check(json!({"k".repeat(129): "v"}), false);
        // The quotes count.
        check(json!({"k": "v".repeat(510)}), true);
        check(json!({"k": "v".repeat(511)}), false);
    }

    #[test]
    fn merging_adds_replaces_and_takes_away() {
        let mut annotations = given(object(json!({"a": 1, "b": 2}))).unwrap();
        merge(&mut annotations, object(json!({"a": "", "b": 3, "c": {}, "none": ""}))).unwrap();
        assert_eq!(Some(annotations.clone()), object(json!({"b": 3, "c": {}})));
        assert!(merge(&mut annotations, object(json!({"b": null}))).is_err());
    }

    #[test]
    fn they_are_counted_after_merging() {
        let numbered = |range: std::ops::Range<u32>| Some(range.map(|n| (n.to_string(), json!(n))).collect());
        let mut annotations = given(numbered(0..100)).unwrap();
        assert!(given(numbered(0..101)).is_err());
        assert!(merge(&mut annotations.clone(), numbered(100..101)).is_err());
        let mut swap = numbered(100..101).unwrap();
        swap.insert("0".to_owned(), json!(""));
        assert!(merge(&mut annotations, Some(swap)).is_ok());
    }
}
