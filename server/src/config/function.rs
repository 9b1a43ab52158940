//! The limits of what may be said about a function and where it is served, wherever it is said.
//!
//! They are those of section 4.8 of the contract. Each check answers with a sentence that names
//! the value and what would be right; who calls it knows file, line and key.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use hotfn::Rate;
use hotfn_protocols::Format;

use crate::front::Cors;
use crate::people::{self, GROUPS};
use crate::store;

/// A container's memory, in MB.
pub const MEMORY_MB: RangeInclusive<u64> = 1..=8192;
/// A call's time, in s.
pub const TIMEOUT_S: RangeInclusive<u64> = 1..=300;
/// A container's idle time, in s.
pub const IDLE_TIMEOUT_S: RangeInclusive<u64> = 1..=3600;
/// Calls in flight in one container.
pub const CONCURRENCY: RangeInclusive<u64> = 1..=65_536;
/// Containers of one function.
pub const CONTAINERS: RangeInclusive<u64> = 1..=1_000_000;
/// Containers of one function that are made ahead.
pub const STOCK: RangeInclusive<u64> = 0..=1024;
/// Calls a second, and calls at once.
pub const RATE: RangeInclusive<u64> = 1..=1_000_000;
/// Counts and times that nothing else bounds.
pub const ANY: RangeInclusive<u64> = 0..=u32::MAX as u64;
/// Like [`ANY`], but not nothing.
pub const SOME: RangeInclusive<u64> = 1..=u32::MAX as u64;

/// A whole number within `range`.
///
/// # Errors
/// When it is outside.
pub fn within(value: i64, range: RangeInclusive<u64>, unit: &str) -> Result<u64, String> {
    u64::try_from(value).ok().filter(|v| range.contains(v)).ok_or_else(|| {
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        format!("{value} is out of range; it may be {} to {}{unit}", range.start(), range.end())
    })
}

/// A function's name or id: it stands in URLs as it is.
///
/// # Errors
/// When it is empty, longer than 255 bytes, or would have to be escaped.
pub fn name(name: &str) -> Result<(), String> {
    length(name)?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.~$&+=:@".contains(&b);
    if name.bytes().all(fits) {
        return Ok(());
    }
    Err(format!("{name:?} cannot stand in a URL as it is; use letters, digits and -_.~$&+=:@"))
}

/// An app's name.
///
/// # Errors
/// When it is empty, longer than 255 bytes, or holds anything but letters of any script, digits,
/// `_` and `-`.
pub fn app(name: &str) -> Result<(), String> {
    length(name)?;
    if name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
        return Ok(());
    }
    Err(format!("{name:?} is not an app's name; use letters, digits, _ and -"))
}

/// A trigger's source.
///
/// # Errors
/// When it does not begin with a slash, is longer than 2048 bytes, or has a NUL.
pub fn source(source: &str) -> Result<(), String> {
    if source.len() > SOURCE_BYTES_MAX {
        return Err(format!("{} bytes are too long; a source has at most {SOURCE_BYTES_MAX}", source.len()));
    }
    if source.contains('\0') {
        return Err(format!("{source:?} must not have a NUL"));
    }
    if source.starts_with('/') { Ok(()) } else { Err(format!("{source:?} must begin with /")) }
}

/// A name in a function's environment.
///
/// # Errors
/// When no process could be given it.
pub fn variable(name: &str, value: &str) -> Result<(), String> {
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        return Err(format!("{name:?} cannot be an environment variable"));
    }
    Ok(())
}

/// Calls in flight in one container of a function with this format.
///
/// # Errors
/// When its containers take one call at a time and it is to be more.
pub fn concurrency(concurrency: u32, format: Format) -> Result<(), String> {
    if concurrency > 1 && format != Format::HttpStream {
        return Err(format!("above 1 it needs the format http-stream, this is {format}"));
    }
    Ok(())
}

/// Containers that are kept, of so many that there may be.
///
/// # Errors
/// When there may not be so many.
pub fn min_warm(min_warm: u32, max_containers: Option<u32>) -> Result<(), String> {
    match max_containers {
        Some(most) if min_warm > most => Err(format!("{min_warm} is more than max_containers, {most}")),
        _ => Ok(()),
    }
}

/// How often a function may be called. A burst nobody names is what a second lets through.
///
/// # Errors
/// When there is a burst without a rate.
pub fn rate(per_second: Option<u32>, burst: Option<u32>) -> Result<Option<Rate>, String> {
    let (per_second, burst) = (per_second.and_then(NonZeroU32::new), burst.and_then(NonZeroU32::new));
    match (per_second, burst) {
        (None, None) => Ok(None),
        (None, Some(burst)) => Err(format!("{burst} at once is part of a rate, and there is none")),
        (Some(per_second), burst) => Ok(Some(Rate { per_second, burst: burst.unwrap_or(per_second) })),
    }
}

/// Where a server keeps what it serves.
///
/// # Errors
/// When it is none of the places that a store can have.
pub fn db(url: &str) -> Result<store::Url, String> {
    url.parse().map_err(|e: store::UnknownUrl| e.to_string())
}

/// Who may connect to a unix socket, as the nine bits of its mode.
///
/// # Errors
/// When it is not octal, or more than nine bits.
pub fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| format!("{text:?} is not a mode like 0600"))
}

/// A group, by name or number.
///
/// # Errors
/// When nobody has that name.
pub fn group(text: &str) -> Result<u32, String> {
    let unknown = || format!("{text:?} is not in {GROUPS}; write a name of there or a number");
    people::id(text, GROUPS).ok_or_else(unknown)
}

/// What functions are called by from outside, without a slash at its end.
///
/// # Errors
/// When it is no URL of HTTP's.
pub fn public_url(url: &str) -> Result<String, String> {
    match url.split_once("://") {
        Some(("http" | "https", host)) if !host.is_empty() => Ok(url.trim_end_matches('/').to_owned()),
        _ => Err(format!("{url:?} is not a URL that begins with http:// or https://")),
    }
}

/// A format's name.
///
/// # Errors
/// When it is none of the five.
pub fn format(name: &str) -> Result<Format, String> {
    name.parse().map_err(|e: hotfn_protocols::UnknownFormat| e.to_string())
}

fn length(name: &str) -> Result<(), String> {
    match name.len() {
        0 => Err("it is empty".to_owned()),
        1..=NAME_BYTES_MAX => Ok(()),
        more => Err(format!("{more} bytes are too long; a name has at most {NAME_BYTES_MAX}")),
    }
}

const NAME_BYTES_MAX: usize = 255;

/// What an index of any database takes.
const SOURCE_BYTES_MAX: usize = 2048;

/// Pages that may call: of one origin as browsers write it, or `*`.
///
/// # Errors
/// When it is none.
pub fn cors_origin(origin: &str) -> Result<(), String> {
    Cors::new(&[origin.to_owned()], &[]).map(drop)
}

/// A header's name.
///
/// # Errors
/// When it is none.
pub fn header(name: &str) -> Result<(), String> {
    Cors::new(&[], &[name.to_owned()]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_held_to_both_ends_of_their_range() {
        for (value, ok) in [(0, false), (1, true), (8192, true), (8193, false), (-1, false)] {
            assert_eq!(within(value, MEMORY_MB, "MB").is_ok(), ok, "{value}");
        }
        assert_eq!(within(9000, MEMORY_MB, "MB").unwrap_err(), "9000 is out of range; it may be 1 to 8192 MB");
    }

    #[test]
    fn names_are_what_the_contract_lets_through() {
        for (text, ok) in
            [("hello", true), ("a.b:c~d@e$f&g+h=i_j-k", true), ("a b", false), ("a/b", false), ("é", false)]
        {
            assert_eq!(name(text).is_ok(), ok, "{text}");
        }
        for (text, ok) in [("shop_1-a", true), ("café", true), ("a.b", false), ("", false)] {
            assert_eq!(app(text).is_ok(), ok, "{text}");
        }
        assert!(name(&"x".repeat(255)).is_ok());
        assert!(name(&"x".repeat(256)).is_err());
    }
}
