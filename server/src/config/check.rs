//! Everything that is wrong with a config, and not only what comes first.
//!
//! A file is read until something cannot be followed; that line is then taken out, and the rest read
//! again. What follows only from a line that was taken out is not said: a table lacks a key, or the
//! text is no TOML any more.

use std::path::Path;

use super::{Driver, Refused, env, file};

/// Most complaints about one file.
const COMPLAINTS_MAX: usize = 50;

/// What of the file at `path` cannot be followed, a line each, in the order of the file.
#[must_use]
pub fn file(path: &Path, driver: Option<Driver>) -> Vec<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => refused(text, path, driver).iter().map(ToString::to_string).collect(),
        Err(e) => vec![format!("cannot read the config file {}: {e}", path.display())],
    }
}

/// What of the environment, seen through `lookup`, cannot be followed.
#[must_use]
pub fn environment(lookup: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut hidden: Vec<String> = Vec::new();
    let mut wrong = Vec::new();
    loop {
        let rest = |name: &str| if hidden.iter().any(|hidden| hidden == name) { None } else { lookup(name) };
        match env::settings(&rest) {
            Err(malformed) if !hidden.iter().any(|hidden| hidden == malformed.name()) => {
                wrong.push(malformed.to_string());
                hidden.push(malformed.name().to_owned());
            }
            _ => return wrong,
        }
    }
}

fn refused(mut text: String, path: &Path, driver: Option<Driver>) -> Vec<Refused> {
    let mut all: Vec<Refused> = Vec::new();
    while all.len() < COMPLAINTS_MAX {
        let Err(refused) = file::parse(&text, path, driver) else { break };
        let is_new = all.iter().all(|before| before.line != refused.line);
        let follows = !all.is_empty() && (refused.what.starts_with("missing field") || !is_toml(&text));
        if !is_new || follows {
            break;
        }
        take_out(&mut text, refused.line);
        all.push(refused);
    }
    all.sort_by_key(|refused| refused.line);
    all
}

fn is_toml(text: &str) -> bool {
    toml::from_str::<toml::Table>(text).is_ok()
}

/// Makes line `number`, from 1, an empty one. All others keep their numbers.
fn take_out(text: &mut String, number: usize) {
    let lines = text.split_inclusive('\n').enumerate();
    *text = lines.map(|(n, line)| if n + 1 == number { "\n" } else { line }).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(usize, &str)]) {
        let found = refused(text.to_owned(), Path::new("hotfn.toml"), None);
        let found: Vec<_> = found.iter().map(|refused| (refused.line, refused.key.as_str())).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn everything_is_said_at_once_and_each_thing_once() {
        check("[node]\nlisten = \"127.0.0.1:1\"\n", &[]);
        check(
            "[node]\nmemroy = 1\nthreads = 0\n[db]\nurl = \"mysql://x\"\n",
            &[(2, "memroy"), (3, "threads"), (5, "url")],
        );
        let function =
            "[[function]]\nname = \"f\"\nimage = \"process:f\"\nmemory = 0\ntriggers = [\n  \"/a\",\n  \"b\",\n]\n";
        check(function, &[(4, "memory"), (7, "triggers")]);
    }

    #[test]
    fn what_only_follows_from_another_thing_is_not_said() {
        check("[[function]]\nname = \"f\"\nimage = \"docker/x\"\n", &[(3, "image")]);
        check("[node]\nlisten = \n", &[(2, "listen")]);
    }

    #[test]
    fn variables_are_looked_at_one_by_one() {
        let lookup = |name: &str| match name {
            env::PORT | env::PIDS => Some("many".to_owned()),
            _ => None,
        };
        let wrong = environment(&lookup);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].starts_with("FN_PORT: ") && wrong[1].starts_with("FN_MAX_PIDS: "), "{wrong:?}");
    }
}
