//! What a new process finds among its descriptors.
//!
//! A child with a copy of all our descriptors would have to close them one by one before it is its
//! program. Who has thousands of containers hot has tens of thousands of descriptors, and that would
//! take longer than everything else in a start together. So what a child needs lies under a few small
//! numbers that are kept for this alone; the child is cloned with our very table, and first of all takes
//! one of its own, which ends with the last of these numbers.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::{DupFlags, Errno};

/// What a child needs.
#[derive(Debug)]
pub(crate) struct Needs {
    /// What becomes its descriptors 0, 1 and 2.
    pub(crate) stdio: [Arc<OwnedFd>; 3],
    /// Where it starts.
    pub(crate) cwd: Option<OwnedFd>,
    /// Its program, where that is not told by a path.
    pub(crate) file: Option<Arc<OwnedFd>>,
    /// Its control group.
    pub(crate) cgroup: Option<Arc<OwnedFd>>,
}

/// A place for each need, in their order.
const PLACES: usize = 6;
/// No place is one of the three that a child's streams go to: a program that has closed its own
/// standard streams would have those numbers free.
const LOWEST: i32 = 3;

/// The numbers that are kept. Between two children there is nothing under them.
#[derive(Debug)]
pub(crate) struct Shelf {
    places: [OwnedFd; PLACES],
    nothing: OwnedFd,
}

impl Shelf {
    /// With the smallest numbers that are free.
    pub(crate) fn new() -> Result<Self, Errno> {
        let nothing = rustix::fs::open("/dev/null", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let place = || rustix::io::fcntl_dupfd_cloexec(&nothing, LOWEST);
        let places = [place()?, place()?, place()?, place()?, place()?, place()?];
        Ok(Self { places, nothing })
    }

    /// Lays down what a child needs, until the answer is dropped.
    pub(crate) fn hold(&mut self, needs: &Needs) -> Result<Held<'_>, Errno> {
        let Needs { stdio: [stdin, stdout, stderr], cwd, file, cgroup } = needs;
        let wanted: [Option<BorrowedFd<'_>>; PLACES] = [
            Some(stdin.as_fd()),
            Some(stdout.as_fd()),
            Some(stderr.as_fd()),
            cwd.as_ref().map(OwnedFd::as_fd),
            file.as_ref().map(|file| file.as_fd()),
            cgroup.as_ref().map(|cgroup| cgroup.as_fd()),
        ];
        let held = Held { there: wanted.map(|wanted| wanted.is_some()), shelf: self };
        for (wanted, place) in wanted.iter().zip(&mut held.shelf.places) {
            if let Some(wanted) = wanted {
                rustix::io::dup3(wanted, place, DupFlags::CLOEXEC)?;
            }
        }
        Ok(held)
    }
}

/// A shelf with what one child needs.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    shelf: &'a mut Shelf,
    there: [bool; PLACES],
}

impl Held<'_> {
    pub(crate) fn stdio(&self) -> [&OwnedFd; 3] {
        let [stdin, stdout, stderr, ..] = &self.shelf.places;
        [stdin, stdout, stderr]
    }

    pub(crate) fn cwd(&self) -> Option<&OwnedFd> {
        self.place(3)
    }

    pub(crate) fn file(&self) -> Option<&OwnedFd> {
        self.place(4)
    }

    pub(crate) fn cgroup(&self) -> Option<&OwnedFd> {
        self.place(5)
    }

    /// The first number beyond all that is kept.
    pub(crate) fn end(&self) -> u32 {
        let last = self.shelf.places.iter().map(AsRawFd::as_raw_fd).max();
        last.map_or(0, |last| last.unsigned_abs() + 1)
    }

    fn place(&self, at: usize) -> Option<&OwnedFd> {
        self.there[at].then(|| &self.shelf.places[at])
    }
}

/// A pipe ends for its reader only when nobody holds the other end any more, and that would be us.
impl Drop for Held<'_> {
    fn drop(&mut self) {
        for (place, _) in self.shelf.places.iter_mut().zip(self.there).filter(|(_, there)| *there) {
            rustix::io::dup3(&self.shelf.nothing, place, DupFlags::CLOEXEC)
                .expect("a descriptor of ours can take a number of ours");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn needs(stdout: OwnedFd) -> Needs {
        let null = || Arc::new(OwnedFd::from(std::fs::File::open("/dev/null").unwrap()));
        Needs { stdio: [null(), Arc::new(stdout), null()], cwd: None, file: None, cgroup: Some(null()) }
    }

    #[test]
    fn what_is_held_lies_under_the_same_numbers_each_time() {
        let mut shelf = Shelf::new().unwrap();
        let numbers = |shelf: &Shelf| shelf.places.each_ref().map(AsRawFd::as_raw_fd);
        let before = numbers(&shelf);
        assert!(before.iter().all(|number| *number >= LOWEST), "{before:?}");
        for _ in 0..2 {
            let held = shelf.hold(&needs(std::fs::File::open("/proc/self/stat").unwrap().into())).unwrap();
            assert!(held.cwd().is_none() && held.file().is_none() && held.cgroup().is_some());
            assert_eq!(held.stdio()[1].as_raw_fd(), before[1]);
            assert!(before.iter().all(|number| number.unsigned_abs() < held.end()));
        }
        assert_eq!(numbers(&shelf), before);
    }

    #[test]
    fn a_pipe_ends_when_it_is_taken_off_the_shelf() {
        let mut shelf = Shelf::new().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let needs = needs(writer.into());
        let held = shelf.hold(&needs).unwrap();
        drop(held);
        drop(needs);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }
}
