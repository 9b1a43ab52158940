//! Connectors: made, looked at and ended while the node runs.
//!
//! They are this node's and in no store: what is to be there after a restart stands in the config
//! file.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::connector::{Definition, SendError, StartError, Unknown, Unreachable};

use super::{Answer, Api, Problem, input};

impl Api {
    pub(super) fn create_connector(&self, body: &[u8]) -> Result<Answer, Problem> {
        let mut given: Map<String, Value> = input::read(body)?;
        let Some(Value::String(name)) = given.remove("name") else {
            return Err(Problem::invalid("Missing connector name"));
        };
        let definition = Definition::read(&name, given).map_err(|e| Problem::invalid(format!("Invalid {e}")))?;
        self.connectors.start(definition)?;
        self.connector(&name)
    }

    pub(super) async fn delete_connector(&self, name: &str) -> Result<Answer, Problem> {
        self.connectors.stop(name).await?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    pub(super) fn connector(&self, name: &str) -> Result<Answer, Problem> {
        Ok(Answer::json(&self.connectors.show(name)?))
    }

    pub(super) fn list_connectors(&self) -> Answer {
        Answer::json(&json!({"items": self.connectors.list()}))
    }

    pub(super) fn send_by_connector(&self, name: &str, peer: &str, body: &[u8]) -> Result<Answer, Problem> {
        let value: Value = serde_json::from_slice(body).map_err(|e| Problem::invalid(format!("Invalid JSON: {e}")))?;
        let peer = peer.parse().map_err(|_| Problem::invalid(format!("Invalid peer: {peer:?} is not a number")))?;
        self.connectors.send(name, peer, value.into())?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Self {
        let is_taken = matches!(error, StartError::Exists { .. });
        let message = format!("{:#}", anyhow::Error::from(error));
        if is_taken { Self::conflict(message) } else { Self::invalid(message) }
    }
}

impl From<Unknown> for Problem {
    fn from(error: Unknown) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("Connector not found: {:?}", error.name))
    }
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Unknown(unknown) => unknown.into(),
            SendError::Unreachable(Unreachable::Absent) => Self::new(StatusCode::NOT_FOUND, "Connection not found"),
            SendError::Unreachable(full @ Unreachable::Full) => Self::conflict(full.to_string()),
        }
    }
}
