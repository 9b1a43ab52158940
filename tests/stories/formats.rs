//! One function, five formats.

use hotfn_tests::client::{self, whole};
use hotfn_tests::node::{Function, Home};
use hotfn_tests::{binaries, program};
use http::Method;

/// All five names.
pub(crate) const FORMATS: [&str; 5] = ["cloudevent", "default", "http", "http-stream", "json"];

#[test]
fn run_prints_the_answer_of_any_format() {
    let echo = binaries::program("echo");
    for format in FORMATS {
        let ended = program::hotfn(&["run", "--format", format, "-d", "hi", "--", echo.to_str().unwrap()]).well();
        assert_eq!(ended.text(), "hi", "{format}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_node_serves_all_formats_side_by_side() {
    let image = binaries::image("echo");
    let home =
        Home::of(&FORMATS.map(|format| {
            Function::new(format, &image).set("format", format).set("triggers", vec![format!("/{format}")])
        }));
    let node = home.start().await;
    for format in FORMATS {
        let mut connection = node.connect().await;
        for n in 0..20 {
            let body = format!("call {n} in {format}, with \"quotes\", ünïcode and <tags>");
            let mut call = client::invoke(format, whole(body.clone()));
            call.headers_mut().insert("content-type", "text/plain".parse().unwrap());
            let answer = connection.call(call).await.unwrap().ok();
            assert_eq!(answer.text(), body, "{format}");
            assert_eq!(answer.header("fn-call-id").len(), 26, "{format}: {:?}", answer.headers);
            assert!(answer.header("server-timing").contains("function;dur="), "{format}: {:?}", answer.headers);
        }
        let mut call = client::request(Method::PUT, &format!("/t/stories/{format}?x=1"), whole("by trigger"));
        call.headers_mut().insert("content-type", "text/plain".parse().unwrap());
        assert_eq!(connection.call(call).await.unwrap().ok().text(), "by trigger", "{format}");
    }
}
