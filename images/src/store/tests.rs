use std::fs::{self, File};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::document::{CONFIG, Descriptor, MANIFEST, Manifest};
use crate::testing::{Archive, Made, layout, program, skipped};
use crate::{Blame, ImageConfig};

/// A directory for a store and for what it takes in.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn store(&self) -> Store {
        self.store_with(|_| {})
    }

    /// As any process would open it.
    fn store_with(&self, set: impl FnOnce(&mut Config)) -> Store {
        let mut config = Config { credentials: Credentials::None, ..Config::default() };
        set(&mut config);
        Store::open(&self.dir.path().join("store"), config).unwrap()
    }

    /// A reference to a layout with these images.
    fn layout(&self, name: &str, images: &[&Made]) -> Reference {
        layout(&self.dir.path().join(name), images);
        self.reference("oci", name)
    }

    fn reference(&self, form: &str, name: &str) -> Reference {
        Reference::parse(&format!("{form}:{}/{name}", self.dir.path().display())).unwrap()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn count(&self, dir: &str) -> usize {
        fs::read_dir(self.path("store").join(dir)).unwrap().count()
    }
}

fn name(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

fn one_file(text: &str) -> Made {
    Made::new(vec![Archive::new().file("func", text)])
}

fn read(image: &Image, path: &str) -> String {
    fs::read_to_string(image.layers().next_back().unwrap().join(path)).unwrap()
}

#[tokio::test]
async fn an_image_of_a_layout_is_here_with_its_layers() {
    let place = Place::new();
    let made = Made::new(vec![Archive::new().file("a", "below"), Archive::new().file("b", "above").file(".wh.a", "")]);
    let reference = place.layout("layout", &[&made]);
    let store = place.store();
    assert!(store.find(&reference).await.unwrap().is_none());
    let image = store.obtain(&reference, &()).await.unwrap();
    assert_eq!(image.digest(), made.manifest.digest);
    assert_eq!(image.config().entrypoint, ["/func"]);
    assert_eq!(store.find(&reference).await.unwrap().unwrap().digest(), image.digest());
    let flat = image.flat().await.unwrap();
    assert!(flat.join("b").exists() && !flat.join("a").exists());
    if store.overlay().is_some() {
        let layers: Vec<&Path> = image.layers().collect();
        assert_eq!(fs::read_to_string(layers[0].join("a")).unwrap(), "below");
        assert!(fs::symlink_metadata(layers[1].join("a")).unwrap().file_type().is_char_device());
        mounted(store.overlay().unwrap(), &layers, |root| {
            assert!(root.join("b").exists() && !root.join("a").exists());
        });
    }
}

/// Lays layers over one another as a driver would, where we may.
fn mounted(overlay: Overlay, layers: &[&Path], check: impl FnOnce(&Path)) {
    let at = tempfile::tempdir().unwrap();
    let lower: Vec<String> = layers.iter().rev().map(|layer| layer.display().to_string()).collect();
    let user = if overlay == Overlay::User { ",userxattr" } else { "" };
    let mut mount = Command::new("mount");
    mount.args(["-t", "overlay", "overlay", "-o", &format!("lowerdir={}{user}", lower.join(":"))]).arg(at.path());
    if !mount.status().is_ok_and(|status| status.success()) {
        skipped("no overlay can be mounted here");
        return;
    }
    let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(at.path())));
    assert!(Command::new("umount").arg(at.path()).status().unwrap().success());
    checked.unwrap();
}

#[tokio::test]
async fn of_many_images_in_a_layout_one_must_be_named() {
    let place = Place::new();
    let (one, two) = (one_file("one").named("1"), one_file("two").named("2"));
    let reference = place.layout("layout", &[&one, &two]);
    let store = place.store();
    let tagged = |tag: &str| name(&format!("{reference}:{tag}"));
    assert_eq!(store.obtain(&tagged("2"), &()).await.unwrap().digest(), two.manifest.digest);
    for (reference, why) in [(reference.clone(), "oci:PATH:NAME: 1, 2"), (tagged("3"), "has no image \"3\"")] {
        let error = store.obtain(&reference, &()).await.unwrap_err();
        assert!(matches!(&error, ImageError::Absent { why: said, .. } if said.contains(why)), "{error}");
        assert!(!error.retry_helps());
    }
}

#[tokio::test]
async fn a_layout_that_changed_is_taken_in_anew() {
    let place = Place::new();
    let store = place.store();
    for text in ["first", "second, and longer"] {
        let reference = place.layout("layout", &[&one_file(text)]);
        let image = store.obtain(&reference, &()).await.unwrap();
        assert_eq!(fs::read_to_string(image.flat().await.unwrap().join("func")).unwrap(), text);
    }
}

#[tokio::test]
async fn an_image_written_as_an_archive_is_read_as_the_same_image() {
    let place = Place::new();
    let store = place.store();
    let made =
        Made::new(vec![Archive::new().file("a", "a"), Archive::new().file("b", "b"), Archive::new().file("a", "a")]);
    let image = store.obtain(&place.layout("layout", &[&made]), &()).await.unwrap();
    image.oci_archive(Some("x"), File::create(place.path("oci.tar")).unwrap()).unwrap();
    image.oci_layout(Some("x"), &place.path("layouts")).unwrap();
    image.docker_archive(Some(&name("hello")), File::create(place.path("docker.tar")).unwrap()).unwrap();

    let elsewhere = Place::new();
    let store = elsewhere.store();
    let again = store.obtain(&name(&format!("{}:x", place.reference("oci", "oci.tar"))), &()).await.unwrap();
    assert_eq!(again.digest(), image.digest());
    let docker = store.obtain(&place.reference("docker-archive", "docker.tar"), &()).await.unwrap();
    assert_eq!(docker.config(), image.config());
    assert!(docker.layers().eq(again.layers()));
    assert_eq!(elsewhere.count("tmp"), 0);

    // A second image of a layout is put beside the first, and one of the same name in its place.
    let program_path = place.path("program");
    fs::write(&program_path, program(b"")).unwrap();
    let other = store.from_scratch(&program_path, ImageConfig::default(), &name("other")).await.unwrap();
    let layouts = |tag: &str| name(&format!("{}:{tag}", place.reference("oci", "layouts")));
    other.oci_layout(Some("y"), &place.path("layouts")).unwrap();
    assert_eq!(store.obtain(&layouts("x"), &()).await.unwrap().digest(), image.digest());
    assert_eq!(store.obtain(&layouts("y"), &()).await.unwrap().digest(), other.digest());
    other.oci_layout(Some("x"), &place.path("layouts")).unwrap();
    assert_eq!(store.obtain(&layouts("x"), &()).await.unwrap().digest(), other.digest());
}

#[tokio::test]
async fn archives_that_are_none_are_refused() {
    let place = Place::new();
    let store = place.store();
    let list = |config: &str, layers: &str| format!(r#"[{{"Config":{config:?},"RepoTags":null,"Layers":{layers}}}]"#);
    let check = async |archive: Archive, why: &str| {
        fs::write(place.path("a.tar"), archive.bytes()).unwrap();
        let error = store.obtain(&place.reference("docker-archive", "a.tar"), &()).await.unwrap_err();
        assert!(error.to_string().contains(why), "{error} does not say {why:?}");
        assert_eq!(error.blame(), Blame::Image);
    };
    let json = |text: &str| Archive::new().file("manifest.json", text);
    check(Archive::new(), "\"manifest.json\" cannot be opened").await;
    check(json("hello"), "cannot be read").await;
    check(json("[]"), "has 0 images").await;
    check(json(&list("../../../../etc/passwd", "[]")), "cannot be opened").await;
    check(json(&list("/etc/passwd", "[]")), "cannot be opened").await;
    check(json(&list("out/passwd", "[]")).symlink("out", "/etc"), "cannot be opened").await;
    check(json(&list("dir", "[]")).dir("dir"), "is no file").await;
    check(json(&list("c", r#"["l"]"#)).file("c", "{}"), "\"l\" cannot be opened").await;
    check(json(&list("c", "[]")).file("c", "{}"), "configuration cannot be read").await;
    check(Archive::new().file("../x", ""), "goes up").await;
    assert_eq!((place.count("tmp"), place.count("images")), (0, 0));
    let error = store.obtain(&place.reference("docker-archive", "none.tar"), &()).await.unwrap_err();
    assert!(matches!(error, ImageError::Absent { .. }), "{error}");
}

#[tokio::test]
async fn a_blob_that_is_not_what_its_digest_says_is_refused_and_leaves_nothing() {
    let place = Place::new();
    let store = place.store();
    let made = one_file("whole");
    let reference = place.layout("layout", &[&made]);
    let whole = &made.blobs[&made.layer()];
    let blob = place.path("layout/blobs/sha256").join(made.layer().hex());
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let longer = [&whole[..], b"x"].concat();
    for (bytes, why) in
        [(&whole[..whole.len() - 3], "breaks off 3 bytes"), (&flipped, "is not what came"), (&longer, "beyond its end")]
    {
        fs::write(&blob, bytes).unwrap();
        let error = store.obtain(&reference, &()).await.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(store.find(&reference).await.unwrap().is_none());
        // What an earlier try left is not built upon, unless it was right.
        let _ = fs::remove_file(place.path("store/partial").join(made.layer().hex()));
    }
    fs::write(&blob, whole).unwrap();
    store.obtain(&reference, &()).await.unwrap();
}

#[tokio::test]
async fn a_layer_that_unpacks_to_something_else_is_refused() {
    let place = Place::new();
    let (one, two) = (one_file("one"), one_file("two"));
    // One's configuration with two's layer.
    let swapped = String::from_utf8(one.blobs[&one.manifest.digest].clone()).unwrap();
    let size = |made: &Made| format!("\"size\":{}", made.blobs[&made.layer()].len());
    let swapped = swapped.replace(&one.layer().to_string(), &two.layer().to_string()).replace(&size(&one), &size(&two));
    let mut made = Made::new(vec![]);
    made.blobs.extend(one.blobs);
    made.blobs.extend(two.blobs);
    made.manifest.digest = Digest::of(swapped.as_bytes());
    made.blobs.insert(made.manifest.digest, swapped.into_bytes());
    let error = place.store().obtain(&place.layout("layout", &[&made]), &()).await;
    if place.store().overlay().is_some() {
        assert!(error.unwrap_err().to_string().contains("unpacks to"));
    }
}

#[tokio::test]
async fn a_fault_that_an_image_brings_out_is_told_and_not_met_again_and_again() {
    let trouble = blocking::<()>(|| panic!("what a decoder might do")).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Invalid(_)), "{trouble}");
}

#[tokio::test]
async fn another_images_layer_is_not_read_as_a_configuration() {
    let place = Place::new();
    let store = place.store_with(|config| config.limits.document_bytes_max = 2048);
    // What no compression makes short.
    let noise = std::iter::successors(Some(1_u64), |n| {
        let n = n ^ n << 13;
        let n = n ^ n >> 7;
        Some(n ^ n << 17)
    });
    let noise: Vec<u8> = noise.take(1024).flat_map(u64::to_le_bytes).collect();
    let honest = Made::new(vec![Archive::new().file("noise", noise)]);
    store.obtain(&place.layout("honest", &[&honest]), &()).await.unwrap();

    let mut hostile = one_file("x");
    let manifest = Manifest::new(Descriptor::new(CONFIG, honest.layer(), 100), Vec::new()).write();
    hostile.manifest = Descriptor::new(MANIFEST, Digest::of(&manifest), manifest.len() as u64);
    hostile.blobs.insert(hostile.manifest.digest, manifest);
    let error = store.obtain(&place.layout("hostile", &[&hostile]), &()).await.unwrap_err().to_string();
    assert!(error.contains("is over the bound document_bytes_max"), "{error}");
}

#[tokio::test]
async fn what_an_image_costs_is_bounded_over_all_its_layers() {
    let place = Place::new();
    let layer = |byte: &str| Archive::new().file("file", byte.repeat(3000));
    let reference = place.layout("layout", &[&Made::new(vec![layer("a"), layer("b")])]);
    let store = place.store_with(|config| config.limits.unpacked_bytes_max = 6000);
    if store.overlay().is_some() {
        let error = store.obtain(&reference, &()).await.unwrap_err();
        assert!(error.to_string().contains("is over the bound unpacked_bytes_max"), "{error}");
    }
    let store = place.store_with(|config| config.limits.blob_bytes_max = 10);
    let error = place.layout("other", &[&one_file("other")]);
    assert!(store.obtain(&error, &()).await.unwrap_err().to_string().contains("more than 10"));
}

#[tokio::test]
async fn a_program_becomes_the_same_image_everywhere() {
    let place = Place::new();
    let path = place.path("program");
    fs::write(&path, program(&[7; 10_000])).unwrap();
    let mut digests = Vec::new();
    for place in [&place, &Place::new()] {
        let config = ImageConfig { env: vec!["A=1".to_owned()], ..ImageConfig::default() };
        let image = place.store().from_scratch(&path, config, &name("hello")).await.unwrap();
        assert_eq!(
            (&image.config().entrypoint[..], &image.config().env[..]),
            (&["/func".to_owned()][..], &["A=1".to_owned()][..])
        );
        let flat = image.flat().await.unwrap();
        assert_eq!(fs::metadata(flat.join("func")).unwrap().len(), fs::metadata(&path).unwrap().len());
        assert!(fs::read_to_string(flat.join("etc/passwd")).unwrap().contains("fn:x:1000:1000:"));
        assert!(["dev", "proc", "sys", "tmp"].iter().all(|dir| flat.join(dir).is_dir()));
        digests.push(image.digest());
    }
    assert_eq!(digests[0], digests[1]);
    assert!(place.store().find(&name("hello")).await.unwrap().is_some());
    fs::write(place.path("script"), "#!/bin/sh").unwrap();
    let error =
        place.store().from_scratch(&place.path("script"), ImageConfig::default(), &name("x")).await.unwrap_err();
    assert!(error.to_string().contains("is no program for Linux"), "{error}");
}

#[tokio::test]
async fn names_are_listed_and_removed_and_what_nobody_names_goes() {
    let place = Place::new();
    let store = place.store();
    let image = store.import(&place.layout("layout", &[&one_file("x")]), &name("a:1")).await.unwrap();
    store.tag(&name("b:2"), &image).await.unwrap();
    let listed = store.list().await.unwrap();
    let names: Vec<&str> = listed.iter().map(|listed| listed.reference.as_str()).collect();
    assert_eq!(names[..2], ["a:1", "b:2"]);
    assert!(listed.iter().all(|listed| listed.digest == image.digest() && listed.bytes > 0));
    for reference in [&name("a:1"), &name("b:2"), &place.reference("oci", "layout")] {
        assert!(store.remove(reference).await.unwrap());
        assert!(!store.remove(reference).await.unwrap());
    }
    // Held, it stays.
    assert_eq!(place.count("images"), 1);
    assert!(image.flat().await.unwrap().join("func").exists());
    drop(image);
    store.clean().await.unwrap();
    drop(place.store());
    assert_eq!(["images", "layers", "blobs", "roots", "names", "tmp"].map(|dir| place.count(dir)), [0; 6]);
}

#[tokio::test]
async fn the_cleaner_takes_the_least_recently_used_and_nothing_in_use() {
    let place = Place::new();
    let store = place.store();
    for (n, text) in ["kept", "old", "used", "new"].into_iter().enumerate() {
        let made = one_file(&text.repeat(1000));
        let image = store.import(&place.layout(text, &[&made]), &name(text)).await.unwrap();
        store.remove(&place.reference("oci", text)).await.unwrap();
        let used = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1000 + n as u64);
        let record = place.path("store/images").join(image.digest().hex());
        File::options().write(true).open(record).unwrap().set_modified(used).unwrap();
    }
    let whole = store.clean().await.unwrap();
    assert_eq!((whole.images, whole.bytes), (0, whole.bytes_before));
    // As another process would hold it.
    let other = place.store();
    let used = other.shared.hold(other.find(&name("used")).await.unwrap().unwrap().digest()).unwrap();
    let cleaner = place.store_with(|config| {
        config.bytes_max = 1;
        config.exempt = vec![name("kept")];
    });
    let cleaned = cleaner.clean().await.unwrap();
    assert_eq!(cleaned.images, 2);
    assert!(cleaned.bytes < cleaned.bytes_before && !cleaned.postponed);
    let names: Vec<String> = store.list().await.unwrap().into_iter().map(|listed| listed.reference).collect();
    assert_eq!(names, ["kept:latest", "used:latest"]);
    drop(used);
    assert_eq!(cleaner.clean().await.unwrap().images, 1);
    // With a mark that it is just under, the older goes alone.
    let place = Place::new();
    let store = place.store();
    for text in ["one", "two"] {
        store.import(&place.layout(text, &[&one_file(&text.repeat(1000))]), &name(text)).await.unwrap();
    }
    let bytes_max = store.clean().await.unwrap().bytes - 1;
    let cleaned = place.store_with(|config| config.bytes_max = bytes_max).clean().await.unwrap();
    assert_eq!(cleaned.images, 1);
    assert!(store.find(&name("one")).await.unwrap().is_none() && store.find(&name("two")).await.unwrap().is_some());
}

#[tokio::test]
async fn nothing_is_taken_away_while_somebody_adds() {
    let place = Place::new();
    let store = place.store();
    let adding = store.shared.adding().await.unwrap();
    fs::create_dir(place.path("store/tmp/somebodys")).unwrap();
    let other = place.store_with(|config| config.bytes_max = 1);
    assert!(other.clean().await.unwrap().postponed);
    assert_eq!(place.count("tmp"), 1);
    drop(adding);
    assert!(!other.clean().await.unwrap().postponed);
}

#[tokio::test]
async fn what_a_crash_left_goes_and_never_counted() {
    let place = Place::new();
    let made = one_file("x");
    let reference = place.layout("layout", &[&made]);
    drop(place.store());
    fs::create_dir_all(place.path("store/tmp/half/files")).unwrap();
    // A layer that is not whole, under its own name, as a power cut would leave it.
    let diff_id = Digest::of(&Archive::new().file("func", "x").bytes());
    fs::create_dir_all(place.path("store/layers").join(diff_id.hex()).join("files")).unwrap();
    let old = place.path("store/partial").join("0".repeat(64));
    fs::write(&old, "old").unwrap();
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    fs::write(place.path("store/images").join("1".repeat(64)), "").unwrap();
    let store = place.store();
    assert_eq!((place.count("tmp"), place.count("partial"), place.count("images")), (0, 0, 0));
    let image = store.obtain(&reference, &()).await;
    if store.overlay().is_some() {
        assert_eq!(read(&image.unwrap(), "func"), "x");
    }
}

#[tokio::test]
async fn an_image_that_lost_a_piece_is_taken_in_anew() {
    let place = Place::new();
    let made = one_file("x");
    let reference = place.layout("layout", &[&made]);
    drop(place.store().obtain(&reference, &()).await.unwrap());
    fs::remove_file(place.path("store/blobs").join(made.layer().hex())).unwrap();
    let store = place.store();
    assert!(store.find(&reference).await.unwrap().is_none());
    store.obtain(&reference, &()).await.unwrap();
}
