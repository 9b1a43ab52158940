//! URLs without what opens the door that they name.
//!
//! A user and a password stand before the host, and anything may stand in a query, so neither is for a
//! person's eyes. Where text is shown that somebody else wrote, whatever in it may be a URL loses both.
//! Rather too much is left out than too little: a password may hold any sign, so all before the last `@`
//! counts as one.

use std::borrow::Cow;

/// `text`, with `…` in place of what URLs in it do not show.
pub(super) fn urls(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(SCHEME_END) {
        let (before, url) = rest.split_at(at + SCHEME_END.len());
        let end = url.find(ends).unwrap_or(url.len());
        shown.push_str(before);
        shown.push_str(&place(&url[..end]));
        rest = &url[end..];
    }
    if shown.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(shown + rest) }
}

const SCHEME_END: &str = "://";

fn ends(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>')
}

/// What follows the scheme.
fn place(rest: &str) -> Cow<'_, str> {
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    match (place.rsplit_once('@'), query) {
        // Either may be the other's: a query has an address in it, or a password a question mark.
        (_, Some(query)) if query.contains('@') => Cow::Borrowed("…"),
        (None, None) => Cow::Borrowed(rest),
        (None, Some(_)) => Cow::Owned(format!("{place}?…")),
        (Some((_, host)), None) => Cow::Owned(format!("…@{host}")),
        (Some((_, host)), Some(_)) => Cow::Owned(format!("…@{host}?…")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_passwords_and_queries_are_left_out_and_nothing_else() {
        for (text, expected) in [
            ("plain text, with: // and @ signs?", "plain text, with: // and @ signs?"),
            ("http://h:8080/a/b", "http://h:8080/a/b"),
            ("https://me:hunter2@h/a", "https://…@h/a"),
            ("see postgres://u:hunter@2@h/db, or http://h", "see postgres://…@h/db, or http://h"),
            ("tcp://u:hunter2@h?a=b", "tcp://…@h?…"),
            ("tcp://u:hunt?er2@h", "tcp://…"),
            ("http://h/a?token=hunter2 and on", "http://h/a?… and on"),
            ("http://h/?to=me@hunter2.example&key=hunter2", "http://…"),
            ("\"ftp://u:hunter2@h\" is not a URL", "\"ftp://…@h\" is not a URL"),
            ("unix:///run/s", "unix:///run/s"),
            ("://", "://"),
        ] {
            assert_eq!(urls(text), expected, "{text}");
        }
    }
}
