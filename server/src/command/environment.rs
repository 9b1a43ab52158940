//! The environment of a command: a clean base, what the config adds, what the caller adds.
//!
//! The service's own environment, which may hold its key, is no part of it. Variables by which a
//! caller could have a program load or run something else than itself are refused, as on the exec
//! socket.

use std::path::Path;

use hotfn_exec::rules::{DANGEROUS, Pattern, User, Variable};

/// May a caller set `name`? If not, why.
pub(super) fn check(name: &str) -> Result<(), &'static str> {
    let mut bytes = name.bytes();
    let begins = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !begins || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err("is not a name of letters, digits and underscores");
    }
    if DANGEROUS.iter().any(|pattern| Pattern::text(*pattern).fits(name.as_bytes())) {
        return Err("may not be set: it changes which code a program runs");
    }
    Ok(())
}

/// The whole environment of a command. Of two values of one name the later counts.
pub(super) fn whole(user: &User, config: &[(String, String)], ask: &[(String, String)]) -> Vec<Variable> {
    let base = [
        ("PATH", PATH.into()),
        ("HOME", user.home.clone().into_os_string()),
        ("USER", user.name.clone().into()),
        ("LOGNAME", user.name.clone().into()),
        ("SHELL", user.shell.clone().into_os_string()),
        ("LANG", LANG.into()),
    ];
    let base = base.into_iter().map(|(name, value)| (name.into(), value));
    base.chain(config.iter().chain(ask).map(|(name, value)| (name.into(), value.into()))).collect()
}

/// The directories of a login, those of the administrator's tools last.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// Every system has it, and it does not change what programs print.
const LANG: &str = "C.UTF-8";

/// Where a command starts of which nobody says where.
pub(super) fn home(user: &User) -> &Path {
    if user.home.is_dir() { &user.home } else { Path::new("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_sets_names_that_load_nothing() {
        for good in ["A", "_", "PATH", "LANG", "lower_case9", "LDFLAGS", "ENVIRONMENT"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "9A", "A B", "A=B", "é", "LD_PRELOAD", "LD_X", "BASH_ENV", "ENV", "IFS", "PERL5OPT", "DYLD_X"]
        {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_base_is_clean_and_the_later_value_counts() {
        let user = User {
            uid: 7,
            gid: 7,
            groups: Vec::new(),
            name: "u".to_owned(),
            home: "/home/u".into(),
            shell: "/bin/sh".into(),
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let env = whole(&user, &[pair("A", "config"), pair("LANG", "de")], &[pair("A", "caller")]);
        let env: Vec<String> =
            env.iter().map(|(name, value)| format!("{}={}", name.display(), value.display())).collect();
        let base = ["HOME=/home/u", "USER=u", "LOGNAME=u", "SHELL=/bin/sh", "LANG=C.UTF-8"];
        assert_eq!(env[1..6], base);
        assert_eq!(env[6..], ["A=config", "LANG=de", "A=caller"]);
    }
}
