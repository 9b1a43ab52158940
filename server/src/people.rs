//! Users and groups by name or number, as this machine's own files know them.
//!
//! Only those files: names that come from a directory elsewhere are given as numbers.

/// Where users are looked up.
pub(crate) const USERS: &str = "/etc/passwd";
/// Where groups are looked up.
pub(crate) const GROUPS: &str = "/etc/group";

/// The number that `text` is, or that the one called so has in `file`.
pub(crate) fn id(text: &str, file: &str) -> Option<u32> {
    text.parse().ok().or_else(|| find(&std::fs::read_to_string(file).ok()?, text))
}

/// The third field of the line that begins with this name.
fn find(lines: &str, name: &str) -> Option<u32> {
    lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        fields.nth(1)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_first_field_and_the_number_the_third() {
        let lines = "root:x:0:\nwww:x:33:root\nbroken\nempty::\n";
        let check = |name: &str, expected: Option<u32>| assert_eq!(find(lines, name), expected, "{name}");
        check("www", Some(33));
        check("ww", None);
        check("broken", None);
        check("empty", None);
        assert_eq!(id("7", "/nowhere"), Some(7));
        assert_eq!(id("seven", "/nowhere"), None);
    }
}
