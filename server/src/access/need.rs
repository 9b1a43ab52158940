//! What something takes.

use super::Role;

/// What is needed to be answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Need<'a> {
    /// This role, in this app.
    App(Role, &'a str),
    /// This role, of the whole node: a token for some apps does not do.
    Node(Role),
    /// Nothing: anybody is answered.
    Nothing,
    /// This role in some app. Which one shows later, and is looked at then.
    SomeApp(Role),
    /// A token, whatever it is for.
    Token,
}
