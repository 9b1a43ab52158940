//! Where a call stands in a trace: case 48.

use std::io::Write;
use std::sync::{Arc, Mutex};

use hotfn_fdk::testing::Call;
use hotfn_fdk::{BoxError, Context};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::served::Served;

const B3: &str =
    "X-B3-TraceId: 80f198ee56343ba864fe8b2a57d3eff7\r\nX-B3-SpanId: e457b5a2e4d86bd1\r\nX-B3-Sampled: 1\r\n";

#[test]
fn b3_is_read_unless_it_is_switched_off() {
    let trace =
        |env: &[(&str, &str)], headers: &str| Served::with("see", env).call_with(headers, "").json()["trace"].clone();
    let found = json!(["80f198ee56343ba864fe8b2a57d3eff7", "e457b5a2e4d86bd1", true]);
    assert_eq!(trace(&[], B3), found);
    assert_eq!(trace(&[("OCI_TRACING_ENABLED", "1")], B3), found);
    assert_eq!(trace(&[("OCI_TRACING_ENABLED", "0")], B3), json!(null));
    assert_eq!(trace(&[], ""), json!(null));
}

#[test]
fn a_subscriber_sees_the_call_s_span_with_its_place_in_the_trace() {
    async fn handler(_: Context, (): ()) -> Result<(), BoxError> {
        tracing::info!("at work");
        Ok(())
    }

    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).without_time().finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let call = Call::new()
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .config("FN_APP_NAME", "Shop")
        .config("FN_FN_NAME", "Books");
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(call.send(handler));

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for field in [
        "at work",
        "call{call_id=",
        "service=\"shop::books\"",
        "trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"",
        "parent_span_id=\"00f067aa0ba902b7\"",
        "sampled=true",
    ] {
        assert!(log.contains(field), "{field} is not in {log}");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
