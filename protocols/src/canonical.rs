//! Header names as Go spells them.
//!
//! Ours are lower case; the functions of the older formats were written against a Go server, which
//! hands headers over as a map from `Content-Type`, `X-Request-Id`. Some look them up by exactly
//! that spelling.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The canonical spelling: a capital in front and after each dash.
pub(crate) fn name(name: &HeaderName) -> String {
    let mut after_dash = true;
    let spelled = name.as_str().chars().map(|c| {
        let capital = std::mem::replace(&mut after_dash, c == '-');
        if capital { c.to_ascii_uppercase() } else { c }
    });
    spelled.collect()
}

/// A caller's headers as such a server shows them: sorted by their canonical name, each with its
/// values in the order they came.
///
/// `Host` and `Transfer-Encoding` are not among them: there they are fields of the request. All
/// others that `shows` lets pass are, hop-by-hop ones too.
pub(crate) fn headers(map: &HeaderMap, shows: impl Fn(&HeaderName) -> bool) -> Vec<(String, Vec<&HeaderValue>)> {
    let mut headers: Vec<_> = map
        .keys()
        .filter(|key| **key != header::HOST && **key != header::TRANSFER_ENCODING && shows(key))
        .map(|key| (name(key), map.get_all(key).iter().collect()))
        .collect();
    headers.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_go_does() {
        let check = |lower: &'static str, expected: &str| {
            assert_eq!(name(&HeaderName::from_static(lower)), expected);
        };
        check("content-type", "Content-Type");
        check("x", "X");
        check("x--y-", "X--Y-");
        check("www-authenticate", "Www-Authenticate");
        check("fn_call_id", "Fn_call_id");
        check("x-1a-b", "X-1a-B");
    }

    #[test]
    fn headers_are_sorted_and_keep_their_values_in_order() {
        let mut map = HeaderMap::new();
        for (key, value) in
            [("x-b", "2"), ("host", "h"), ("connection", "close"), ("x-b", "1"), ("x-a", ""), ("x-c", "")]
        {
            map.append(key, HeaderValue::from_static(value));
        }
        let shown = headers(&map, |name| name != "x-c");
        let names: Vec<_> = shown.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Connection", "X-A", "X-B"]);
        assert_eq!(shown[2].1, ["2", "1"]);
    }
}
