//! Python: dependencies by `pip`, the program by the FDK's own entry.
//!
//! `pip` installs into our own folder, which `PYTHONPATH` names: no virtual environment, nothing
//! left in the source. The FDK's entry is a script that `pip` places in `bin`, made for an image;
//! what it does is one call of the package's `main`, and that is what we make. A program with an
//! entry of its own (`entrypoint: python3 func.py`) is run as it says.

use super::{BuildError, Fetched, OWN, run, tool};
use crate::project::{Command, Project};

pub(super) async fn build(project: &Project) -> Result<Command, BuildError> {
    let mut command = Command { words: words(project.entrypoint.as_deref()), ..Command::default() };
    let mut path = project.dir.to_string_lossy().into_owned();
    if project.dir.join(REQUIREMENTS).is_file() {
        let fetched = Fetched::new(project, "python", &[REQUIREMENTS]);
        if !fetched.is_current() {
            fetch(project, &fetched).await?;
        }
        path = format!("{}:{path}", fetched.dir.display());
    }
    command.env.insert("PYTHONPATH".to_owned(), path);
    let cache = project.dir.join(OWN).join("pycache").to_string_lossy().into_owned();
    command.env.insert("PYTHONPYCACHEPREFIX".to_owned(), cache);
    // What a function prints belongs to the call at hand, not to whenever a buffer is full.
    command.env.insert("PYTHONUNBUFFERED".to_owned(), "1".to_owned());
    Ok(command)
}

const REQUIREMENTS: &str = "requirements.txt";

async fn fetch(project: &Project, fetched: &Fetched) -> Result<(), BuildError> {
    let into = fetched.cleared()?;
    let mut pip = tool("python3", &project.dir);
    pip.args(["-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS, "--target"]).arg(into);
    // As variables, for not every version knows them as flags.
    pip.envs([("PIP_DISABLE_PIP_VERSION_CHECK", "1"), ("PIP_ROOT_USER_ACTION", "ignore")]);
    run(pip, "pip install").await?;
    fetched.noted()
}

/// The command that an image's entrypoint stands for, here.
fn words(entrypoint: Option<&str>) -> Vec<String> {
    // In an image the source is in /function; here it is where it is.
    let local = |word: &str| word.strip_prefix("/function/").unwrap_or(word).to_owned();
    let mut given = entrypoint.unwrap_or("fdk func.py handler").split_whitespace();
    let first = given.next().unwrap_or("fdk");
    let rest = given.map(local);
    match first.rsplit('/').next().unwrap_or(first) {
        "fdk" => ["python3", "-c", FDK_MAIN].into_iter().map(str::to_owned).chain(rest).collect(),
        python if python.starts_with("python") => std::iter::once("python3".to_owned()).chain(rest).collect(),
        _ => std::iter::once(local(first)).chain(rest).collect(),
    }
}

const FDK_MAIN: &str = "from fdk.scripts.fdk import main; main()";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entrypoint_is_read_as_it_would_run_in_an_image() {
        let check = |entrypoint, expected: &[&str]| assert_eq!(words(entrypoint), expected);
        check(None, &["python3", "-c", FDK_MAIN, "func.py", "handler"]);
        check(Some("/python/bin/fdk /function/app.py go"), &["python3", "-c", FDK_MAIN, "app.py", "go"]);
        check(Some("python3.11 func.py"), &["python3", "func.py"]);
        check(Some("/function/start.sh now"), &["start.sh", "now"]);
    }
}
