//! A call as an agent writes it to a function's standard input, in each format.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use hotfn_protocols::Format;

use crate::function::orders::orders;
use crate::wire::rfc3339;

/// How long a call has, where its case is not about that.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What a caller asked for. By default: `POST` with a content type, and no body.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) id: &'static str,
    pub(crate) deadline: String,
    pub(crate) method: &'static str,
    pub(crate) url: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// Where callers of a case believe they are.
pub(crate) const URL: &str = "http://shop.example:8080/t/shop/books/7?lang=de";

impl Call {
    pub(crate) fn echo(body: impl Into<Vec<u8>>) -> Self {
        Self {
            id: "01CONFORMANCECALL000000000",
            deadline: rfc3339(SystemTime::now() + TIMEOUT),
            method: "POST",
            url: URL,
            headers: vec![("Content-Type", "text/plain".to_owned())],
            body: body.into(),
        }
    }

    pub(crate) fn orders(lines: &[&str]) -> Self {
        Self::echo(orders(lines))
    }

    /// One more header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// What goes to standard input.
    pub(crate) fn bytes(&self, format: Format) -> Vec<u8> {
        match format {
            Format::Http => self.http(),
            Format::Json => line(&self.json()),
            Format::CloudEvent => line(&self.event()),
            Format::Default | Format::HttpStream => self.body.clone(),
        }
    }

    /// What goes to the environment of a process that serves just this call.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let own = [
            ("FN_CALL_ID", self.id),
            ("FN_DEADLINE", &self.deadline),
            ("FN_METHOD", self.method),
            ("FN_REQUEST_URL", self.url),
        ];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let joined = self.grouped().into_iter().map(|(name, values)| (format!("FN_HEADER_{name}"), values.join(", ")));
        own.chain(joined).collect()
    }

    fn http(&self) -> Vec<u8> {
        let (host, path) = self.url.trim_start_matches("http://").split_once('/').expect("the URL has a path");
        let mut head = format!("{} /{path} HTTP/1.1\r\nHost: {host}\r\n", self.method);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let added = [
            ("Fn_call_id", self.id),
            ("Fn_method", self.method),
            ("Fn_request_url", self.url),
            ("Fn_deadline", &self.deadline),
        ];
        for (name, value) in added {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        [head.as_bytes(), &self.body].concat()
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "call_id": self.id,
            "deadline": self.deadline,
            "body": String::from_utf8_lossy(&self.body),
            "content_type": self.content_type(),
            "protocol": self.protocol(),
        })
    }

    pub(crate) fn event(&self) -> Value {
        let mut event = json!({
            "cloudEventsVersion": "0.1",
            "eventID": self.id,
            "source": self.url,
            "eventType": "http",
            "eventTypeVersion": "",
            "eventTime": "0001-01-01T00:00:00Z",
            "schemaURL": "",
            "contentType": self.content_type(),
            "extensions": { "protocol": self.protocol(), "deadline": self.deadline },
        });
        if !self.body.is_empty() {
            event["data"] = String::from_utf8_lossy(&self.body).into();
        }
        event
    }

    fn protocol(&self) -> Value {
        json!({ "type": "http", "method": self.method, "request_url": self.url, "headers": self.grouped() })
    }

    fn content_type(&self) -> &str {
        self.headers.iter().find(|(name, _)| *name == "Content-Type").map_or("", |(_, value)| value)
    }

    fn grouped(&self) -> BTreeMap<&'static str, Vec<&str>> {
        self.headers.iter().fold(BTreeMap::new(), |mut groups, (name, value)| {
            groups.entry(*name).or_insert_with(Vec::new).push(value.as_str());
            groups
        })
    }
}

/// A document and the end of its line.
pub(crate) fn line(document: &Value) -> Vec<u8> {
    format!("{document}\n").into_bytes()
}

/// The same with members that nobody knows, spread over lines.
pub(crate) fn strange(mut document: Value) -> Vec<u8> {
    let members: &mut Map<_, _> = document.as_object_mut().expect("a call is an object");
    members.insert("a_member_of_tomorrow".to_owned(), json!({ "deep": [1, null, { "x": "}" }] }));
    let pretty = serde_json::to_string_pretty(&document).expect("a value is expressible in JSON");
    format!("\n  {pretty}\n\n").into_bytes()
}
