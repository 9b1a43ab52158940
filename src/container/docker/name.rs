//! What an image's name says to an engine.

/// The registry of names that have none.
pub(super) const HUB: &str = "docker.io";

/// Where an image comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Source<'a> {
    /// `docker-archive:FILE`, as `docker save` writes it.
    Archive(&'a str),
    /// What the engine has, or fetches from a registry.
    Store(&'a str),
}

impl<'a> Source<'a> {
    /// Of a function's image.
    ///
    /// # Errors
    /// What is the matter with it, in words that follow its name.
    pub(super) fn of(image: &'a str) -> Result<Self, &'static str> {
        if let Some(file) = image.strip_prefix("docker-archive:") {
            return Ok(Self::Archive(file));
        }
        if image.starts_with("process:") {
            return Err("is a program of this host, and this node starts containers");
        }
        if image.starts_with("oci:") {
            return Err("is an OCI layout, which this engine cannot load; `docker-archive:FILE` it can");
        }
        if image.is_empty() || image.contains(|c: char| c.is_whitespace() || c.is_control() || "?#%".contains(c)) {
            return Err("is not the name of an image");
        }
        Ok(Self::Store(image))
    }
}

/// A name's registry.
pub(super) fn registry(name: &str) -> &str {
    match name.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => HUB,
    }
}

/// A name without what picks one of its images, and that: a digest, a tag, or else `latest`. Without it
/// an engine would fetch them all.
pub(super) fn split(name: &str) -> (&str, &str) {
    if let Some(at) = name.find('@') {
        return (&name[..at], &name[at + 1..]);
    }
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart_as_engines_do() {
        for (name, of, repository, pick) in [
            ("alpine", HUB, "alpine", "latest"),
            ("alpine:3", HUB, "alpine", "3"),
            ("fnproject/hello", HUB, "fnproject/hello", "latest"),
            ("localhost/x", "localhost", "localhost/x", "latest"),
            ("localhost:5000/a/b", "localhost:5000", "localhost:5000/a/b", "latest"),
            ("ghcr.io/a/b:v1", "ghcr.io", "ghcr.io/a/b", "v1"),
            ("ghcr.io/a/b:v1@sha256:00", "ghcr.io", "ghcr.io/a/b:v1", "sha256:00"),
        ] {
            assert_eq!((registry(name), split(name)), (of, (repository, pick)), "{name}");
        }
    }

    #[test]
    fn what_is_no_image_here_is_told() {
        assert_eq!(Source::of("docker-archive:a.tar"), Ok(Source::Archive("a.tar")));
        assert_eq!(Source::of("a/b:c"), Ok(Source::Store("a/b:c")));
        for image in ["", "a b", "a?b", "process:sh", "oci:dir"] {
            assert!(Source::of(image).is_err(), "{image}");
        }
    }
}
