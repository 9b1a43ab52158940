//! A function as a child process.
