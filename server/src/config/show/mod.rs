//! The config that holds, as a config file would say it.
//!
//! Every knob is there: what was said somewhere as a line, what is at its default as a line that ends
//! with a comment, what has no value as a comment. So it is a file that means the same, but for what is
//! secret: keys, secrets, credentials, the values of variables, and what URLs have of users, passwords and
//! queries. They are left out and said to be; a key that a table cannot be without is to be put back.
//!
//! `page` knows how things are written, and a file each knows what a table holds. A knob that
//! the reader of a table knows and its page does not is found by a test.

mod calls;
mod command;
mod connector;
mod containers;
mod exec;
mod function;
mod node;
mod page;
#[cfg(test)]
mod tests;

use std::fmt;

use hotfn_exec::rules::Rules;

use super::{Deployment, Settings};
use crate::command::Settings as Commands;
use crate::connector::Definition;
use page::Page;

/// All that holds, of every layer and every table.
#[derive(Clone, Copy, Debug)]
pub struct Effective<'a> {
    /// The node's knobs.
    pub settings: &'a Settings,
    /// What `hotfn exec-server` would do; what functions may run is among the settings.
    pub exec: &'a Rules,
    /// The host's commands, if it has any.
    pub commands: Option<&'a Commands>,
    /// The functions of the file.
    pub functions: &'a [Deployment],
    /// The connectors of the file.
    pub connectors: &'a [Definition],
}

impl fmt::Display for Effective<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut page = Page::new();
        node::table(&mut page, self.settings);
        containers::table(&mut page, &self.settings.containers);
        node::db(&mut page, self.settings);
        calls::table(&mut page, self.settings);
        exec::tables(&mut page, self.settings.exec.as_ref(), self.exec);
        match self.commands {
            Some(commands) => command::tables(&mut page, commands),
            None => page.absent("[command]", "there is no service of host commands"),
        }
        for deployment in self.functions {
            function::table(&mut page, deployment);
        }
        for definition in self.connectors {
            connector::table(&mut page, definition);
        }
        f.write_str(&page.text())
    }
}
