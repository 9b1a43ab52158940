//! What goes out comes in again as it was: every pair of processors, alone and behind each other, and
//! every codec, on values of chance.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value as Tree, json};

use super::codec::Value;
use super::definition::testing::definition;
use super::inbound::Inbound;
use super::outbound::Outbound;
use super::outbox::Outbox;

/// Sends `values` through `post` and takes them in through `pre`, cut into reads of `cut` bytes.
fn there_and_back(codec: &str, post: Tree, pre: Tree, values: &[Value], cut: usize) -> Vec<Value> {
    let definition = definition(json!({"codec": codec, "postprocessors": post, "preprocessors": pre}));
    let (mut outbound, mut outbox) = (Outbound::new(&definition).unwrap(), Outbox::default());
    for value in values {
        outbound.put(value, 7, &mut outbox).unwrap();
    }
    outbound.finish(7, &mut outbox);
    let mut inbound = Inbound::new(&definition).unwrap();
    let mut back = Vec::new();
    for read in outbox.take().chunks(cut) {
        inbound.feed(Bytes::copy_from_slice(read));
        while let Some(next) = inbound.next(7) {
            back.push(next.unwrap().value);
        }
    }
    inbound.finish();
    while let Some(next) = inbound.next(7) {
        back.push(next.unwrap().value);
    }
    back
}

/// Chains whose input is a stream, so that any cut of it gives the same frames.
fn chains() -> Vec<(Tree, Tree)> {
    // Not in frames of chance.
    let separated = json!({"name": "separate", "config": {"separator": "\u{1}--\u{1}"}});
    let mut chains =
        vec![(json!([separated]), json!([separated])), (json!(["base64", "separate"]), json!(["separate", "base64"]))];
    let mut around = vec![json!("textual-length-prefixed")];
    for width in [4, 8] {
        for endian in ["big", "little"] {
            around.push(json!({"name": "length-prefixed", "config": {"width": width, "endian": endian}}));
        }
    }
    let within = ["gzip", "zlib", "zstd", "lz4", "snappy", "base64", "ingest-ns"];
    for (n, outer) in around.iter().enumerate() {
        chains.push((json!([outer]), json!([outer])));
        let inner = within[n % within.len()];
        chains.push((json!([inner, outer]), json!([outer, inner])));
    }
    for inner in within {
        chains.push((json!([inner, "length-prefixed"]), json!(["length-prefixed", inner])));
    }
    chains
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::from),
        any::<i64>().prop_map(Tree::from),
        any::<u64>().prop_map(Tree::from),
        // Such as have one shortest spelling, whoever writes them.
        any::<i32>().prop_map(|n| Tree::from(f64::from(n) / 8.0)),
        any::<String>().prop_map(Tree::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Tree::from),
            prop::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|map| Tree::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Case 8: processors.
    #[test]
    fn frames_of_any_bytes_come_back_through_every_chain(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8),
        cut in 1_usize..64,
    ) {
        let values: Vec<_> = frames.into_iter().map(|frame| Value::Binary(frame.into())).collect();
        for (post, pre) in chains() {
            prop_assert_eq!(there_and_back("binary", post.clone(), pre, &values, cut), &values[..], "{}", post);
        }
    }

    /// Case 8: codecs of any value.
    #[test]
    fn values_come_back_through_their_codecs(trees in prop::collection::vec(tree(), 1..6), cut in 1_usize..64) {
        let values: Vec<_> = trees.iter().cloned().map(Value::Tree).collect();
        let framed = json!(["length-prefixed"]);
        for (codec, frames) in
            [("json", framed.clone()), ("json", json!(["json-seq"])), ("json-sorted", framed.clone()), ("msgpack", framed.clone())]
        {
            let back = there_and_back(codec, frames.clone(), frames, &values, cut);
            let back: Vec<_> = back.iter().map(|value| value.to_tree().into_owned()).collect();
            prop_assert_eq!(&back, &trees, "{}", codec);
        }
        let events = there_and_back("cloudevent", framed.clone(), framed, &values, cut);
        for (event, tree) in events.iter().zip(&trees) {
            let event = event.to_tree();
            prop_assert!(event["data"] == *tree || event["id"] == tree["id"], "{} {}", event, tree);
        }
    }

    /// Case 8: codecs of one kind of value each.
    #[test]
    fn texts_records_and_metrics_come_back_through_their_codecs(
        text: String,
        record in prop::collection::vec(any::<String>(), 1..6),
        number in any::<u32>(),
        name in "[a-z][a-z0-9_ ,=]{0,12}",
        cut in 1_usize..64,
    ) {
        let point = json!({"measurement": name, "tags": {&name: "a b"}, "fields": {"n": number, "t": &text, "b": true}, "timestamp": number});
        let metric = json!({"metric": name.replace([' ', ','], "."), "type": "c", "value": number});
        let message = json!({
            "protocol": "RFC5424", "protocol_version": 1, "severity": "err", "facility": "local3", "hostname": "host",
            "appname": "app", "timestamp": u64::from(number) * 1_000_000_000, "msg": format!("m{number}"),
        });
        for (codec, value) in [
            ("string", json!(text)),
            ("csv", json!(record)),
            ("influx", point),
            ("statsd", metric),
            ("syslog", message),
            ("null", Tree::Null),
        ] {
            let framed = json!(["length-prefixed"]);
            let back = there_and_back(codec, framed.clone(), framed, &[Value::Tree(value.clone())], cut);
            prop_assert_eq!(back.len(), 1, "{}", codec);
            prop_assert_eq!(&*back[0].to_tree(), &value, "{}", codec);
        }
    }
}
