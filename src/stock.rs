//! Containers made ahead, for launches that cannot wait.
//!
//! Making a container is what an engine takes its time for; starting one is quick. So a function may
//! have a few that are made and not started: they hold no memory of the function's and no CPU. A
//! launch takes one, and another is made in its place. They are of the function as it is now: what was
//! made for an earlier one is thrown away.
//!
//! Absent on purpose: a bound on their age. One that an engine has lost meanwhile fails to start, and
//! the launch makes another itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::Function;
use crate::made::Made;
use crate::pool::LineId;

/// The shelves of all functions that want one.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    shelves: Mutex<HashMap<LineId, Shelf>>,
}

/// One function's containers.
#[derive(Debug)]
struct Shelf {
    function: Arc<Function>,
    made: Vec<Made>,
    /// Being made.
    coming: usize,
}

impl Stock {
    /// From now on what is wanted is `function`'s. Answers with what is wanted no more.
    pub(crate) fn replace(&self, line: LineId, function: Option<&Arc<Function>>) -> Vec<Made> {
        let mut shelves = self.shelves();
        let old = match function.filter(|function| function.stock > 0) {
            Some(function) => shelves.insert(line, Shelf { function: function.clone(), made: Vec::new(), coming: 0 }),
            None => shelves.remove(&line),
        };
        old.map(|shelf| shelf.made).unwrap_or_default()
    }

    /// One that is ready to start, if it is still of `function`.
    pub(crate) fn take(&self, line: LineId, function: &Arc<Function>) -> Option<Made> {
        let mut shelves = self.shelves();
        let shelf = shelves.get_mut(&line).filter(|shelf| Arc::ptr_eq(&shelf.function, function))?;
        shelf.made.pop()
    }

    /// The function of which one more is to be made, if one is missing. Whoever asks makes it, and
    /// says so by [`Stock::put`].
    pub(crate) fn missing(&self, line: LineId) -> Option<Arc<Function>> {
        let mut shelves = self.shelves();
        let shelf = shelves.get_mut(&line)?;
        if shelf.made.len() + shelf.coming >= shelf.function.stock as usize {
            return None;
        }
        shelf.coming += 1;
        Some(shelf.function.clone())
    }

    /// What came of making one. Answers with it, if nobody wants it any more.
    pub(crate) fn put(&self, line: LineId, function: &Arc<Function>, made: Option<Made>) -> Option<Made> {
        let mut shelves = self.shelves();
        match shelves.get_mut(&line).filter(|shelf| Arc::ptr_eq(&shelf.function, function)) {
            Some(shelf) => {
                shelf.coming -= 1;
                shelf.made.extend(made);
                None
            }
            None => made,
        }
    }

    fn shelves(&self) -> MutexGuard<'_, HashMap<LineId, Shelf>> {
        self.shelves.lock().expect("no code panics while it holds this lock")
    }
}
