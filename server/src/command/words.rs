//! A command line without a shell: a name and plain words.
//!
//! Quotes keep words together and a backslash takes the next character as it is, as people are used
//! to. Whatever would make a shell do more than that is refused rather than passed on as text: who
//! writes `a; b` means two commands, and would be surprised by either reading of it.

/// What a shell would act on, outside quotes.
const ACTIVE: &[char] = &[';', '|', '&', '$', '`', '(', ')', '<', '>'];

/// The words of `line`. An error says what is in the way.
pub(super) fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            '\n' | '\r' => return Err("it has more than one line".to_owned()),
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            c if ACTIVE.contains(&c) => return Err(format!("{c:?} means something to a shell, and there is none")),
            '\'' => quoted(word.get_or_insert_default(), &mut rest)?,
            '"' => double_quoted(word.get_or_insert_default(), &mut rest)?,
            '\\' => word.get_or_insert_default().push(rest.next().ok_or("it ends in a backslash")?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(word: &mut String, rest: &mut std::str::Chars<'_>) -> Result<(), String> {
    for c in rest {
        match c {
            '\'' => return Ok(()),
            c => word.push(c),
        }
    }
    Err("a quote is not closed".to_owned())
}

/// Here a shell would still look for `$` and backticks.
fn double_quoted(word: &mut String, rest: &mut std::str::Chars<'_>) -> Result<(), String> {
    while let Some(c) = rest.next() {
        match c {
            '"' => return Ok(()),
            '$' | '`' => return Err(format!("{c:?} means something to a shell, and there is none")),
            '\\' => match rest.next() {
                Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                Some(c) => word.extend(['\\', c]),
                None => break,
            },
            c => word.push(c),
        }
    }
    Err("a quote is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_words_together() {
        let check = |line: &str, expected: &[&str]| assert_eq!(split(line).unwrap(), expected, "{line}");
        check("", &[]);
        check("  ls  -l\t/home ", &["ls", "-l", "/home"]);
        check("a 'b c' \"d e\" f\\ g", &["a", "b c", "d e", "f g"]);
        check("a'b'\"c\"d ''", &["abcd", ""]);
        check(r#"'$x;' "a;|&()<>" "\"\\\$\n" \;"#, &["$x;", "a;|&()<>", r#""\$\n"#, ";"]);
        check("grep *.txt #x ~ [a]", &["grep", "*.txt", "#x", "~", "[a]"]);
    }

    #[test]
    fn what_a_shell_would_act_on_is_refused() {
        for line in ["a; b", "a|b", "a&", "$HOME", "`id`", "$(id)", "a>b", "a<b", "(a)", "\"$x\"", "\"`id`\"", "a\nb"] {
            assert!(split(line).is_err(), "{line}");
        }
        for line in ["'a", "\"a", "a\\", "\"a\\"] {
            assert!(split(line).is_err(), "{line}");
        }
    }
}
