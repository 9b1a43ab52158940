//! The words of an image, quoted as a shell quotes.
//!
//! White space parts words. `'…'` is taken as it is; in `"…"` a backslash takes the meaning from a
//! quote or another backslash; outside of both it takes it from any character. Nothing else means
//! anything: no variable, no pattern, no comment.

/// The words of `text`.
///
/// # Errors
/// When a quote is not closed, or nothing follows a backslash.
pub(in crate::container) fn words(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c.is_ascii_whitespace() {
            words.extend(word.take());
            continue;
        }
        // An empty pair of quotes is a word too.
        let word = word.get_or_insert_default();
        match c {
            '\'' => single(&mut chars, word)?,
            '"' => double(&mut chars, word)?,
            '\\' => word.push(chars.next().ok_or("ends in a backslash")?),
            c => word.push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn single(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), &'static str> {
    loop {
        match chars.next().ok_or("has a ' that is not closed")? {
            '\'' => return Ok(()),
            c => word.push(c),
        }
    }
}

fn double(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), &'static str> {
    const OPEN: &str = "has a \" that is not closed";
    loop {
        match chars.next().ok_or(OPEN)? {
            '"' => return Ok(()),
            '\\' => match chars.next().ok_or(OPEN)? {
                c @ ('"' | '\\') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parted_and_quoted_as_a_shell_does() {
        let check = |text: &str, expected: &[&str]| assert_eq!(words(text).unwrap(), expected, "{text}");
        check("", &[]);
        check("  /bin/x \t\n-a  b ", &["/bin/x", "-a", "b"]);
        check("'a b' c", &["a b", "c"]);
        check(r#""a \"b\" \\ \n" '\"'"#, &[r#"a "b" \ \n"#, r#"\""#]);
        check(r"a\ b \'c \\", &["a b", "'c", r"\"]);
        check(r#"'' "" x''y"#, &["", "", "xy"]);
        check("--k=\"v w\"'!'z", &["--k=v w!z"]);
        check("$HOME * #no ~ä", &["$HOME", "*", "#no", "~ä"]);
    }

    #[test]
    fn what_is_left_open_is_refused() {
        let check = |text: &str, expected: &str| assert_eq!(words(text).unwrap_err(), expected, "{text}");
        check("a 'b", "has a ' that is not closed");
        check("a \"b", "has a \" that is not closed");
        check("a \"b\\", "has a \" that is not closed");
        check("a \\", "ends in a backslash");
    }
}
