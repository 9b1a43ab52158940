use std::path::Path;

use super::*;

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn names_are_read_by_dockers_rules() {
    // registry, repository, tag, and how it is written back.
    let check = |text: &str, registry: &str, repository: &str, tag: Option<&str>, written: &str| {
        let Reference::Remote(remote) = Reference::parse(text).unwrap() else { panic!("{text} names no registry") };
        assert_eq!((remote.registry(), remote.repository(), remote.tag()), (registry, repository, tag), "{text}");
        assert_eq!(remote.to_string(), written);
        assert_eq!(Reference::parse(written).unwrap(), Reference::Remote(remote));
    };
    check("hello", "docker.io", "library/hello", Some("latest"), "hello:latest");
    check("hello:2", "docker.io", "library/hello", Some("2"), "hello:2");
    check("ada/hello", "docker.io", "ada/hello", Some("latest"), "ada/hello:latest");
    check("docker.io/hello", "docker.io", "library/hello", Some("latest"), "hello:latest");
    check("index.docker.io/ada/hello", "docker.io", "ada/hello", Some("latest"), "ada/hello:latest");
    check("library/hello", "docker.io", "library/hello", Some("latest"), "hello:latest");
    check("docker.io/library/a/b:1", "docker.io", "library/a/b", Some("1"), "library/a/b:1");
    check("oci", "docker.io", "library/oci", Some("latest"), "docker.io/oci:latest");
    check("docker.io/process:1", "docker.io", "library/process", Some("1"), "docker.io/process:1");
    check("localhost/hello", "localhost", "hello", Some("latest"), "localhost/hello:latest");
    check("localhost:5000/hello:v1.0", "localhost:5000", "hello", Some("v1.0"), "localhost:5000/hello:v1.0");
    check("127.0.0.1:5000/a/b/c", "127.0.0.1:5000", "a/b/c", Some("latest"), "127.0.0.1:5000/a/b/c:latest");
    check("[::1]:5000/a", "[::1]:5000", "a", Some("latest"), "[::1]:5000/a:latest");
    check("Host/hello", "Host", "hello", Some("latest"), "Host/hello:latest");
    check("ghcr.io/a/b__c---d.e_f:T-1", "ghcr.io", "a/b__c---d.e_f", Some("T-1"), "ghcr.io/a/b__c---d.e_f:T-1");
    check(&format!("hello@{DIGEST}"), "docker.io", "library/hello", None, &format!("hello@{DIGEST}"));
    check(&format!("hello:1@{DIGEST}"), "docker.io", "library/hello", Some("1"), &format!("hello:1@{DIGEST}"));
}

#[test]
fn paths_are_read_as_they_are() {
    let check = |text: &str, path: &str, tag: Option<&str>| {
        let expected = Reference::Layout { path: Path::new(path).into(), tag: tag.map(str::to_owned) };
        assert_eq!(Reference::parse(text).unwrap(), expected);
        assert_eq!(expected.to_string(), text);
    };
    check("oci:out", "out", None);
    check("oci:out:1", "out", Some("1"));
    check("oci:/a:b/c.tar", "/a:b/c.tar", None);
    check("oci:/a/b:c.tar:latest", "/a/b:c.tar", Some("latest"));
    check("oci:../x", "../x", None);
    let archive = Reference::parse("docker-archive:/a:b.tar").unwrap();
    assert_eq!(archive, Reference::DockerArchive("/a:b.tar".into()));
    assert_eq!(archive.to_string(), "docker-archive:/a:b.tar");
}

#[test]
fn what_names_no_image_is_told_why() {
    let check = |text: &str, why: &str| {
        let error = Reference::parse(text).unwrap_err();
        assert!(error.why.contains(why), "{text:?}: {error}");
    };
    check("", "is empty");
    check("docker://hello", "has a scheme");
    check("https://ghcr.io/a/b", "has a scheme");
    for name in ["Hello", "a//b", "/a", "a/", "-a", "a-", "a..b", "a___b", "a._b", "a b", "a\n", "ä", "ghcr.io/"] {
        check(name, "has a name");
    }
    for tag in ["a:", "a:-x", "a:.x", "a:b c", "a:ä", "oci:x:", "oci:x:-"] {
        check(tag, "has a tag");
    }
    check(&format!("a:{}", "x".repeat(129)), "has a tag");
    check(&"a".repeat(256), "longer than 255");
    check(&"a".repeat(5000), "longer than 4096");
    check("a@sha512:00", "has a digest");
    check("a@b@c", "has a digest");
    check("a.b:0/x", "has a registry");
    check("a.b:99999/x", "has a registry");
    check("a:b:c/x", "has a registry");
    check("-a.b/x", "has a registry");
    check("../a", "has a registry");
    check("[::g]/x", "has a registry");
    check("[::1]x/x", "has a registry");
    check("oci:", "names no path");
    check("docker-archive:", "names no path");
    check("oci:a\0b", "NUL");
}

#[test]
fn a_long_text_is_not_repeated_whole() {
    assert!(Reference::parse(&"ä".repeat(10_000)).unwrap_err().to_string().len() < 1000);
}
