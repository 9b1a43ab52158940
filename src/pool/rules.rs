//! What a function's queue goes by, and what its containers cost.

use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

/// Memory and CPU: what a container counts for, what a node has. Subtraction stops at nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Need {
    /// Megabytes.
    pub memory_mb: u64,
    /// Thousandths of a CPU.
    pub cpu_milli: u64,
}

impl Need {
    /// Does it fit into `room`, in both respects?
    #[must_use]
    pub fn fits(self, room: Self) -> bool {
        self.memory_mb <= room.memory_mb && self.cpu_milli <= room.cpu_milli
    }

    /// Is it nothing at all? Ending such a container makes no room.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl Add for Need {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            memory_mb: self.memory_mb.saturating_add(other.memory_mb),
            cpu_milli: self.cpu_milli.saturating_add(other.cpu_milli),
        }
    }
}

impl AddAssign for Need {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Need {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            memory_mb: self.memory_mb.saturating_sub(other.memory_mb),
            cpu_milli: self.cpu_milli.saturating_sub(other.cpu_milli),
        }
    }
}

impl SubAssign for Need {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

/// How one function's calls and containers are to be treated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rules {
    /// One container a call, started by the call itself.
    pub cold: bool,
    /// Calls in flight in one container, at least 1.
    pub concurrency: u32,
    /// How long a container idles before it is frozen; `None`: never.
    pub freeze_idle: Option<Duration>,
    /// How long a container idles before it is retired.
    pub idle_timeout: Duration,
    /// Age at which a container is retired.
    pub max_age: Option<Duration>,
    /// Calls after which a container is retired.
    pub max_calls: Option<u64>,
    /// Most containers at once, those on their way in and out included.
    pub max_containers: Option<u32>,
    /// Containers kept even when idle.
    pub min_warm: u32,
    /// What one container counts for.
    pub need: Need,
    /// Most calls that wait.
    pub queue_max: Option<usize>,
    /// How long a call may wait.
    pub queue_wait_max: Option<Duration>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            cold: false,
            concurrency: 1,
            freeze_idle: None,
            idle_timeout: Duration::from_secs(30),
            max_age: None,
            max_calls: None,
            max_containers: None,
            min_warm: 0,
            need: Need::default(),
            queue_max: None,
            queue_wait_max: None,
        }
    }
}

/// Should one more container be started? The rule of the contract's section 3.2, for containers of
/// any concurrency: calls that no slot on its way will serve.
#[must_use]
pub fn wants_more(waiting: usize, coming: usize, concurrency: u32) -> bool {
    waiting > coming.saturating_mul(concurrency as usize)
}
