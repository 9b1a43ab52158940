use std::collections::BTreeSet;

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
        left_out: vec![LeftOut {
            case: Case { number: 68, level: Level::Must, title: "A slow <pull>", clause: "It may take long." },
            why: "it is about images".to_owned(),
        }],
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
    let verdict = "4 cases: 1 held, 1 SHOULD broken, 1 could be better, 1 could not be told; 1 left out";
    assert_eq!(report().verdict(), verdict);
}

#[test]
fn the_names_of_the_json_stay() {
    let json: serde_json::Value = serde_json::from_str(&report().to(Form::Json)).unwrap();
    assert_eq!(json["schema"], "hotfn-conformance/1");
    let names = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(names(&json), "left_out outcomes profile schema seed started subject suite took_ms");
    assert_eq!(names(&json["left_out"][0]), "clause level number title why");
    let broken = &json["outcomes"][1];
    assert_eq!(names(broken), "clause level number title took_ms transcript verdict why");
    assert_eq!((broken["level"].as_str(), broken["verdict"].as_str()), (Some("should"), Some("broken")));
    assert_eq!(broken["transcript"][0], serde_json::json!({"voice": "sent", "text": "POST /call\u{1}"}));
}

#[test]
fn the_published_schema_has_every_name_and_no_other() {
    let schema = include_str!("../../../docs/conformance/report.schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let json: serde_json::Value = serde_json::from_str(&report().to(Form::Json)).unwrap();
    assert_eq!(schema["properties"]["schema"]["const"], Report::SCHEMA);
    let outcome = &json["outcomes"][0];
    for (described, written) in [
        (&schema, &json),
        (&schema["$defs"]["outcome"], outcome),
        (&schema["$defs"]["left_out"], &json["left_out"][0]),
        (&schema["$defs"]["line"], &outcome["transcript"][0]),
    ] {
        let names: BTreeSet<_> = written.as_object().unwrap().keys().collect();
        assert_eq!(described["properties"].as_object().unwrap().keys().collect::<BTreeSet<_>>(), names);
        let required = described["required"].as_array().unwrap().iter();
        assert_eq!(
            required.map(|name| name.as_str().unwrap()).collect::<BTreeSet<_>>(),
            names.iter().map(|n| n.as_str()).collect()
        );
    }
    let words = |value: serde_json::Value| value.as_str().unwrap().to_owned();
    let named = |at: &serde_json::Value| at["enum"].as_array().unwrap().iter().cloned().map(words).collect::<Vec<_>>();
    let outcome = &schema["$defs"]["outcome"]["properties"];
    let levels = [Level::Must, Level::Should, Level::Better].map(|level| words(serde_json::to_value(level).unwrap()));
    assert_eq!(named(&outcome["level"]), levels);
    let verdicts = [Verdict::Broken, Verdict::Held, Verdict::Untold].map(|v| words(serde_json::to_value(v).unwrap()));
    assert_eq!(named(&outcome["verdict"]), verdicts);
    let voices = [Voice::Came, Voice::Note, Voice::Sent].map(|voice| words(serde_json::to_value(voice).unwrap()));
    assert_eq!(named(&schema["$defs"]["line"]["properties"]["voice"]), voices);
}

#[test]
fn what_was_said_cannot_break_a_page() {
    let html = report().to(Form::Html);
    assert!(html.contains("A &lt;title&gt;") && html.contains("it was &lt;404&gt;") && !html.contains("<404>"));
    assert!(html.contains("68 MUST A slow &lt;pull&gt;"), "{html}");
    let junit = report().to(Form::Junit);
    assert!(junit.contains("failures=\"1\" skipped=\"2\"") && !junit.contains('\u{1}'), "{junit}");
    assert!(report().to(Form::Markdown).contains("> It must be & hold."));
    assert!(report().to(Form::Markdown).contains("| 68 | MUST | A slow &lt;pull> | left out: it is about images |"));
    assert!(report().to_text().contains("  68  MUST    A slow <pull>: it is about images"));
    assert!(report().to_text().contains("   2  SHOULD  A <title>  broken"), "{}", report().to_text());
}

#[test]
fn forms_have_names() {
    for (form, name) in Form::ALL {
        assert_eq!((form.to_string().as_str(), name.parse()), (name, Ok(form)));
    }
    assert!("pdf".parse::<Form>().is_err());
}
