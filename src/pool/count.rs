//! What a queue looks like at one moment, in numbers.

use std::iter::Sum;
use std::ops::Add;

/// Calls and containers of one function, or of all.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Count {
    /// Calls that wait.
    pub waiting: u64,
    /// Calls that a container works on.
    pub calls: u64,
    /// Containers that wait for room.
    pub wanted: u64,
    /// Containers on their way up,
    pub starting: u64,
    /// that are up, idle and awake,
    pub idle: u64,
    /// that are up and frozen,
    pub frozen: u64,
    /// that work,
    pub busy: u64,
    /// and on their way out.
    pub leaving: u64,
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            waiting: self.waiting + other.waiting,
            calls: self.calls + other.calls,
            wanted: self.wanted + other.wanted,
            starting: self.starting + other.starting,
            idle: self.idle + other.idle,
            frozen: self.frozen + other.frozen,
            busy: self.busy + other.busy,
            leaving: self.leaving + other.leaving,
        }
    }
}

impl Sum for Count {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Self::add)
    }
}
