//! Node.js: dependencies by `npm`, the program by `node`.
//!
//! `npm` installs where a `package.json` is, so it gets a copy in our own folder, and `NODE_PATH`
//! leads there. A `node_modules` that the folder has already comes first, as Node looks beside the
//! program before it looks anywhere else; packages that `import` them (ES modules) need that one,
//! for they do not look at `NODE_PATH` at all.

use super::{BuildError, Fetched, io_error, run, tool};
use crate::project::{Command, Project};

pub(super) async fn build(project: &Project) -> Result<Command, BuildError> {
    let mut command = Command { words: vec!["node".to_owned(), program(project)?], ..Command::default() };
    if project.dir.join("package.json").is_file() {
        let fetched = Fetched::new(project, "node", &FILES);
        if !fetched.is_current() {
            fetch(project, &fetched).await?;
        }
        let modules = fetched.dir.join("node_modules").to_string_lossy().into_owned();
        command.env.insert("NODE_PATH".to_owned(), modules);
    }
    Ok(command)
}

const FILES: [&str; 2] = ["package.json", "package-lock.json"];

async fn fetch(project: &Project, fetched: &Fetched) -> Result<(), BuildError> {
    let into = fetched.cleared()?;
    for file in FILES.into_iter().filter(|file| project.dir.join(file).is_file()) {
        std::fs::copy(project.dir.join(file), into.join(file)).map_err(io_error(format!("cannot copy {file}")))?;
    }
    let mut npm = tool("npm", into);
    npm.args(["install", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"]);
    run(npm, "npm install").await?;
    fetched.noted()
}

/// What `node` is to run: the manifest's word, `func.js`, or the package's `main`.
fn program(project: &Project) -> Result<String, BuildError> {
    let named = project.entrypoint.as_deref().and_then(|entrypoint| {
        let mut words = entrypoint.split_whitespace();
        words.find(|word| *word == "node" || word.ends_with("/node")).and_then(|_| words.next())
    });
    // In an image the source is in /function; here it is where it is.
    if let Some(named) = named {
        return Ok(named.strip_prefix("/function/").unwrap_or(named).to_owned());
    }
    if project.dir.join("func.js").is_file() {
        return Ok("func.js".to_owned());
    }
    let package = std::fs::read(project.dir.join("package.json")).unwrap_or_default();
    let package: serde_json::Value = serde_json::from_slice(&package).unwrap_or_default();
    package["main"].as_str().map(str::to_owned).ok_or_else(|| {
        BuildError::Nothing("nothing to start: there is no func.js, and package.json names no main".to_owned())
    })
}
