//! What grants allow, and what a gate remembers.

use std::collections::BTreeSet;

use super::*;

fn apps(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn made(role: Role, of: &[&str]) -> (Token, token::Text) {
    Token::make("t".to_owned(), role, apps(of), String::new()).unwrap()
}

fn header(text: &token::Text) -> String {
    format!("Bearer {}", text.reveal())
}

#[test]
fn a_role_has_what_lesser_ones_have() {
    use Role::{Admin, Deploy, Invoke};
    let check = |role: Role, of: &[&str], need: Need<'_>, expected: bool| {
        let grant = made(role, of).0.grant();
        assert_eq!(grant.check(need).is_ok(), expected, "{grant:?} {need:?}");
    };
    for role in Role::ALL {
        for of in [&[][..], &["a"]] {
            check(role, of, Need::Nothing, true);
            check(role, of, Need::Token, true);
        }
    }
    for (role, deploys, admins) in [(Admin, true, true), (Deploy, true, false), (Invoke, false, false)] {
        for (needed, expected) in [(Invoke, true), (Deploy, deploys), (Admin, admins)] {
            for need in [Need::App(needed, "a"), Need::Node(needed), Need::SomeApp(needed)] {
                check(role, &[], need, expected);
            }
            check(role, &["a", "b"], Need::App(needed, "a"), expected);
            check(role, &["a", "b"], Need::SomeApp(needed), expected);
            check(role, &["a", "b"], Need::App(needed, "c"), false);
            check(role, &["a", "b"], Need::App(needed, ""), false);
            check(role, &["a", "b"], Need::Node(needed), false);
        }
    }
}

#[test]
fn only_what_was_made_and_not_revoked_is_good() {
    let access = Access::new(Tokens::Required);
    let ((one, text), (_, strange)) = (made(Role::Invoke, &[]), made(Role::Invoke, &[]));
    let admit = |access: &Access, value: Option<&str>, shown: &mut Shown| {
        access.admit(value.map(str::as_bytes), Need::Node(Role::Invoke), shown).map(drop)
    };
    let mut shown = Shown::default();
    assert_eq!(admit(&access, Some(&header(&text)), &mut shown), Err(Denied::Unknown), "not yet");
    access.keep(std::slice::from_ref(&one));
    // Twice: the second time it is remembered.
    for _ in 0..2 {
        assert_eq!(admit(&access, Some(&header(&text)), &mut shown), Ok(()));
        assert_eq!(admit(&access, Some(&format!("bearer  {} ", text.reveal())), &mut shown), Ok(()));
        assert_eq!(admit(&access, Some(&header(&strange)), &mut shown), Err(Denied::Unknown));
    }
    for missing in [None, Some(""), Some("Bearer"), Some("Basic dTpw"), Some(text.reveal())] {
        assert_eq!(admit(&access, missing, &mut shown), Err(Denied::Missing), "{missing:?}");
    }
    let cut = &text.reveal()[..text.reveal().len() - 1];
    let longer = format!("{}A", text.reveal());
    for wrong in [cut, &longer, "", "hotfn_", "hotfn_é", &"x".repeat(5000)] {
        let value = format!("Bearer {wrong}");
        assert_eq!(admit(&access, Some(&value), &mut shown), Err(Denied::Unknown), "{wrong}");
    }
    access.keep(&[]);
    assert_eq!(admit(&access, Some(&header(&text)), &mut shown), Err(Denied::Unknown), "what was remembered is gone");
    assert_eq!(admit(&Access::new(Tokens::Off), None, &mut shown), Ok(()));
}

/// Another's secret behind the right id is no better than none.
#[test]
fn an_id_alone_opens_nothing() {
    let access = Access::new(Tokens::Required);
    let ((one, text), (_, other)) = (made(Role::Admin, &[]), made(Role::Admin, &[]));
    access.keep(std::slice::from_ref(&one));
    let at = text.reveal().len() - 43;
    let forged = format!("Bearer {}{}", &text.reveal()[..at], &other.reveal()[at..]);
    let admitted = access.admit(Some(forged.as_bytes()), Need::Token, &mut Shown::default());
    assert_eq!(admitted.unwrap_err(), Denied::Unknown);
}

#[test]
fn what_is_kept_of_a_token_does_not_hold_it() {
    let (token, text) = made(Role::Deploy, &["a"]);
    let kept = serde_json::to_string(&token).unwrap();
    let secret = &text.reveal()[text.reveal().len() - 43..];
    assert!(!kept.contains(secret) && !format!("{token:?} {text:?}").contains(secret), "{kept}");
    assert_eq!(serde_json::from_str::<Token>(&kept).unwrap(), token);
    assert_eq!(token::id(text.reveal().as_bytes()), Some(&*token.id));
}

#[test]
fn a_token_that_makes_no_sense_is_not_made() {
    let check = |name: &str, role, of: &[&str], expected: Result<(), token::Unfit>| {
        assert_eq!(Token::check(name, role, &apps(of)), expected, "{name:?} {role} {of:?}");
    };
    check("ci", Role::Admin, &[], Ok(()));
    check("ci", Role::Deploy, &["shop"], Ok(()));
    check("ci", Role::Admin, &["shop"], Err(token::Unfit::AdminOfApps));
    for name in ["", "a\nb", &"x".repeat(256)] {
        check(name, Role::Invoke, &[], Err(token::Unfit::Name));
    }
    assert!(Token::check("ci", Role::Invoke, &apps(&["a.b"])).is_err());
    let many: BTreeSet<String> = (0..=token::APPS_MAX).map(|n| format!("a{n}")).collect();
    assert_eq!(Token::check("ci", Role::Invoke, &many), Err(token::Unfit::Apps(token::APPS_MAX + 1)));
}

#[test]
fn a_refusal_says_what_would_do() {
    let check = |denied: Denied, status: u16, message: &str| {
        assert_eq!((denied.status().as_u16(), &*denied.to_string()), (status, message));
        assert!(denied.challenge().starts_with("Bearer "));
    };
    let token = || "ci".to_owned();
    check(Denied::Unknown, 401, "Token not known: it was never made for this node, or was revoked");
    check(
        Denied::Role { token: token(), has: Role::Invoke, needed: Role::Deploy },
        403,
        "Not allowed: the token \"ci\" has the role invoke, and this takes deploy",
    );
    check(
        Denied::App { token: token(), app: "shop".to_owned() },
        403,
        "Not allowed: the token \"ci\" is not for the app \"shop\"",
    );
}
