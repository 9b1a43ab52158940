//! What a case of the function's side has in hand.

use std::cell::RefCell;
use std::sync::Arc;

use crate::check::Run;
use crate::function::{Function, Home, Launch, Stdio, environment};
use crate::random::Random;
use crate::subject::{self, Profile};
use crate::transcript::Transcript;

/// The subject, and everything that belongs to one run of one case.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) subject: Arc<subject::Function>,
    pub(crate) profile: Profile,
    pub(crate) random: RefCell<Random>,
    pub(crate) transcript: Transcript,
}

impl Stage {
    /// How an agent starts it to listen in `home`.
    pub(crate) fn launch(&self, home: &Home) -> Launch<'_> {
        let mut environment = environment("http-stream");
        environment.insert("FN_LISTENER".to_owned(), format!("unix:{}", home.listener().display()));
        let (program, folder) = (&self.subject.program, Some(home.folder().to_owned()));
        Launch { program, prefix: Vec::new(), folder, environment, stdio: Stdio::Log }
    }

    /// A function that listens.
    pub(crate) fn start(&self) -> Run<Function> {
        self.start_with(|_, _| ())
    }

    /// The same, with something changed.
    pub(crate) fn start_with(&self, change: impl FnOnce(&mut Launch<'_>, &Home)) -> Run<Function> {
        self.start_in(Home::new()?, change)
    }

    /// The same, in a home that is there.
    pub(crate) fn start_in(&self, home: Home, change: impl FnOnce(&mut Launch<'_>, &Home)) -> Run<Function> {
        let mut launch = self.launch(&home);
        change(&mut launch, &home);
        let mut function = Function::launch(&launch, home, &self.transcript)?;
        function.listens_within(crate::bounds::START)?;
        Ok(function)
    }
}
