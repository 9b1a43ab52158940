//! `hotfn token`: who may call a node.
//!
//! It works on the node's store, so that the first token needs none: whoever can read and write
//! that can do anything anyway. A node that is running follows within a second.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::Usage;
use super::serve::CONFIG;
use super::table::Table;
use crate::access::{Role, Token};
use crate::config::{self, Settings, env};
use crate::store::{Store, Url};

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  hotfn token create --role admin ops\n  \
    hotfn token create --role deploy --app shop --app blog ci\n  hotfn token list\n  hotfn token revoke ID\n\n\
    docs/access.md says what each role may do.")]
pub(super) struct Args {
    /// The node's config file, which says where its store is [default: hotfn.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The node's store, where no config file says it: sqlite3:///PATH or postgres://… [default: as hotfn serve]
    #[arg(long, global = true, value_name = "URL")]
    db: Option<Url>,
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Make one, and print it: it cannot be shown again
    Create {
        /// What it is for: admin, deploy or invoke
        #[arg(long)]
        role: Role,
        /// An app that it is for, by name; may be given many times [default: the whole node]
        #[arg(long = "app", value_name = "APP")]
        apps: Vec<String>,
        /// What people call it, such as who or what will have it
        name: String,
    },
    /// Each with its id, its role and its apps
    List,
    /// End one: within a second no node takes it any more
    Revoke {
        /// Its id, as list shows it
        id: String,
    },
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if let What::Create { name, role, apps } = &args.what {
        let apps = apps.iter().cloned().collect();
        Token::check(name, *role, &apps).map_err(Usage::of)?;
    }
    let store = open(args.config.as_deref(), args.db).await?;
    match args.what {
        What::Create { role, apps, name } => {
            let apps: BTreeSet<String> = apps.into_iter().collect();
            let (token, text) = store.create_token(name, role, apps).await?;
            println!("{}", text.reveal());
            eprintln!("hotfn: keep it: it cannot be shown again; hotfn token revoke {} ends it", token.id);
        }
        What::List => print!("{}", table(&store.tokens().await?).text()),
        What::Revoke { id } => store.delete_token(&id).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The store that a node with this config has.
async fn open(config: Option<&Path>, db: Option<Url>) -> anyhow::Result<Store> {
    let file = match config.or_else(|| Some(Path::new(CONFIG)).filter(|path| path.exists())) {
        Some(path) => config::load_settings(path).map_err(Usage::of)?,
        None => Settings::default(),
    };
    let below = env::settings(&env::process).map_err(Usage::of)?.or(file);
    let url = Settings { db, ..Settings::default() }.or(below).db();
    if url == Url::Memory {
        let what =
            "a store in memory is the node's alone; give it one that is kept, with --db, FN_DB_URL or the config";
        return Err(Usage::of(anyhow::anyhow!("{what}")));
    }
    Store::open(&url).await.with_context(|| format!("cannot use the store {url}; choose the node's with --db URL"))
}

fn table(tokens: &[Token]) -> Table {
    let empty = Table::new(["ID", "ROLE", "APPS", "CREATED", "NAME"]);
    tokens.iter().fold(empty, |table, token| {
        let apps: Vec<&str> = token.apps.iter().map(String::as_str).collect();
        let apps = if apps.is_empty() { "all".to_owned() } else { apps.join(",") };
        table.row([&token.id, token.role.as_str(), &apps, &token.created_at, &token.name])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_shows_whom_each_is_for() {
        let made = |name: &str, role, apps: &[&str]| {
            let apps = apps.iter().map(|&app| app.to_owned()).collect();
            let (token, _) = Token::make(name.to_owned(), role, apps, "2026-11-21T00:00:00.000Z".to_owned()).unwrap();
            Token { id: "ID".to_owned(), ..token }
        };
        let tokens = [made("ops", Role::Admin, &[]), made("my ci", Role::Deploy, &["blog", "shop"])];
        let expected = "ID  ROLE    APPS       CREATED                   NAME\n\
                        ID  admin   all        2026-11-21T00:00:00.000Z  ops\n\
                        ID  deploy  blog,shop  2026-11-21T00:00:00.000Z  my ci\n";
        assert_eq!(table(&tokens).text(), expected);
    }
}
