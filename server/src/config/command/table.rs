//! The `[command]` table as it is written, before anything in it is checked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use crate::command::Mode;
use crate::config::exec::ExecTable;
use crate::config::secret::Unshown;

/// Other tables have other readers.
#[derive(Deserialize)]
pub(super) struct File {
    pub(super) command: Option<Table>,
    #[serde(default)]
    pub(super) exec: ExecTable,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) bind: Option<Spanned<Words>>,
    pub(super) tls_certificate: Option<Spanned<PathBuf>>,
    pub(super) tls_key: Option<Spanned<PathBuf>>,
    pub(super) secret_key: Option<Unshown>,
    pub(super) secret_key_previous: Option<Unshown>,
    pub(super) secret_key_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) key: Vec<KeyTable>,
    pub(super) mode: Option<ModeName>,
    pub(super) shell: Option<Spanned<Words>>,
    pub(super) allow_from: Option<Spanned<Words>>,
    pub(super) trusted_users: Option<Spanned<Words>>,
    pub(super) min_algorithm: Option<AlgorithmName>,
    pub(super) callback_allow: Option<Vec<String>>,
    pub(super) callback_ca: Option<Spanned<PathBuf>>,
    pub(super) callback_fields: Option<FieldsName>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, Unshown>,
    /// Command lines as they are, and the commands that they mean.
    #[serde(default)]
    pub(super) exact: BTreeMap<String, String>,
    pub(super) user: Option<Spanned<String>>,
    pub(super) strays: Option<StraysName>,
    pub(super) failure_status: Option<Spanned<u16>>,
    pub(super) allow_setuid_programs: Option<bool>,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) max_concurrent: Option<Spanned<i64>>,
    pub(super) max_per_peer: Option<Spanned<i64>>,
    pub(super) max_body: Option<Spanned<i64>>,
    pub(super) max_command: Option<Spanned<i64>>,
    pub(super) max_envs: Option<Spanned<i64>>,
    pub(super) max_output: Option<Spanned<i64>>,
    pub(super) window_s: Option<Spanned<i64>>,
    pub(super) max_nonces: Option<Spanned<i64>>,
    pub(super) max_bad_signatures: Option<Spanned<i64>>,
    pub(super) max_wait_s: Option<Spanned<i64>>,
    pub(super) max_run_s: Option<Spanned<i64>>,
    pub(super) end_grace_s: Option<Spanned<i64>>,
    pub(super) max_jobs: Option<Spanned<i64>>,
    pub(super) jobs_s: Option<Spanned<i64>>,
    pub(super) max_jobs_output: Option<Spanned<i64>>,
    pub(super) max_callbacks: Option<Spanned<i64>>,
    pub(super) max_connections: Option<Spanned<i64>>,
    pub(super) max_head: Option<Spanned<i64>>,
    pub(super) read_timeout_s: Option<Spanned<i64>>,
    pub(super) drain_s: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyTable {
    pub(super) name: String,
    pub(super) secret_key: Spanned<Unshown>,
    pub(super) mode: Option<ModeName>,
    pub(super) commands: Option<Vec<String>>,
    pub(super) user: Option<Spanned<String>>,
    pub(super) max_concurrent: Option<usize>,
    pub(super) max_run_s: Option<Spanned<i64>>,
}

/// A list, or a text of words.
#[derive(Deserialize)]
#[serde(untagged)]
pub(in crate::config) enum Words {
    List(Vec<String>),
    Text(String),
}

impl Words {
    pub(in crate::config) fn split(&self, by: &[char]) -> Vec<String> {
        match self {
            Self::List(words) => words.clone(),
            Self::Text(text) => {
                text.split(by).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
            }
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ModeName {
    List,
    Off,
    Shell,
}

impl ModeName {
    pub(super) fn mode(self) -> Mode {
        match self {
            Self::List => Mode::List,
            Self::Off => Mode::Off,
            Self::Shell => Mode::Shell,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AlgorithmName {
    Sha1,
    Sha256,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FieldsName {
    All,
    Pair,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StraysName {
    Kill,
    Leave,
}
