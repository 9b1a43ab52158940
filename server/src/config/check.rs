//! Everything that is wrong with a config, and not only what comes first.
//!
//! A file is read until something cannot be followed; that line is then taken out, and the rest read
//! again; a table that cannot be followed as such is taken out as a whole. What follows only from a line that
//! was taken out is not said: a table lacks a key, or the text is no TOML any more.

use std::ops::Range;
use std::path::Path;

use super::command::{self, Lines};
use super::{Driver, Refused, env, file};

/// Most complaints about one file.
const COMPLAINTS_MAX: usize = 50;

/// What of the file at `path` cannot be followed, a line each, in the order of the file. `lines` count before
/// its `[command]`.
#[must_use]
pub fn file(path: &Path, driver: Option<Driver>, lines: &Lines) -> Vec<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => refused(text, path, driver, lines).iter().map(ToString::to_string).collect(),
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

fn refused(mut text: String, path: &Path, driver: Option<Driver>, lines: &Lines) -> Vec<Refused> {
    let mut all = Vec::new();
    gather(&mut all, &mut text, |text| file::parse(text, path, driver).map(drop));
    gather(&mut all, &mut text, |text| command::parse(text, path, lines).map(drop));
    all.sort_by_key(|refused| refused.line);
    all
}

/// Adds what `read` cannot follow to all that was found, and takes it out of the text.
fn gather(all: &mut Vec<Refused>, text: &mut String, read: impl Fn(&str) -> Result<(), Refused>) {
    while all.len() < COMPLAINTS_MAX {
        let Err(refused) = read(text) else { return };
        let table = table(text, refused.line);
        if !table.is_empty() {
            take_out(text, &table);
            if !all.iter().any(|before| table.contains(&before.line)) {
                all.push(refused);
            }
            continue;
        }
        let is_new = all.iter().all(|before| before.line != refused.line);
        let follows = !all.is_empty() && (refused.what.starts_with("missing field") || !is_toml(text));
        if !is_new || follows {
            return;
        }
        take_out(text, &(refused.line..refused.line + 1));
        all.push(refused);
    }
}

fn is_toml(text: &str) -> bool {
    toml::from_str::<toml::Table>(text).is_ok()
}

/// The lines, from 1, of the table whose header is line `number`, and of the tables within it; none if that is no
/// header.
fn table(text: &str, number: usize) -> Range<usize> {
    let mut lines = text.lines().map(str::trim_start).skip(number - 1);
    let header = lines.next().filter(|line| line.starts_with('['));
    let Some(name) = header.map(|header| header.trim_end().trim_matches(['[', ']'])) else { return 0..0 };
    let is_within =
        |header: &str| header.trim_start_matches('[').strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let more = lines.take_while(|line| !line.starts_with('[') || is_within(line)).count();
    number..number + 1 + more
}

/// Makes these lines, from 1, empty ones. All others keep their numbers.
fn take_out(text: &mut String, numbers: &Range<usize>) {
    let lines = text.split_inclusive('\n').zip(1..);
    *text = lines.map(|(line, number)| if numbers.contains(&number) { "\n" } else { line }).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(usize, &str)]) {
        let found = refused(text.to_owned(), Path::new("hotfn.toml"), None, &Lines::default());
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
        check(
            "[exec.command.x]\npath = \"x\"\n[command]\nmode = \"x\"\nmax_jobs = 0\n",
            &[(2, "path"), (4, "mode"), (5, "max_jobs")],
        );
        let function =
            "[[function]]\nname = \"f\"\nimage = \"process:f\"\nmemory = 0\ntriggers = [\n  \"/a\",\n  \"b\",\n]\n";
        check(function, &[(4, "memory"), (7, "triggers")]);
    }

    #[test]
    fn what_only_follows_from_another_thing_is_not_said() {
        let wrong = "[[function]]\nname = \"f\"\nimage = \"docker/x\"\n[function.config]\nA = \"b\"\n";
        check(wrong, &[(3, "image")]);
        let bare = "[[function]]\nname = \"g\"\n[[function]]\nimage = \"process:h\"\n[calls]\nopen_max = 0\n";
        check(&format!("{wrong}{bare}"), &[(3, "image"), (6, "[[function]]"), (8, "[[function]]"), (11, "open_max")]);
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
