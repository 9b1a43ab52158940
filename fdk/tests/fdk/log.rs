//! What a function prints: cases 45 to 47.

use crate::served::Served;

const FRAMED: [(&str, &str); 2] = [("FN_LOGFRAME_NAME", "call"), ("FN_LOGFRAME_HDR", "Fn-Call-Id")];

/// 45, 47.
#[test]
fn a_line_frames_the_output_on_both_streams_which_is_out_before_the_answer_ends() {
    let served = Served::with("deeds", &FRAMED);
    let mut wire = served.connect();
    wire.call_with("Fn-Call-Id: 01A\r\n", "print first");
    wire.call_with("Fn-Call-Id: 01B\r\n", "print second");
    served.stdout.wait_for("\ncall=01A\nout:first\ncall=01B\nout:second");
    served.stderr.wait_for("\ncall=01A\nerr:first\ncall=01B\nerr:second");
}

/// 46.
#[test]
fn without_both_variables_and_the_header_there_is_no_frame() {
    for env in [&FRAMED[..1], &FRAMED[1..], &[("FN_LOGFRAME_NAME", "call"), ("FN_LOGFRAME_HDR", "X-Other")]] {
        let served = Served::with("deeds", env);
        served.call_with("Fn-Call-Id: 01A\r\n", "print x");
        served.stderr.wait_for("err:x");
        served.stdout.wait_for("out:x");
        assert_eq!((served.stdout.now(), served.stderr.now()), ("out:x".to_owned(), "err:x".to_owned()));
    }
}
