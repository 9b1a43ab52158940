use super::*;
use crate::transcript::Voice;

fn report() -> Report {
    let outcome = |number, level, verdict, why: Option<&str>| Outcome {
        case: Case { number, level, title: "A <title>", clause: "It must be & hold." },
        verdict,
        why: why.map(str::to_owned),
        took_ms: 12,
        transcript: vec![Line { voice: Voice::Sent, text: "POST /call\u{1}".to_owned() }],
    };
    Report {
        schema: Report::SCHEMA,
        suite: "http-stream",
        subject: "./f \"x\"".to_owned(),
        profile: "quick".to_owned(),
        seed: 7,
        started: "2026-11-21T10:00:00Z".to_owned(),
        took_ms: 1500,
        outcomes: vec![
            outcome(1, Level::Must, Verdict::Held, None),
            outcome(2, Level::Should, Verdict::Broken, Some("it was <404>")),
            outcome(10, Level::Better, Verdict::Broken, Some("no")),
            outcome(49, Level::Should, Verdict::Untold, Some("not root")),
        ],
    }
}

#[test]
fn what_cannot_be_told_is_not_kept() {
    let mut report = report();
    assert!(report.keeps(Level::Must) && !report.keeps(Level::Should));
    report.outcomes[0].verdict = Verdict::Untold;
    assert!(!report.keeps(Level::Must));
}

#[test]
fn the_verdict_is_one_line() {
    let verdict = "4 cases: 1 held, 1 SHOULD broken, 1 could be better, 1 could not be told";
    assert_eq!(report().verdict(), verdict);
}

#[test]
fn the_names_of_the_json_stay() {
    let json: serde_json::Value = serde_json::from_str(&report().to(Form::Json)).unwrap();
    assert_eq!(json["schema"], "hotfn-conformance/1");
    let names = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(names(&json), "outcomes profile schema seed started subject suite took_ms");
    let broken = &json["outcomes"][1];
    assert_eq!(names(broken), "clause level number title took_ms transcript verdict why");
    assert_eq!((broken["level"].as_str(), broken["verdict"].as_str()), (Some("should"), Some("broken")));
    assert_eq!(broken["transcript"][0], serde_json::json!({"voice": "sent", "text": "POST /call\u{1}"}));
}

#[test]
fn what_was_said_cannot_break_a_page() {
    let html = report().to(Form::Html);
    assert!(html.contains("A &lt;title&gt;") && html.contains("it was &lt;404&gt;") && !html.contains("<404>"));
    let junit = report().to(Form::Junit);
    assert!(junit.contains("failures=\"1\" skipped=\"2\"") && !junit.contains('\u{1}'), "{junit}");
    assert!(report().to(Form::Markdown).contains("> It must be & hold."));
    assert!(report().to_text().contains("   2  SHOULD  A <title>  broken"), "{}", report().to_text());
}

#[test]
fn forms_have_names() {
    for (form, name) in Form::ALL {
        assert_eq!((form.to_string().as_str(), name.parse()), (name, Ok(form)));
    }
    assert!("pdf".parse::<Form>().is_err());
}
