//! The subcommands as `hotfn --help` shows them: by what a person is about to do.

use std::fmt::Write as _;

use clap::Command;

/// What is done, and by which subcommands, in the order of a reader's first day.
const GROUPS: &[(&str, &[&str])] = &[
    ("Write a function", &["dev", "run", "build"]),
    ("Serve functions", &["serve", "token"]),
    ("Use a running node", &["deploy", "invoke", "logs", "calls", "apps", "fns", "triggers", "connectors"]),
    ("Work beside nodes", &["connect", "exec", "exec-server", "command", "command-server"]),
    ("Check and set up", &["conformance", "completions", "man"]),
];

/// The same command, with its subcommands in groups.
pub(super) fn grouped(command: Command) -> Command {
    let groups = groups(&command);
    let template =
        format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}Options:\n{{options}}{{after-help}}\n");
    command.help_template(template)
}

fn groups(command: &Command) -> String {
    let named = |name: &str| command.get_subcommands().find(|sub| sub.get_name() == name);
    let width = command.get_subcommands().map(|sub| sub.get_name().len()).max().unwrap_or_default();
    let mut text = String::new();
    for (what, names) in GROUPS {
        writeln!(text, "{what}:").expect("writing to a string does not fail");
        for sub in names.iter().filter_map(|name| named(name)) {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            writeln!(text, "  {:<width$}  {about}", sub.get_name()).expect("writing to a string does not fail");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn flags_and_arguments_do_not_contradict_each_other() {
        grouped(Cli::command()).debug_assert();
    }

    #[test]
    fn every_subcommand_is_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let command = Cli::command();
        let mut there: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        grouped.sort_unstable();
        there.sort_unstable();
        assert_eq!(grouped, there, "put a new subcommand into a group of `hotfn --help`");
    }

    #[test]
    fn help_shows_groups_and_flags() {
        let help = super::grouped(Cli::command()).render_help().to_string();
        for text in ["Write a function:\n  dev  ", "  apps  ", "\nOptions:\n", "--log-level", "\nExample:\n"] {
            assert!(help.contains(text), "{text:?} is not in\n{help}");
        }
    }
}
