//! Lists: which part of one is wanted, and how it is told.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::percent;
use crate::store::Page;
use crate::store::record::{App, Function, Trigger};

use super::Problem;

/// Objects on a page, where nobody says how many.
const PER_PAGE: usize = 30;
/// Most objects on a page.
const PER_PAGE_MAX: usize = 100;

/// What stands behind a URL's `?`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a>(pub(super) &'a str);

/// One page of a list, as it is told.
#[derive(Serialize)]
pub(super) struct Items<T> {
    items: Vec<T>,
    /// Where the next page begins. There may be none even so: a page that is full may be the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// What lists are ordered by.
pub(super) trait Listed {
    /// Its name and its id.
    fn place(&self) -> (&str, &str);
}

impl<'a> Query<'a> {
    /// The first value of `name` that is not empty.
    pub(super) fn first(self, name: &str) -> Option<Cow<'a, str>> {
        let pairs = self.0.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let value = pairs.into_iter().find_map(|(n, value)| (decode(n) == name).then_some(value));
        value.map(decode).filter(|value| !value.is_empty())
    }

    /// How many objects a page is to have.
    pub(super) fn count_max(self) -> usize {
        let per_page = self.first("per_page").and_then(|n| n.parse::<i64>().ok());
        let per_page = per_page.and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0).unwrap_or(PER_PAGE);
        per_page.min(PER_PAGE_MAX)
    }

    /// The part of a list that is wanted.
    pub(super) fn page(self) -> Result<Page, Problem> {
        let count_max = self.count_max();
        let Some(cursor) = self.first("cursor") else { return Ok(Page { count_max, ..Page::default() }) };
        let decoded = URL_SAFE_NO_PAD.decode(cursor.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let place = decoded.as_deref().and_then(|text| text.split_once('\0'));
        let (name, id) = place.ok_or_else(|| {
            Problem::invalid(format!("Invalid cursor: {cursor:?} is none that a list of this node gave"))
        })?;
        Ok(Page { after_name: name.to_owned(), after_id: id.to_owned(), count_max })
    }
}

impl<T: Listed> Items<T> {
    /// What `page` was answered with.
    pub(super) fn new(items: Vec<T>, page: &Page) -> Self {
        let full = items.len() >= page.count_max;
        let last = items.last().filter(|_| full).map(Listed::place);
        let next_cursor = last.map(|(name, id)| URL_SAFE_NO_PAD.encode(format!("{name}\0{id}")));
        Self { items, next_cursor }
    }

    /// What `told` makes of each.
    pub(super) fn map<U>(self, told: impl FnMut(T) -> U) -> Items<U> {
        Items { items: self.items.into_iter().map(told).collect(), next_cursor: self.next_cursor }
    }
}

impl Listed for App {
    fn place(&self) -> (&str, &str) {
        (&self.name, &self.id)
    }
}

impl Listed for Function {
    fn place(&self) -> (&str, &str) {
        (&self.name, &self.id)
    }
}

impl Listed for Trigger {
    fn place(&self) -> (&str, &str) {
        (&self.name, &self.id)
    }
}

fn decode(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        Cow::Owned(percent::decode(&text.replace('+', " ")).into_owned())
    } else {
        percent::decode(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_counts() {
        let query = Query("a=1&b=x%20y+z&a=2&c&d=&=e");
        assert_eq!(query.first("a").as_deref(), Some("1"));
        assert_eq!(query.first("b").as_deref(), Some("x y z"));
        for absent in ["c", "d", "x"] {
            assert_eq!(query.first(absent), None);
        }
    }

    #[test]
    fn a_page_has_thirty_unless_told_and_a_hundred_at_most() {
        let check =
            |query: &str, expected: usize| assert_eq!(Query(query).page().unwrap().count_max, expected, "{query}");
        check("", 30);
        for (given, expected) in
            [("1", 1), ("100", 100), ("101", 100), ("0", 30), ("-5", 30), ("many", 30), ("1e3", 30)]
        {
            check(&format!("per_page={given}"), expected);
        }
    }

    #[test]
    fn a_cursor_leads_behind_the_last() {
        let app = App { id: "I".to_owned(), name: "né".to_owned(), ..App::default() };
        let page = Page { count_max: 1, ..Page::default() };
        let cursor = Items::new(vec![app.clone()], &page).next_cursor.unwrap();
        let next = Query(&format!("cursor={cursor}")).page().unwrap();
        assert_eq!((&*next.after_name, &*next.after_id), ("né", "I"));
        assert_eq!(Items::new(vec![app], &Page { count_max: 2, ..page }).next_cursor, None);
        for malformed in ["*", "a", "bm9udWw", "%FF", "_w"] {
            assert_eq!(Query(&format!("cursor={malformed}")).page().unwrap_err().status, 400, "{malformed}");
        }
    }
}
