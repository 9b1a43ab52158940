use proptest::prelude::*;

use super::*;

/// Feeds `stream` in pieces that end at `cuts` and at its end; everything that came of it.
fn cut(stream: &[u8], cuts: &[usize], bytes_max: usize) -> (Vec<Bytes>, Result<bool, DocumentError>) {
    let mut ends: Vec<usize> = cuts.iter().map(|c| c % (stream.len() + 1)).chain([stream.len()]).collect();
    ends.sort_unstable();
    let (mut documents, mut found, mut from) = (Documents::new(bytes_max), Vec::new(), 0);
    for end in ends {
        documents.feed(&stream[from..end]);
        from = end;
        loop {
            match documents.next() {
                Ok(Some(document)) => found.push(document),
                Ok(None) => break,
                Err(e) => return (found, Err(e)),
            }
        }
    }
    (found, Ok(documents.is_blank()))
}

fn whole(stream: &[u8]) -> (Vec<Bytes>, Result<bool, DocumentError>) {
    cut(stream, &[], 1 << 20)
}

#[test]
fn documents_end_where_their_brace_closes() {
    let check = |stream: &str, expected: &[&str], blank: bool| {
        let (found, rest) = whole(stream.as_bytes());
        assert_eq!(found, expected, "{stream:?}");
        assert_eq!(rest, Ok(blank), "{stream:?}");
    };
    check("", &[], true);
    check(" \t\r\n\u{b}\u{c}\u{a0}\u{2028}\u{3000}", &[], true);
    check("{}", &["{}"], true);
    check("\u{a0}{}\u{a0}\n{}", &["{}", "{}"], true);
    check("{}{}", &["{}", "{}"], true);
    check(r#"{"a":{"b":[{},[]]}}"#, &[r#"{"a":{"b":[{},[]]}}"#], true);
    check(r#"{"a":"}"}"#, &[r#"{"a":"}"}"#], true);
    check(r#"{"a":"\"}"} "#, &[r#"{"a":"\"}"}"#], true);
    check(r#"{"a":"\\"}{"#, &[r#"{"a":"\\"}"#], false);
    check(r#"{"a":"\\\"}"}"#, &[r#"{"a":"\\\"}"}"#], true);
    check("{]", &["{]"], true);
    check("{", &[], false);
    check(r#"{"a"#, &[], false);
}

#[test]
fn what_cannot_become_an_object_is_an_error_at_once() {
    let check = |stream: &[u8], byte: u8| {
        let (found, rest) = whole(stream);
        assert_eq!(found.len(), 0, "{stream:?}");
        assert_eq!(rest, Err(DocumentError::NotAnObject(byte)), "{stream:?}");
    };
    check(b"hello", b'h');
    check(b" \n[1]", b'[');
    check(b"\"", b'"');
    check(b"null", b'n');
    check(b"7", b'7');
    check(b"}", b'}');
    check(b"\0", 0);
    check(b"\xff{}", 0xff);
    // A no-break space is c2 a0; this is another character with the same first byte.
    check(b"\xc2\xa9{}", 0xc2);
    check(b"\xef\xbb\xbf{}", 0xef);
    let said = whole(b"hello").1.unwrap_err().to_string();
    assert_eq!(said, "expected an object, got byte 'h'");
}

#[test]
fn half_a_white_space_is_waited_for_and_is_not_blank() {
    let mut documents = Documents::new(10);
    documents.feed(b"\xc2");
    assert_eq!(documents.next(), Ok(None));
    assert!(!documents.is_blank());
    documents.feed(b"\xa0");
    assert!(documents.is_blank());
    documents.feed(b"{}");
    assert_eq!(documents.next().unwrap().unwrap(), "{}");
}

#[test]
fn bounds_are_exact() {
    let deep = |levels: usize| format!("{{{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    assert_eq!(whole(deep(DEPTH_MAX).as_bytes()).0.len(), 1);
    assert_eq!(whole(deep(DEPTH_MAX + 1).as_bytes()).1, Err(DocumentError::TooDeep));

    let too_large = Err(DocumentError::TooLarge { max: 7 });
    assert_eq!(cut(br#"  {"a":1}  {"b":2}"#, &[], 7).0.len(), 2, "white space around it does not count");
    assert_eq!(cut(br#"{"a":11}"#, &[], 7).1, too_large);
    assert_eq!(cut(br#"{"a":11"#, &[], 7).1, Ok(false), "nothing is lost yet");
    assert_eq!(cut(br#"{"a":111"#, &[], 7).1, too_large, "its end need not be there");
    assert_eq!(cut(br#"{"a":1}{"b":22}"#, &[], 7).0.len(), 1);
}

#[test]
fn an_error_stays_one() {
    let mut documents = Documents::new(4);
    documents.feed(b"{\"abc\"");
    assert!(documents.next().is_err());
    documents.feed(b":1}");
    assert!(documents.next().is_err());
    assert!(!documents.is_blank());
}

/// Would take minutes if each byte of it were looked at again for each that comes.
#[test]
fn a_megabyte_byte_by_byte_takes_linear_time() {
    let stream = format!("{{\"a\":\"{}\"}}", "x\\\"".repeat(350_000));
    let (mut documents, mut found) = (Documents::new(stream.len()), 0);
    for byte in stream.as_bytes() {
        documents.feed(&[*byte]);
        found += usize::from(documents.next().unwrap().is_some());
    }
    assert_eq!(found, 1);
}

/// What a stream may be made of: documents, white space, and what belongs to neither.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "\\PC{0,12}".prop_map(|text| serde_json::json!({ "body": text, "n": [{}] }).to_string().into_bytes()),
        4 => "[ \\t\\n\u{a0}\u{2003}]{0,4}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..4),
        1 => Just(b"{".to_vec()),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_split_finds_what_the_whole_does(stream in stream(), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        prop_assert_eq!(cut(&stream, &cuts, 1 << 20), whole(&stream));
        let each: Vec<usize> = (0..stream.len()).collect();
        prop_assert_eq!(cut(&stream, &each, 1 << 20), whole(&stream));
    }

    #[test]
    fn what_a_parser_calls_objects_are_the_documents(bodies in prop::collection::vec("\\PC{0,20}", 0..6)) {
        let texts: Vec<String> = bodies.iter().map(|b| serde_json::json!({ "body": b }).to_string()).collect();
        let (found, rest) = whole(texts.join("\n").as_bytes());
        prop_assert_eq!(found, texts);
        prop_assert_eq!(rest, Ok(true));
    }
}
