//! What a function finds around it.

use super::*;

#[tokio::test]
async fn a_function_is_nobody_in_a_place_of_its_own() {
    if !is_possible() {
        return;
    }
    let world = World::new().await;
    let (exit, lines) = world
        .output(
            "id -u; id -g
             grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'
             echo $SAID, $IMAGE, $HOME; hostname; ls /sys/class/net; ulimit -n; ulimit -c
             cat /proc/1/comm; ls /proc | grep -c '^[0-9]*$'",
        )
        .await;
    assert_eq!(exit, Exit::Code(0), "{lines:?}");
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let none = "0000000000000000";
    let caps: Vec<String> = ["Inh", "Prm", "Eff", "Bnd", "Amb"].iter().map(|cap| format!("Cap{cap}:{none}")).collect();
    let mut expected = vec!["1000", "1000"];
    expected.extend(caps.iter().map(String::as_str));
    expected.extend(["NoNewPrivs:1", "Seccomp:2", "by the agent, here, /", &host, "lo", "350", "0"]);
    assert_eq!(lines[..expected.len()], expected);
    assert!(["tini", "init", "sh"].iter().any(|name| lines[expected.len()].contains(name)), "{lines:?}");
    let processes: u32 = lines.last().unwrap().parse().unwrap();
    assert!(processes < 8, "it sees {processes} processes");
}

#[tokio::test]
async fn it_writes_to_its_own_places_only() {
    if !is_possible() {
        return;
    }
    let world = World::new().await;
    let iofs = world.dir.path().join("iofs");
    fs::create_dir(&iofs).unwrap();
    fs::set_permissions(&iofs, fs::Permissions::from_mode(0o777)).unwrap();
    let spec = Spec { iofs: Some(iofs.clone()), ..world.spec("writes") };
    let script = "for place in / /etc /dev /proc/sys /sys /sys/fs/cgroup /usr; do
                    if touch $place/x 2>/dev/null; then echo wrote to $place; fi
                  done
                  for place in /tmp /dev/shm /tmp/iofs; do touch $place/x || echo refused at $place; done
                  cp /bin/true /tmp/true; if /tmp/true 2>/dev/null; then echo ran what it wrote; fi
                  echo done";
    let mut shell = world.start(spec, script).await;
    assert_eq!(shell.line().await, "done");
    assert!(iofs.join("x").exists());
    shell.running.end(Duration::ZERO).await;
}

#[tokio::test]
async fn a_root_that_may_be_written_to_is_forgotten() {
    if !is_possible() {
        return;
    }
    let sandbox = Sandbox { read_only: false, unprivileged: false, ..Sandbox::default() };
    let world = World::with(Config { sandbox, ..Config::default() }).await;
    let script = "test -e /kept && echo found; touch /kept && id -u; grep CapEff /proc/self/status | tr -d '\\t'";
    for _ in 0..2 {
        let (exit, lines) = world.output(script).await;
        assert_eq!((exit, lines), (Exit::Code(0), vec!["0".to_owned(), "CapEff:00000000a80425fb".to_owned()]));
    }
    assert!(!world.dir.path().join("layer/kept").exists());
}

/// Each is tried by number, with arguments that a kernel without a filter would answer otherwise.
#[tokio::test]
async fn calls_that_are_not_for_functions_are_refused() {
    if !is_possible() {
        return;
    }
    if hotfn_exec::program::find("python3".as_ref(), &runtime::search(), Path::new("/")).is_err() {
        assert!(std::env::var_os("HOTFN_SKIP_NOTHING").is_none(), "no python3");
        return eprintln!("SKIPPED: needs python3");
    }
    let world = World::new().await;
    let numbers: &[(&str, u32)] = if cfg!(target_arch = "aarch64") {
        &[
            ("mount", 40),
            ("ptrace", 117),
            ("keyctl", 219),
            ("bpf", 280),
            ("unshare", 97),
            ("userfaultfd", 282),
            ("kexec_load", 104),
            ("reboot", 142),
            ("open_by_handle_at", 265),
            ("perf_event_open", 241),
            ("io_uring_setup", 425),
            ("setns", 268),
        ]
    } else {
        &[
            ("mount", 165),
            ("ptrace", 101),
            ("keyctl", 250),
            ("bpf", 321),
            ("unshare", 272),
            ("userfaultfd", 323),
            ("kexec_load", 246),
            ("reboot", 169),
            ("open_by_handle_at", 304),
            ("perf_event_open", 298),
            ("io_uring_setup", 425),
            ("setns", 308),
        ]
    };
    let table = numbers.iter().fold(String::new(), |table, (name, number)| table + &format!("('{name}', {number}),"));
    // 0x10000000 is CLONE_NEWUSER, 435 is clone3 everywhere, 40 is AF_VSOCK.
    let script = format!(
        "exec python3 -c \"
import ctypes, os, socket, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
def errno(*args):
    ctypes.set_errno(0)
    libc.syscall(*args)
    return ctypes.get_errno()
for name, number in [{table}]:
    said = errno(number, 0x10000000 if name == 'unshare' else 0, 0, 0, 0, 0)
    if said != 1: print(name, said)
if errno(435, 0, 0) != 38: print('clone3')
for family in (40, 38):
    try: socket.socket(family, socket.SOCK_STREAM); print('family', family)
    except OSError: pass
thread = threading.Thread(target=lambda: print('a thread')); thread.start(); thread.join()
socket.socket(); socket.socket(socket.AF_UNIX)
sys.stdout.flush(); os.system('echo a child')
\""
    );
    let (exit, lines) = world.output(&script).await;
    assert_eq!((exit, lines), (Exit::Code(0), vec!["a thread".to_owned(), "a child".to_owned()]));
}

/// What function kits are built on: a server on a unix socket, threads and child processes.
#[tokio::test]
async fn the_runtimes_of_languages_run() {
    if !is_possible() {
        return;
    }
    let world = World::new().await;
    for (program, script) in [
        (
            "python3",
            "exec python3 -c \"
import asyncio, subprocess, concurrent.futures
async def main():
    async def serve(reader, writer):
        writer.write(await reader.readline()); await writer.drain(); writer.close()
    await asyncio.start_unix_server(serve, '/tmp/socket')
    reader, writer = await asyncio.open_unix_connection('/tmp/socket')
    writer.write(b'python\\n')
    print((await reader.readline()).decode().strip())
asyncio.run(main())
with concurrent.futures.ThreadPoolExecutor(4) as pool: print(sum(pool.map(int, '1234')))
print(subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout.strip())
\"",
        ),
        (
            "node",
            "exec node -e \"
const http = require('http'), { Worker } = require('worker_threads'), { execFileSync } = require('child_process');
const server = http.createServer((req, res) => res.end('node')).listen('/tmp/socket', () =>
  http.get({ socketPath: '/tmp/socket', path: '/' }, res => res.on('data', data => {
    console.log(data.toString());
    new Worker('require(\\'worker_threads\\').parentPort.postMessage(10)', { eval: true }).on('message', sum => {
      console.log(sum); console.log(execFileSync('echo', ['child']).toString().trim()); process.exit(0);
    });
  })));
\"",
        ),
    ] {
        let name = program.strip_suffix('3').unwrap_or(program);
        if !Path::new("/usr/bin").join(program).exists() {
            assert!(std::env::var_os("HOTFN_SKIP_NOTHING").is_none(), "no {program}");
            eprintln!("SKIPPED: needs {program} in /usr/bin");
            continue;
        }
        let spec = Spec { memory_mb: 256, ..world.spec(name) };
        let mut shell = world.start(spec, script).await;
        for expected in [name, "10", "child"] {
            assert_eq!(shell.line().await, expected);
        }
        assert_eq!(shell.exit().await, Exit::Code(0));
        shell.running.end(Duration::ZERO).await;
    }
}
