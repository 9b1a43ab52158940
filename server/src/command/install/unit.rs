//! The unit: how the service manager runs the service.

/// Its name, which is that of the platform's own service.
pub(super) const NAME: &str = "dataflux-func-sidecar.service";
/// The program.
pub(super) const PROGRAM: &str = "/usr/local/bin/dataflux-func-sidecar";
/// The config.
pub(super) const CONFIG: &str = "/etc/dataflux-func-sidecar";
/// What the service keeps, and its user's home.
pub(super) const STATE: &str = "/var/lib/dataflux-func-sidecar";

/// The unit's text.
///
/// Commands are what this is for, so it keeps only those fences that commands rarely need to cross,
/// and an upgrade ends none of them (`KillMode=process`). Each has a control group of its own beneath
/// the service's (`Delegate=yes`). `/tmp` is the machine's, where commands and
/// whoever asks for them expect it.
pub(super) fn text(user: &str) -> String {
    format!(
        "[Unit]\n\
         Description=Host commands over signed HTTP (hotfn, a DataFlux Func Sidecar)\n\
         After=network.target docker.service\n\
         \n\
         [Service]\n\
         Type=notify\n\
         User={user}\n\
         ExecStart={PROGRAM} command-server --env-file {CONFIG}\n\
         ExecReload=/bin/kill -HUP $MAINPID\n\
         Restart=on-failure\n\
         KillMode=process\n\
         Delegate=yes\n\
         StateDirectory=dataflux-func-sidecar\n\
         LimitNOFILE=65536\n\
         NoNewPrivileges=yes\n\
         PrivateTmp=no\n\
         ProtectKernelTunables=yes\n\
         ProtectSystem=full\n\
         RestrictSUIDSGID=yes\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}
