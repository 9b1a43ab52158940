//! Which system calls a function has.
//!
//! The list is data, in `seccomp.json`: calls that are allowed, by what they are for; calls that are
//! allowed with certain arguments; and calls that exist and are refused. What is refused hears EPERM,
//! as a program without privileges would. What is in no list, such as a call that is newer than the
//! list, hears ENOSYS, and a C library then does what it did before there was that call: so does it
//! with `clone3`, whose arguments lie in memory where no filter can see which namespaces it asks for.
//!
//! It is the second wall. A function has no capability, and so the kernel refuses most of these by
//! itself; the filter keeps it from the code that would have to be right about that. Only calls of the
//! machine's own kind pass: the ways in for older programs (32 bits) are shut.

use std::sync::OnceLock;

use serde::Deserialize;

use super::spec::{Seccomp, SyscallArg, SyscallRule};

const LISTS: &str = include_str!("seccomp.json");

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Of this machine. A runtime asks for them by name.
const ARCHITECTURES: &[&str] = if cfg!(target_arch = "aarch64") {
    &["SCMP_ARCH_AARCH64"]
} else if cfg!(target_arch = "x86_64") {
    &["SCMP_ARCH_X86_64"]
} else {
    // With none named it is the runtime's own.
    &[]
};

#[derive(Debug, Deserialize)]
struct Lists {
    allowed: Vec<Group>,
    allowed_if: Vec<Condition>,
    refused: Vec<Group>,
}

/// Calls that are for the same.
#[derive(Debug, Deserialize)]
struct Group {
    calls: Vec<String>,
}

/// Calls that are allowed when one argument, of which the mask leaves the bits that matter, is one of
/// the values.
#[derive(Debug, Deserialize)]
struct Condition {
    calls: Vec<String>,
    index: u32,
    mask: Option<u64>,
    values: Vec<u64>,
}

/// The filter that every container has.
pub(super) fn filter() -> &'static Seccomp {
    static FILTER: OnceLock<Seccomp> = OnceLock::new();
    FILTER.get_or_init(|| {
        let lists: Lists = serde_json::from_str(LISTS).expect("the lists that were built in are well formed");
        let allowed = lists.allowed.into_iter().map(|group| rule(group.calls, "SCMP_ACT_ALLOW", None, Vec::new()));
        let allowed_if = lists.allowed_if.into_iter().flat_map(|condition| {
            let Condition { calls, index, mask, values } = condition;
            values
                .into_iter()
                .map(move |value| rule(calls.clone(), "SCMP_ACT_ALLOW", None, vec![argument(index, mask, value)]))
        });
        let refused =
            lists.refused.into_iter().map(|group| rule(group.calls, "SCMP_ACT_ERRNO", Some(EPERM), Vec::new()));
        Seccomp {
            default_action: "SCMP_ACT_ERRNO",
            default_errno_ret: ENOSYS,
            architectures: ARCHITECTURES,
            syscalls: allowed.chain(allowed_if).chain(refused).collect(),
        }
    })
}

fn rule(names: Vec<String>, action: &'static str, errno_ret: Option<u32>, args: Vec<SyscallArg>) -> SyscallRule {
    SyscallRule { names, action, errno_ret, args }
}

fn argument(index: u32, mask: Option<u64>, value: u64) -> SyscallArg {
    match mask {
        None => SyscallArg { index, value, value_two: None, op: SyscallArg::EQUAL },
        Some(mask) => SyscallArg { index, value: mask, value_two: Some(value), op: SyscallArg::MASKED_EQUAL },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rustix::thread::UnshareFlags;

    use super::*;

    #[test]
    fn every_call_is_in_one_list_alone() {
        let lists: Lists = serde_json::from_str(LISTS).unwrap();
        let groups = lists.allowed.iter().chain(&lists.refused).map(|group| &group.calls);
        let mut seen = HashSet::new();
        for call in groups.chain(lists.allowed_if.iter().map(|condition| &condition.calls)).flatten() {
            assert!(seen.insert(call), "{call} is there twice");
        }
        assert!(!seen.contains(&"clone3".to_owned()), "its flags cannot be seen");
    }

    #[test]
    fn a_thread_is_made_and_a_namespace_is_not() {
        let clone = filter().syscalls.iter().find(|rule| rule.names == ["clone"]).unwrap();
        let [SyscallArg { value: mask, value_two: Some(0), op: SyscallArg::MASKED_EQUAL, .. }] = clone.args[..] else {
            panic!("{clone:?}")
        };
        let thread = 0x003d_0f00; // VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, PARENT_SETTID, CHILD_CLEARTID
        assert_eq!(thread & mask, 0);
        let namespaces = UnshareFlags::NEWNS
            | UnshareFlags::NEWCGROUP
            | UnshareFlags::NEWUTS
            | UnshareFlags::NEWIPC
            | UnshareFlags::NEWUSER
            | UnshareFlags::NEWPID
            | UnshareFlags::NEWNET;
        for namespace in namespaces.iter().map(|flag| u64::from(flag.bits())) {
            assert_ne!(namespace & mask, 0);
        }
    }
}
