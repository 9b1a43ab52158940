//! A call as it is written down, to be made later or once more.
//!
//! A line of JSON that is the head, then the body in base 64: text, which is what a store keeps.
//! Headers are kept as they came, credentials included: whether a caller waits is nothing that a
//! function should notice. So what the store holds is as secret as what callers send.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};

use hotfn_protocols::{Body, Call, CallId, FunctionId, Headers, Intent};

/// The head, as it is written. Headers are bytes, and whatever is not Latin text is rare: each value
/// has a character for a byte.
#[derive(Deserialize, Serialize)]
struct Head {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
}

/// Something was written that is no call.
#[derive(Debug, thiserror::Error)]
#[error("what the store keeps of call {id} cannot be read: {what}")]
pub(super) struct Unreadable {
    id: CallId,
    what: &'static str,
}

/// Writes `call`, whose body is `body`.
#[must_use]
pub(super) fn write(call: &Call, body: &[u8]) -> String {
    let headers = call.headers.fields().map(|(name, value)| (latin(name), latin(value))).collect();
    let head = Head { method: call.method.as_str().to_owned(), url: call.url.clone(), headers };
    let mut text = serde_json::to_string(&head).expect("text is always JSON");
    text.push('\n');
    STANDARD.encode_string(body, &mut text);
    text
}

/// Reads back what was written of the call `id`.
///
/// # Errors
/// When nobody of us has written it.
pub(super) fn read(id: CallId, function: FunctionId, text: &str) -> Result<Call, Unreadable> {
    let unreadable = |what| Unreadable { id, what };
    let (head, body) = text.split_once('\n').ok_or_else(|| unreadable("it has no head"))?;
    let head: Head = serde_json::from_str(head).map_err(|_| unreadable("its head is not JSON"))?;
    let body = STANDARD.decode(body).map_err(|_| unreadable("its body is not base 64"))?;
    let mut headers = HeaderMap::with_capacity(head.headers.len());
    for (name, value) in &head.headers {
        let name = HeaderName::from_bytes(&bytes(name)).map_err(|_| unreadable("a header has no name"))?;
        let value = HeaderValue::from_bytes(&bytes(value)).map_err(|_| unreadable("a header has no value"))?;
        headers.append(name, value);
    }
    let method = Method::from_bytes(head.method.as_bytes()).map_err(|_| unreadable("its method is none"))?;
    Ok(Call {
        id,
        function,
        intent: Intent::Invoke,
        method,
        url: head.url,
        headers: Headers::from(headers),
        body: Body::from(body),
        deadline: None,
    })
}

fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

fn bytes(latin: &str) -> Vec<u8> {
    latin.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever a store holds, it is a call or it is refused; and what is a call is read back as it was.
        #[test]
        fn what_is_read_was_written(
            text in "(\\{.{0,40}\\}\n)?.{0,40}", value in proptest::collection::vec(any::<u8>(), 0..20),
            body in proptest::collection::vec(any::<u8>(), 0..100), url in ".{0,40}",
        ) {
            let _ = read(CallId::new(), "f".into(), &text);
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert("x-any", value);
            }
            let call = Call { headers: headers.clone().into(), url: url.clone(), ..Call::new("f", "") };
            let back = read(call.id, "f".into(), &write(&call, &body)).unwrap();
            prop_assert_eq!((&*back.headers, back.url), (&headers, url));
            prop_assert_eq!(back.body.as_bytes().unwrap(), &Bytes::from(body));
        }
    }

    #[test]
    fn a_call_is_read_back_as_it_was() {
        let mut headers = HeaderMap::new();
        headers.append("x-many", HeaderValue::from_static("one"));
        headers.append("x-many", HeaderValue::from_bytes(b"tw\xff").unwrap());
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        let call =
            Call { headers: headers.clone().into(), url: "http://h/invoke/f?x=é".to_owned(), ..Call::new("f", "") };
        let text = write(&call, b"\0\xffx");
        let back = read(call.id, call.function.clone(), &text).unwrap();
        assert_eq!((back.id, back.url, back.method), (call.id, call.url, call.method));
        assert_eq!(*back.headers, headers);
        assert_eq!(back.body.as_bytes().unwrap().as_ref(), b"\0\xffx");
    }

    #[test]
    fn what_nobody_of_us_wrote_is_refused() {
        for text in ["", "{}", "{}\n", "{\"method\":\"P T\",\"url\":\"\",\"headers\":[]}\n", "not\n", "\n*"] {
            assert!(read(CallId::new(), "f".into(), text).is_err(), "{text:?}");
        }
        let head = r#"{"method":"POST","url":"/","headers":[["a b","c"]]}"#;
        assert!(read(CallId::new(), "f".into(), &format!("{head}\n")).is_err());
        let head = r#"{"method":"POST","url":"/","headers":[]}"#;
        assert!(read(CallId::new(), "f".into(), &format!("{head}\n*")).is_err());
    }
}
