//! Connectors in a config file: a `[connector.NAME]` table each.
//!
//! ```toml
//! [connector.lines]
//! type = "unix_socket_server"
//! codec = "json"
//! preprocessors = ["separate"]
//! postprocessors = ["separate"]
//! config = { path = "/run/lines.sock" }
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value as Tree};
use toml::Spanned;

use super::Refused;
use super::file::LoadError;
use super::place::Place;
use crate::connector::Definition;
use crate::connector::definition::SYSTEMD;

/// The tables of connectors, by name, as they stand in a file.
pub(super) type Tables = BTreeMap<String, Spanned<Map<String, Tree>>>;

/// A file's connectors, whatever else is in it.
#[derive(Deserialize)]
struct Only {
    #[serde(default)]
    connector: Tables,
}

/// Reads the connectors of the file at `path`, and nothing else in it.
///
/// # Errors
/// When it cannot be read, or something in them cannot be followed.
pub fn load(path: &Path) -> Result<Vec<Definition>, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    let place = Place { text: &text, path };
    let file: Only = place.read()?;
    Ok(connectors(file.connector, &place)?)
}

/// What the tables say.
pub(super) fn connectors(tables: Tables, place: &Place<'_>) -> Result<Vec<Definition>, Refused> {
    let mut definitions = Vec::new();
    for (name, table) in tables {
        let header = table.span().start;
        let mut source = table.into_inner();
        for key in ["path", "from", "to", "err_to"] {
            beside(&mut source, key, place);
        }
        if let Some(Tree::Object(config)) = source.get_mut("config") {
            beside(config, "path", place);
        }
        let read = Definition::read(&name, source);
        definitions.push(read.map_err(|invalid| {
            // The key within the table, as far as lines can tell: a person finds the rest.
            let first = invalid.key.split('.').next().unwrap_or_default();
            let at = place.find(header, first).unwrap_or(header);
            Refused { key: format!("connector.{name}.{}", invalid.key), ..place.refuse(at, invalid.what) }
        })?);
    }
    Ok(definitions)
}

/// Makes paths relative to the file's folder, as everywhere in the file.
fn beside(table: &mut Map<String, Tree>, key: &str, place: &Place<'_>) {
    let relative = |text: &str| -> Option<String> {
        let (scheme, path) = match text.strip_prefix("file:") {
            Some(path) => ("file:", path),
            None if key == "path" && !text.starts_with(SYSTEMD) => ("", text),
            None => return None,
        };
        Some(format!("{scheme}{}", place.beside(&PathBuf::from(path)).display()))
    };
    match table.get_mut(key) {
        Some(Tree::String(text)) => *text = relative(text).unwrap_or_else(|| text.clone()),
        Some(Tree::Array(items)) => {
            for item in items {
                if let Tree::String(text) = item {
                    *text = relative(text).unwrap_or_else(|| text.clone());
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;
    use crate::connector::definition::Target;

    use super::*;

    const LINES: &str = "[connector.lines]\ntype = \"unix_socket_server\"\ncodec = \"json\"\n";

    #[test]
    fn a_table_is_a_connector_and_its_paths_lie_beside_the_file() {
        let text = format!("{LINES}to = [\"reply\", \"file:seen.log\"]\nconfig = {{ path = \"in.sock\" }}\n");
        let config = parse(&text, Path::new("/etc/hotfn.toml"), None).unwrap();
        let lines = &config.connectors[0];
        assert_eq!((lines.name.as_str(), lines.socket.path.as_path()), ("lines", Path::new("/etc/in.sock")));
        assert_eq!(lines.to, [Target::Reply, Target::File("/etc/seen.log".into())]);
    }

    #[test]
    fn what_cannot_be_followed_is_told_with_its_line() {
        let refused = |more: &str| {
            let text = format!("[node]\n{LINES}path = \"s\"\n{more}\n");
            parse(&text, Path::new("hotfn.toml"), None).unwrap_err().to_string()
        };
        assert_eq!(
            refused("in_flight = 0"),
            "hotfn.toml:6: connector.lines.in_flight: 0 is out of range; it may be 1 to 65536"
        );
        let unknown = refused("inflight = 1");
        assert!(
            unknown.starts_with("hotfn.toml:6: connector.lines.inflight: unknown key, expected one of "),
            "{unknown}"
        );
        assert!(unknown.contains("`in_flight`"), "{unknown}");
        assert!(
            refused("preprocessors = [\"gelf\"]").starts_with("hotfn.toml:6: connector.lines.preprocessors: unknown")
        );
    }
}
