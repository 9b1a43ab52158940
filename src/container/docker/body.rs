//! What an engine is told of a container: the sandbox, property by property.
//!
//! Kernel memory and swappiness are never set: newer engines and kernels refuse them, and both are
//! limited by the memory's own bound.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType, ResourcesUlimits,
};

use super::{LABEL_FUNCTION, LABEL_NODE};
use crate::container::sandbox::{IOFS, Sandbox};
use crate::container::{DriverError, Spec};

/// The length of a period of CPU time, in microseconds: the kernel's and Docker's default.
const CPU_PERIOD_US: i64 = 100_000;
/// The least part of a period that the kernel gives.
const CPU_QUOTA_US_MIN: i64 = 1_000;

/// What holds for all containers of a driver.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) sandbox: Sandbox,
    /// Our directory of iofs directories, and the same as the engine sees it.
    pub(super) iofs_seen: Option<Seen>,
    pub(super) hostname: String,
    /// The value of Fn's label, if containers are to carry that.
    pub(super) label_tag: Option<String>,
    pub(super) selinux: bool,
}

/// A directory of ours that an engine sees elsewhere: it may run in another container or on another host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// Where we see it (`FN_IOFS_PATH`).
    pub here: PathBuf,
    /// Where the engine does (`FN_IOFS_DOCKER_PATH`).
    pub there: PathBuf,
}

impl Seen {
    /// What the engine sees `path` as; what is not below is the same for both.
    fn as_seen_there(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.here).map_or_else(|_| path.to_owned(), |below| self.there.join(below))
    }
}

impl Terms {
    /// All that an engine has to know of the container.
    pub(super) fn body(
        &self,
        spec: &Spec,
        image: &str,
        network: Option<&str>,
    ) -> Result<ContainerCreateBody, DriverError> {
        let piped = Some(spec.pipes);
        // A container in another's network has that one's name.
        let joined = network.is_some_and(|network| network.starts_with("container:"));
        Ok(ContainerCreateBody {
            image: Some(image.to_owned()),
            hostname: (!joined).then(|| self.hostname.clone()),
            user: self.sandbox.unprivileged.then(|| format!("{0}:{0}", Sandbox::USER)),
            env: Some(environment(&spec.env)),
            labels: Some(self.labels(spec)),
            open_stdin: piped,
            stdin_once: piped,
            attach_stdin: piped,
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(false),
            // An image's own check would run processes in it that no call asked for, and wake it up.
            healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
            host_config: Some(self.host_config(spec, network)?),
            ..ContainerCreateBody::default()
        })
    }

    fn host_config(&self, spec: &Spec, network: Option<&str>) -> Result<HostConfig, DriverError> {
        let sandbox = &self.sandbox;
        let memory = bounded(spec.memory_mb.saturating_mul(1 << 20));
        let limited = spec.cpu_milli > 0;
        // An old-fashioned bind only where it has to be labelled: a bind of what is not there makes an
        // empty directory in its place, a mount says so.
        let (bind, mount) = match self.iofs(spec)? {
            Some(iofs) if self.selinux => (Some(format!("{iofs}:{IOFS}:rw,Z")), None),
            Some(iofs) => (None, Some(mounted(iofs))),
            None => (None, None),
        };
        Ok(HostConfig {
            cap_drop: sandbox.unprivileged.then(|| vec!["ALL".to_owned()]),
            security_opt: sandbox.unprivileged.then(|| vec!["no-new-privileges".to_owned()]),
            readonly_rootfs: Some(sandbox.read_only),
            tmpfs: Some(HashMap::from([("/tmp".to_owned(), self.tmpfs())])),
            binds: bind.map(|bind| vec![bind]),
            mounts: mount.map(|mount| vec![mount]),
            init: Some(true),
            pids_limit: Some(bounded(sandbox.pids)),
            ulimits: Some(self.ulimits(spec)),
            memory: Some(memory),
            memory_swap: Some(memory),
            cpu_period: limited.then_some(CPU_PERIOD_US),
            cpu_quota: limited.then(|| (bounded(spec.cpu_milli) * (CPU_PERIOD_US / 1000)).max(CPU_QUOTA_US_MIN)),
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            network_mode: network.map(str::to_owned),
            ..HostConfig::default()
        })
    }

    /// The engine's name of the iofs directory.
    fn iofs(&self, spec: &Spec) -> Result<Option<String>, DriverError> {
        let Some(iofs) = &spec.iofs else { return Ok(None) };
        let there = self.iofs_seen.as_ref().map_or_else(|| iofs.clone(), |seen| seen.as_seen_there(iofs));
        match there.to_str() {
            // In a bind a colon is the end of the name.
            Some(name) if !(self.selinux && name.contains(':')) => Ok(Some(name.to_owned())),
            _ => Err(DriverError::Engine {
                what: format!("iofs directory {there:?}"),
                why: "its name is not one that can be said to an engine".to_owned(),
            }),
        }
    }

    fn tmpfs(&self) -> String {
        // What the engine adds: noexec, nosuid, nodev.
        let mut options = "rw,mode=1777".to_owned();
        if self.sandbox.tmp_mb > 0 {
            options += &format!(",size={}m", self.sandbox.tmp_mb);
        }
        if self.sandbox.tmp_inodes > 0 {
            options += &format!(",nr_inodes={}", self.sandbox.tmp_inodes);
        }
        options
    }

    fn ulimits(&self, spec: &Spec) -> Vec<ResourcesUlimits> {
        let rlimits = &self.sandbox.rlimits;
        [
            ("core", rlimits.core_bytes),
            ("memlock", rlimits.locked_bytes),
            ("msgqueue", rlimits.message_queue_bytes),
            ("nofile", rlimits.open_files_for(spec.connections_max)),
            ("sigpending", rlimits.pending_signals),
        ]
        .map(|(name, limit)| {
            let limit = Some(bounded(limit));
            ResourcesUlimits { name: Some(name.to_owned()), soft: limit, hard: limit }
        })
        .into()
    }

    fn labels(&self, spec: &Spec) -> HashMap<String, String> {
        let ours = [(LABEL_NODE, &spec.node), (LABEL_FUNCTION, &spec.function)];
        let fns =
            self.label_tag.iter().flat_map(|tag| [("fn-agent-classifier", tag), ("fn-agent-instance", &spec.node)]);
        ours.into_iter().chain(fns).map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }
}

fn mounted(iofs: String) -> Mount {
    Mount { typ: Some(MountType::BIND), source: Some(iofs), target: Some(IOFS.to_owned()), ..Mount::default() }
}

/// `NAME=VALUE` each, of several with one name only the last: engines hand on all of them, and
/// programs look at the first.
fn environment(env: &[(String, String)]) -> Vec<String> {
    let last = |at: usize, name: &str| !env[at + 1..].iter().any(|(later, _)| later == name);
    let kept = env.iter().enumerate().filter(|(at, (name, _))| last(*at, name));
    kept.map(|(_, (name, value))| format!("{name}={value}")).collect()
}

/// Engines count with a sign.
fn bounded(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms {
            sandbox: Sandbox::default(),
            iofs_seen: None,
            hostname: "node".to_owned(),
            label_tag: None,
            selinux: false,
        }
    }

    fn spec() -> Spec {
        Spec {
            id: "01C".to_owned(),
            node: "01N".to_owned(),
            function: "01F".to_owned(),
            image: "image".to_owned(),
            dir: None,
            env: vec![("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())],
            iofs: Some("/iofs/x".into()),
            pipes: false,
            memory_mb: 128,
            cpu_milli: 0,
            connections_max: 1,
        }
    }

    fn host(terms: &Terms, spec: &Spec) -> HostConfig {
        terms.body(spec, "image", None).unwrap().host_config.unwrap()
    }

    #[test]
    fn the_sandbox_is_fns_property_by_property() {
        let body = terms().body(&spec(), "image", None).unwrap();
        assert_eq!(body.user.as_deref(), Some("1000:1000"));
        assert_eq!(body.hostname.as_deref(), Some("node"));
        assert_eq!((body.open_stdin, body.tty), (Some(false), Some(false)));
        let labels = body.labels.unwrap();
        assert_eq!((labels["hotfn.node"].as_str(), labels["hotfn.function"].as_str(), labels.len()), ("01N", "01F", 2));
        let host = body.host_config.unwrap();
        assert_eq!(host.cap_drop.unwrap(), ["ALL"]);
        assert_eq!(host.security_opt.unwrap(), ["no-new-privileges"]);
        assert_eq!((host.readonly_rootfs, host.init, host.pids_limit), (Some(true), Some(true), Some(50)));
        assert_eq!((host.memory, host.memory_swap), (Some(128 << 20), Some(128 << 20)));
        assert_eq!((host.memory_swappiness, host.cpu_quota, host.cpu_shares), (None, None, None));
        assert_eq!(host.tmpfs.unwrap()["/tmp"], "rw,mode=1777");
        assert_eq!(host.log_config.unwrap().typ.unwrap(), "none");
        assert_eq!((host.network_mode, host.binds), (None, None));
        let mount = &host.mounts.unwrap()[0];
        assert_eq!((mount.source.as_deref(), mount.target.as_deref()), (Some("/iofs/x"), Some("/tmp/iofs")));
        let ulimits = host.ulimits.unwrap();
        let ulimits: Vec<_> = ulimits.iter().map(|u| (u.name.as_deref().unwrap(), u.hard.unwrap())).collect();
        let fns = [("memlock", 65_536), ("msgqueue", 819_200), ("nofile", 350), ("sigpending", 5_000)];
        assert!(ulimits.contains(&("core", 0)) && fns.iter().all(|limit| ulimits.contains(limit)), "{ulimits:?}");
    }

    #[test]
    fn each_switch_turns_off_its_own_property() {
        let mut terms = terms();
        terms.sandbox = Sandbox { unprivileged: false, ..Sandbox::default() };
        let body = terms.body(&spec(), "image", None).unwrap();
        assert_eq!(body.user, None);
        let host_config = body.host_config.unwrap();
        assert_eq!((host_config.cap_drop, host_config.security_opt), (None, None));
        terms.sandbox = Sandbox { read_only: false, tmp_mb: 64, tmp_inodes: 99, ..Sandbox::default() };
        let host_config = host(&terms, &spec());
        assert_eq!(host_config.readonly_rootfs, Some(false));
        assert_eq!(host_config.tmpfs.unwrap()["/tmp"], "rw,mode=1777,size=64m,nr_inodes=99");
    }

    #[test]
    fn a_share_of_a_cpu_is_a_quota_of_its_time() {
        for (milli, quota) in [(1500, 150_000), (100, 10_000), (1, 1_000)] {
            let host = host(&terms(), &Spec { cpu_milli: milli, ..spec() });
            assert_eq!((host.cpu_period, host.cpu_quota), (Some(100_000), Some(quota)));
        }
    }

    #[test]
    fn of_several_variables_with_one_name_the_last_is_told() {
        let env = [("A", "1"), ("B", "2"), ("A", "3"), ("C", "x=y")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(environment(&env), ["B=2", "A=3", "C=x=y"]);
    }

    #[test]
    fn the_iofs_directory_is_named_as_the_engine_sees_it() {
        let mut terms = terms();
        terms.iofs_seen = Some(Seen { here: "/iofs".into(), there: "/host/iofs".into() });
        assert_eq!(host(&terms, &spec()).mounts.unwrap()[0].source.as_deref(), Some("/host/iofs/x"));
        let elsewhere = Spec { iofs: Some("/other/x".into()), ..spec() };
        assert_eq!(host(&terms, &elsewhere).mounts.unwrap()[0].source.as_deref(), Some("/other/x"));
        terms.selinux = true;
        let host_config = host(&terms, &spec());
        assert_eq!(
            (host_config.binds.unwrap(), host_config.mounts),
            (vec!["/host/iofs/x:/tmp/iofs:rw,Z".to_owned()], None)
        );
        assert!(terms.body(&Spec { iofs: Some("/a:b".into()), ..spec() }, "image", None).is_err());
    }

    #[test]
    fn with_pipes_its_input_is_ours_and_closed_after_us() {
        let body = terms().body(&Spec { pipes: true, ..spec() }, "image", Some("none")).unwrap();
        assert_eq!((body.open_stdin, body.stdin_once, body.attach_stdin), (Some(true), Some(true), Some(true)));
        assert_eq!(body.host_config.unwrap().network_mode.as_deref(), Some("none"));
        let joined = terms().body(&spec(), "image", Some("container:x")).unwrap();
        assert_eq!(joined.hostname, None);
    }

    #[test]
    fn fns_labels_are_there_when_they_are_asked_for() {
        let terms = Terms { label_tag: Some("blue".to_owned()), ..terms() };
        let labels = terms.body(&spec(), "image", None).unwrap().labels.unwrap();
        assert_eq!((labels["fn-agent-classifier"].as_str(), labels["fn-agent-instance"].as_str()), ("blue", "01N"));
    }
}
