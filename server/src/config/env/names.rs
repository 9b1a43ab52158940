//! The environment's names, once. They are Fn's where Fn has the knob, and begin with `HOTFN_` where it has none.

/// How long a container idles before it is frozen, in ms; negative: never.
pub const FREEZE_IDLE: &str = "FN_FREEZE_IDLE_MSECS";
/// How long a container's socket may take to appear, in ms.
pub const START_TIMEOUT: &str = "FN_HOT_START_TIMEOUT_MSECS";
/// Most bytes of an answer's body; 0: no bound.
pub const RESPONSE_BYTES_MAX: &str = "FN_MAX_RESPONSE_SIZE";
/// Most bytes of an answer's head; 0: the default.
pub const RESPONSE_HEAD_BYTES_MAX: &str = "FN_MAX_HDR_RESPONSE_SIZE";
/// Most bytes of log a call may write.
pub const LOG_BYTES_MAX: &str = "FN_MAX_LOG_SIZE_BYTES";
/// The node's CPUs for containers, in thousandths; 0: detect.
pub const CPU_MILLI: &str = "FN_MAX_TOTAL_CPU_MCPUS";
/// The node's memory for containers, in bytes; 0: detect.
pub const MEMORY_BYTES: &str = "FN_MAX_TOTAL_MEMORY_BYTES";
/// Refuse calls at once when the node is full.
pub const REFUSE_WHEN_FULL: &str = "FN_ENABLE_NB_RESOURCE_TRACKER";
/// Where container directories are made.
pub const IOFS: &str = "FN_IOFS_PATH";
/// The iofs root as Docker's engine sees it.
pub const IOFS_DOCKER: &str = "FN_IOFS_DOCKER_PATH";
/// How long fetching an image may take, in ms.
pub const PULL_TIMEOUT: &str = "FN_HOT_PULL_TIMEOUT_MSECS";
/// Most bytes of images to keep; 0: no bound.
pub const IMAGES_BYTES_MAX: &str = "FN_IMAGE_CLEAN_MAX_SIZE";
/// Images that are kept whatever they take, with white space between.
pub const IMAGES_EXEMPT: &str = "FN_IMAGE_CLEAN_EXEMPT_TAGS";
/// Take images that declare a volume.
pub const VOLUMES: &str = "FN_IMAGE_ENABLE_VOLUME";
/// An archive of images that is loaded when the node starts.
pub const LOAD: &str = "FN_DOCKER_LOAD_FILE";
/// The value of Fn's label on Docker's containers.
pub const LABEL: &str = "FN_CONTAINER_LABEL_TAG";
/// Credentials for registries, as JSON.
pub const DOCKER_AUTH: &str = "FN_DOCKER_AUTH";
/// Docker's networks to join, with white space between; the least used is taken.
pub const NETWORKS: &str = "FN_DOCKER_NETWORKS";
/// A root file system that can be written to.
pub const WRITABLE: &str = "FN_DISABLE_READONLY_ROOTFS";
/// The image's own user, and capabilities.
pub const PRIVILEGED: &str = "FN_DISABLE_UNPRIVILEGED_CONTAINERS";
/// Files in `/tmp`; 0: no bound.
pub const TMP_INODES: &str = "FN_MAX_TMPFS_INODES";
/// Processes of a container at once.
pub const PIDS: &str = "FN_MAX_PIDS";
/// Descriptors of a container open at once.
pub const OPEN_FILES: &str = "FN_MAX_OPEN_FILES";
/// Memory of a container locked against swapping, in bytes.
pub const LOCKED_BYTES: &str = "FN_MAX_LOCKED_MEMORY";
/// Signals of a container queued.
pub const PENDING_SIGNALS: &str = "FN_MAX_PENDING_SIGNALS";
/// Bytes in a container's message queues.
pub const MESSAGE_QUEUE_BYTES: &str = "FN_MAX_MESSAGE_QUEUE";
/// The port to listen on, at every address, as Fn does.
pub const PORT: &str = "FN_PORT";
/// Where a server keeps what it serves.
pub const DB_URL: &str = "FN_DB_URL";
/// Are tokens asked for? `required`, `except-triggers` or `off`.
pub const TOKENS: &str = "HOTFN_TOKENS";
/// What functions are called by from outside.
pub const PUBLIC_URL: &str = "FN_PUBLIC_LB_URL";
/// Which pages of other sites may call, with commas or white space between.
pub const CORS_ORIGINS: &str = "FN_API_CORS_ORIGINS";
/// The headers that these pages may send.
pub const CORS_HEADERS: &str = "FN_API_CORS_HEADERS";
/// Most bytes of a request's body; 0: no bound.
pub const REQUEST_BYTES_MAX: &str = "FN_MAX_REQUEST_SIZE";
/// Most bytes of a request's head.
pub const REQUEST_HEAD_BYTES_MAX: &str = "FN_MAX_REQUEST_HEADER_SIZE";
/// How long a connection may take to send a request's head, in s; 0: the default.
pub const REQUEST_HEAD_TIMEOUT: &str = "FN_REQUEST_HEADER_READ_TIMEOUT";
/// The least important level that is logged.
pub const LOG_LEVEL: &str = "FN_LOG_LEVEL";
/// How log lines look: `text` or `json`.
pub const LOG_FORMAT: &str = "FN_LOG_FORMAT";

/// Variables of Fn's that have no knob here, because there is nothing behind them: docs/operating.md says what is
/// done instead.
pub const PASSED_OVER: [&str; 27] = [
    "FN_DISABLE_DEBUG_USER_LOGS",
    "FN_DS_DB_PING_MAX_RETRIES",
    "FN_EXECUTION_HEADROOM",
    "FN_EXPERIMENTAL_PREFORK_CMD",
    "FN_EXPERIMENTAL_PREFORK_IMAGE",
    "FN_EXPERIMENTAL_PREFORK_NETWORKS",
    "FN_EXPERIMENTAL_PREFORK_POOL_SIZE",
    "FN_EXPERIMENTAL_PREFORK_USE_ONCE",
    "FN_GRPC_PORT",
    "FN_HOT_LAUNCHER_TIMEOUT_MSECS",
    "FN_HOT_POLL_MSECS",
    "FN_HTTP_IDLE_TIMEOUT",
    "FN_IOFS_OPTS",
    "FN_IOFS_TMPFS",
    "FN_JAEGER_URL",
    "FN_LOG_DEST",
    "FN_LOG_PREFIX",
    "FN_MAX_FS_SIZE_MB",
    "FN_NODE_TYPE",
    "FN_PLACER",
    "FN_PROCESS_COLLECTOR_LIST",
    "FN_REQUEST_BODY_READ_TIMEOUT",
    "FN_RESPONSE_WRITE_TIMEOUT",
    "FN_RID_HEADER",
    "FN_RUNNER_ADDRESSES",
    "FN_RUNNER_API_URL",
    "FN_ZIPKIN_URL",
];

/// Those of [`PASSED_OVER`] that are set: whoever set them counts on something.
pub fn passed_over(lookup: &dyn Fn(&str) -> Option<String>) -> impl Iterator<Item = &'static str> {
    PASSED_OVER.into_iter().filter(move |name| lookup(name).is_some_and(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_is_in_the_docs() {
        let docs = include_str!("../../../../docs/operating.md");
        let constants = include_str!("names.rs").lines().filter(|line| line.starts_with("pub const "));
        let followed = constants.filter_map(|line| line.split('"').nth(1));
        for name in followed.chain(PASSED_OVER) {
            assert!(docs.contains(&format!("`{name}`")), "docs/operating.md does not say what {name} is");
        }
    }

    #[test]
    fn what_is_set_and_not_followed_is_named() {
        let set = |name: &str| ["FN_NODE_TYPE", "FN_PORT"].contains(&name).then(|| "x".to_owned());
        assert_eq!(passed_over(&set).collect::<Vec<_>>(), ["FN_NODE_TYPE"]);
    }
}
