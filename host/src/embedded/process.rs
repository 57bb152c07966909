//! How programs are started here: with a plain environment, and ending with whoever started them.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use nix::sys::signal::{SigSet, Signal};

/// Descriptors a shell hands down are low ones; looking further costs a system call each.
const HIGHEST_INHERITED_DESCRIPTOR: i32 = 255;

/// What a program may need of the caller's environment to be found, to load its libraries and to find its files.
const KEPT: [&str; 8] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "TZDIR",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "LOCALE_ARCHIVE",
];

/// Without input, and with an environment that has neither the caller's secrets, which another user could read once the
/// program runs as one, nor its `PG…` variables. Messages are in English, since they are read here.
pub(super) fn plain(command: &mut Command) -> &mut Command {
    command.env_clear().envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    // The root folder is open to every user, and keeps no file system busy.
    command.stdin(Stdio::null()).env("LC_ALL", "C").env("TZ", "UTC").current_dir("/")
}

/// Has the kernel send `signal` to the program once the thread that starts it is gone, where the kernel can.
#[expect(
    unsafe_code,
    reason = "what a child does between fork and exec can only be said in pre_exec"
)]
pub(super) fn ending_with_parent(command: &mut Command, signal: Signal) -> &mut Command {
    let parent = nix::unistd::getpid();
    // SAFETY: the closure makes only system calls, which are async-signal-safe, and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            SigSet::empty().thread_set_mask()?;
            #[cfg(target_os = "linux")]
            nix::sys::prctl::set_pdeathsig(signal)?;
            #[cfg(not(target_os = "linux"))]
            let _ = signal;
            // A parent that ended before the line above sends nothing any more.
            if nix::unistd::getppid() == parent {
                Ok(())
            } else {
                Err(io::Error::from_raw_os_error(nix::libc::ESRCH))
            }
        })
    }
}

/// Puts the program into a session of its own, out of reach of the terminal, with no descriptor but the standard three.
#[expect(
    unsafe_code,
    reason = "what a child does between fork and exec can only be said in pre_exec"
)]
pub(super) fn detached(command: &mut Command) -> &mut Command {
    // SAFETY: the closure makes only system calls, which are async-signal-safe, and allocates nothing;
    // marking a descriptor that is not open fails without effect, and std's own is marked already.
    unsafe {
        command.pre_exec(|| {
            SigSet::empty().thread_set_mask()?;
            nix::unistd::setsid()?;
            for descriptor in 3..=HIGHEST_INHERITED_DESCRIPTOR {
                nix::libc::fcntl(descriptor, nix::libc::F_SETFD, nix::libc::FD_CLOEXEC);
            }
            Ok(())
        })
    }
}
