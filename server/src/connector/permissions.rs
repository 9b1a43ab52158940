//! Who may open a socket, in the words of `chmod`.
//!
//! ```text
//! =600        600        u=rw,g=r        ug=rw,o=        a=rw
//! ```
//!
//! Clauses stand behind each other and begin with nothing permitted. A socket knows nothing but
//! the nine bits: text that asks for more is refused.

/// Reads permissions; the nine bits of the file's mode.
///
/// # Errors
/// When the text asks for nothing, or for what a socket does not have.
pub(super) fn permissions(text: &str) -> Result<u32, String> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return octal(text);
    }
    let mut mode = 0;
    for clause in text.split(',') {
        mode = apply(mode, clause)?;
    }
    Ok(mode)
}

/// What a clause makes of `mode`.
fn apply(mode: u32, clause: &str) -> Result<u32, String> {
    let at = clause.find(['-', '+', '=']).ok_or_else(|| refused(clause))?;
    let (who, what) = (&clause[..at], &clause[at + 1..]);
    let mut places = 0;
    for class in who.chars() {
        places |= match class {
            'u' => 0o700,
            'g' => 0o070,
            'o' => 0o007,
            'a' => 0o777,
            _ => return Err(refused(clause)),
        };
    }
    if who.is_empty() {
        places = 0o777;
    }
    let bits = if !what.is_empty() && what.bytes().all(|b| b.is_ascii_digit()) {
        octal(what)?
    } else {
        letters(what, mode).ok_or_else(|| refused(clause))?
    };
    Ok(match clause.as_bytes()[at] {
        b'=' => mode & !places | bits & places,
        b'+' => mode | bits & places,
        _ => mode & !(bits & places),
    })
}

/// Letters, for all three classes.
fn letters(what: &str, mode: u32) -> Option<u32> {
    what.chars().try_fold(0, |bits, letter| {
        Some(
            bits | match letter {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                // Only where somebody may execute it already.
                'X' => {
                    if mode & 0o111 == 0 {
                        0
                    } else {
                        0o111
                    }
                }
                _ => return None,
            },
        )
    })
}

fn octal(digits: &str) -> Result<u32, String> {
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        Ok(_) => Err(format!("{digits} is more than a socket has; it may be 0 to 777")),
        Err(_) => Err(refused(digits)),
    }
}

fn refused(text: &str) -> String {
    format!("{text:?} is not a permission; write \"=600\" or \"u=rw,g=r\"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_the_modes_they_say() {
        for (text, mode) in [
            ("=600", 0o600),
            ("=0600", 0o600),
            ("600", 0o600),
            ("u=rw,g=r", 0o640),
            ("ug=rw,o=", 0o660),
            ("a=rw", 0o666),
            ("=rw", 0o666),
            ("=777", 0o777),
            ("a=rwx,g-w,o-rwx", 0o750),
            ("u+rw,g+r", 0o640),
            ("u=x,a+X", 0o111),
            ("u=rw,a+X", 0o600),
        ] {
            assert_eq!(permissions(text), Ok(mode), "{text}");
        }
    }

    /// Case 27.
    #[test]
    fn what_a_socket_does_not_have_is_refused() {
        for text in ["", "=888", "=1777", "=4600", "u=s", "a=t", "z=rw", "rw", "u=rw,", "u=rw g=r"] {
            assert!(permissions(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        /// Case 27: nonsense is refused, and never widens what is asked for beyond nine bits.
        #[test]
        fn nonsense_is_refused(text in "[ugoarwxXst0-9=+,-]{0,12}|.{0,8}") {
            if let Ok(mode) = permissions(&text) {
                prop_assert!(mode <= 0o777, "{}: {:o}", text, mode);
            }
        }
    }
}
