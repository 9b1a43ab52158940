//! The JSON documents of images: an index, a manifest, a configuration. Read from strangers, written by
//! ourselves.
//!
//! Docker's documents of schema 2 and those of the OCI have the same fields that matter, so they
//! are read by the same types. What a document is, its fields say; a media type that says otherwise,
//! or fields of both kinds, are a refusal, because two programs could read two images in it.
//! Absent: schema 1, which no registry has served for years.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, ImageConfig, Limits};

/// A reference to bytes: what they are, their name, how many.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What an image runs on.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Platform {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
}

/// What a reference stands for.
#[derive(Clone, Debug)]
pub(crate) enum Document {
    /// One image for each platform, or under each name.
    Index(Vec<Descriptor>),
    /// One image.
    Manifest(Manifest),
}

/// One image: the descriptors of what it consists of.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    schema_version: u32,
    media_type: String,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// How to start it, and what its layers are when they are not compressed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Configuration {
    pub(crate) diff_ids: Vec<Digest>,
    pub(crate) image: ImageConfig,
}

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The annotation with an image's name within a layout.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Layers that are file systems have a type that begins with one of these.
const LAYERS: [&str; 4] = [
    LAYER,
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
];

impl Document {
    /// Reads an index or a manifest; the error says what is the matter with it.
    pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Self, String> {
        let raw: Raw = serde_json::from_slice(bytes).map_err(|e| format!("its manifest cannot be read: {e}"))?;
        if raw.schema_version != 2 {
            return Err(format!("its manifest is of schema {}, of which only 2 is known", raw.schema_version));
        }
        let says = raw.media_type.as_deref();
        match (raw.manifests, raw.config, raw.layers) {
            (Some(manifests), None, None) if says.is_none_or(|says| says == INDEX || says == DOCKER_INDEX) => {
                Ok(Self::Index(manifests))
            }
            (None, Some(config), Some(layers))
                if says.is_none_or(|says| says == MANIFEST || says == DOCKER_MANIFEST) =>
            {
                if layers.len() > limits.layers_max {
                    return Err(format!("it has {} layers and is over the bound layers_max", layers.len()));
                }
                if let Some(other) =
                    layers.iter().find(|layer| !LAYERS.iter().any(|tar| layer.media_type.starts_with(tar)))
                {
                    return Err(format!("it has a layer of type {:?}, which is no file system", other.media_type));
                }
                Ok(Self::Manifest(Manifest::new(config, layers)))
            }
            _ => Err("its manifest is neither an index nor a manifest, or both".to_owned()),
        }
    }
}

impl Descriptor {
    pub(crate) fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self { media_type: media_type.to_owned(), digest, size, platform: None, annotations: BTreeMap::new() }
    }
}

impl Manifest {
    pub(crate) fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self { schema_version: 2, media_type: MANIFEST.to_owned(), config, layers }
    }

    /// The document of it.
    pub(crate) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and lists can be written as JSON")
    }
}

impl Configuration {
    /// Reads the configuration of an image with this many layers; the error says what is the matter with it.
    pub(crate) fn read(bytes: &[u8], layers: usize) -> Result<Self, String> {
        let raw: RawConfiguration =
            serde_json::from_slice(bytes).map_err(|e| format!("its configuration cannot be read: {e}"))?;
        let here = Platform::here();
        let (os, architecture) = (raw.os.unwrap_or_default(), raw.architecture.unwrap_or_default());
        let is_other = |its: &str, ours: &str| !its.is_empty() && its != ours;
        if is_other(&os, &here.os) || is_other(&architecture, &here.architecture) {
            return Err(format!("it is for {os}/{architecture}, and this host is {}/{}", here.os, here.architecture));
        }
        let diff_ids = raw.rootfs.diff_ids;
        if diff_ids.len() != layers {
            return Err(format!("its manifest has {layers} layers, and its configuration {}", diff_ids.len()));
        }
        let raw = raw.config;
        let image = ImageConfig {
            env: raw.env.unwrap_or_default(),
            entrypoint: raw.entrypoint.unwrap_or_default(),
            cmd: raw.cmd.unwrap_or_default(),
            working_dir: raw.working_dir.unwrap_or_default(),
            user: raw.user.unwrap_or_default(),
            volumes: raw.volumes.unwrap_or_default().into_keys().collect(),
            labels: raw.labels.unwrap_or_default(),
            stop_signal: raw.stop_signal.filter(|signal| !signal.is_empty()),
        };
        Ok(Self { diff_ids, image })
    }

    /// The document of it.
    pub(crate) fn write(&self) -> Vec<u8> {
        let some = |words: &Vec<String>| (!words.is_empty()).then(|| words.clone());
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        let (here, image) = (Platform::here(), &self.image);
        let raw = RawConfiguration {
            // A time would make every build another image.
            created: Some("1970-01-01T00:00:00Z".to_owned()),
            architecture: Some(here.architecture),
            os: Some(here.os),
            config: RawConfig {
                env: some(&image.env),
                entrypoint: some(&image.entrypoint),
                cmd: some(&image.cmd),
                working_dir: text(&image.working_dir),
                user: text(&image.user),
                volumes: (!image.volumes.is_empty())
                    .then(|| image.volumes.iter().map(|path| (path.clone(), Empty {})).collect()),
                labels: (!image.labels.is_empty()).then(|| image.labels.clone()),
                stop_signal: image.stop_signal.clone(),
            },
            rootfs: RootFs { kind: "layers".to_owned(), diff_ids: self.diff_ids.clone() },
        };
        serde_json::to_vec(&raw).expect("strings and lists can be written as JSON")
    }
}

impl Platform {
    /// This host, in the words of Go.
    pub(crate) fn here() -> Self {
        let architecture = match std::env::consts::ARCH {
            "aarch64" => "arm64",
            "powerpc64" => "ppc64le",
            "x86" => "386",
            "x86_64" => "amd64",
            other => other,
        };
        Self { architecture: architecture.to_owned(), os: "linux".to_owned() }
    }

    /// The one of `manifests` that is for this host. One that says nothing is, if it is the only one.
    pub(crate) fn choose(manifests: &[Descriptor]) -> Result<&Descriptor, String> {
        let here = Self::here();
        let silent = match manifests {
            [only] if only.platform.is_none() => Some(only),
            _ => None,
        };
        manifests.iter().find(|manifest| manifest.platform.as_ref() == Some(&here)).or(silent).ok_or_else(|| {
            let said: Vec<String> = manifests
                .iter()
                .filter_map(|manifest| manifest.platform.as_ref())
                .take(PLATFORMS_SAID_MAX)
                .map(|platform| format!("{}/{}", platform.os, platform.architecture))
                .collect();
            format!("it is for {}, and this host is {}/{}", said.join(", "), here.os, here.architecture)
        })
    }
}

/// How many platforms an error names.
const PLATFORMS_SAID_MAX: usize = 20;

/// An index or a manifest as it comes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: u32,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize, Serialize)]
struct RawConfiguration {
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    architecture: Option<String>,
    os: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    config: RawConfig,
    rootfs: RootFs,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RawConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volumes: Option<BTreeMap<String, Empty>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<String>,
}

/// A set's member in Go's JSON: `{}`.
#[derive(Deserialize, Serialize)]
struct Empty {}

#[derive(Deserialize, Serialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "nullable")]
    diff_ids: Vec<Digest>,
}

/// Go writes `null` for what is empty.
fn nullable<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn descriptor(media_type: &str, rest: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"{DIGEST}","size":7{rest}}}"#)
    }

    fn manifest(layers: &[String]) -> String {
        let layers = layers.join(",");
        format!(r#"{{"schemaVersion":2,"config":{},"layers":[{layers}]}}"#, descriptor(CONFIG, ""))
    }

    #[test]
    fn what_is_no_image_is_told_why() {
        let check = |text: String, why: &str| {
            let said = Document::read(text.as_bytes(), &Limits::default()).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        };
        let layer = descriptor(LAYER_GZIP, "");
        check("{}".to_owned(), "missing field");
        check("[]".to_owned(), "cannot be read");
        check(manifest(&[]).replace(":2,", ":1,"), "of schema 1");
        check(manifest(&[]).replace("\"layers\"", "\"other\""), "neither");
        check(manifest(&[]).replace("\"config\"", "\"manifests\":[],\"config\""), "or both");
        check(manifest(&[]).replacen("2,", &format!("2,\"mediaType\":\"{INDEX}\","), 1), "neither");
        check(manifest(&[descriptor("application/vnd.cncf.helm", "")]), "no file system");
        check(manifest(&vec![layer.clone(); 128]), "layers_max");
        check(manifest(&[layer.replace("0123", "../.")]), "64 hexadecimal digits");
        check(manifest(&[layer.replace(":7", ":-7")]), "cannot be read");
    }

    #[test]
    fn a_manifest_and_an_index_are_told_apart() {
        let read = |text: &str| Document::read(text.as_bytes(), &Limits::default()).unwrap();
        let layers = [descriptor(LAYER, ""), descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", "")];
        assert!(matches!(read(&manifest(&layers)), Document::Manifest(manifest) if manifest.layers.len() == 2));
        let index = format!(r#"{{"schemaVersion":2,"mediaType":"{DOCKER_INDEX}","manifests":[]}}"#);
        assert!(matches!(read(&index), Document::Index(manifests) if manifests.is_empty()));
    }

    #[test]
    fn of_many_platforms_ours_is_chosen() {
        let ours = Platform::here().architecture;
        let read = |platforms: &[&str]| -> Vec<Descriptor> {
            let one = |architecture: &&str| match *architecture {
                "" => descriptor(MANIFEST, ""),
                it => descriptor(MANIFEST, &format!(r#","platform":{{"os":"linux","architecture":"{it}"}}"#)),
            };
            platforms.iter().map(one).map(|text| serde_json::from_str(&text).unwrap()).collect()
        };
        let check = |platforms: &[&str], expected: Option<usize>| {
            let manifests = read(platforms);
            let chosen = Platform::choose(&manifests).ok();
            let at = chosen.map(|chosen| manifests.iter().position(|one| std::ptr::eq(one, chosen)).unwrap());
            assert_eq!(at, expected, "{platforms:?}");
        };
        check(&["s390x", &ours, "unknown"], Some(1));
        check(&[""], Some(0));
        check(&["", ""], None);
        check(&["s390x"], None);
        check(&[], None);
        assert!(
            Platform::choose(&read(&["s390x"])).unwrap_err().starts_with("it is for linux/s390x, and this host is")
        );
    }

    #[test]
    fn a_configuration_is_read_as_it_is_written() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let image = ImageConfig {
            env: words(&["A=1", "B"]),
            entrypoint: words(&["/func"]),
            cmd: words(&["-x"]),
            working_dir: "/w".to_owned(),
            user: "1000:1000".to_owned(),
            volumes: words(&["/data"]),
            labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            stop_signal: Some("SIGINT".to_owned()),
        };
        let whole = Configuration { diff_ids: vec![DIGEST.parse().unwrap()], image };
        assert_eq!(Configuration::read(&whole.write(), 1).unwrap(), whole);
        let bare = Configuration { diff_ids: Vec::new(), image: ImageConfig::default() };
        assert_eq!(Configuration::read(&bare.write(), 0).unwrap(), bare);
    }

    #[test]
    fn a_configuration_that_does_not_fit_is_told_why() {
        let check = |text: &str, layers, why: &str| {
            let said = Configuration::read(text.as_bytes(), layers).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        };
        check("{}", 0, "cannot be read");
        check(r#"{"rootfs":{"type":"layers","diff_ids":[]}}"#, 1, "1 layers, and its configuration 0");
        check(r#"{"os":"plan9","architecture":"amd64","rootfs":{"type":"layers"}}"#, 0, "it is for plan9/amd64");
        check(r#"{"os":"linux","architecture":"none","rootfs":{"type":"layers"}}"#, 0, "it is for linux/none");
        let nulls = r#"{"config":null,"rootfs":{"type":"layers","diff_ids":null}}"#;
        assert_eq!(Configuration::read(nulls.as_bytes(), 0).unwrap().image, ImageConfig::default());
        let nulls = r#"{"config":{"Env":null,"Cmd":null,"Volumes":null,"Labels":null,"StopSignal":""},"rootfs":{"type":"layers"}}"#;
        assert_eq!(Configuration::read(nulls.as_bytes(), 0).unwrap().image, ImageConfig::default());
    }
}
