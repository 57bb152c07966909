//! Starts programs with a minimal environment, detached or ending with the process that started them.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use nix::sys::signal::{SigSet, Signal};

/// The highest descriptor to close. Descriptors inherited from a shell are low ones, and each further one costs a
/// system call.
const HIGHEST_INHERITED_DESCRIPTOR: i32 = 255;

/// The variables of the caller that a program needs to be found, to load its libraries and to find its files.
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

/// Removes the standard input, and all variables except the needed ones: the caller's secrets, which another user could
/// read if the program runs as that user, and its `PG…` variables. Messages are in English, because they are parsed
/// here.
pub(super) fn plain(command: &mut Command) -> &mut Command {
    command.env_clear().envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    // Every user can enter the root folder, and it does not block the unmounting of a file system.
    command.stdin(Stdio::null()).env("LC_ALL", "C").env("TZ", "UTC").current_dir("/")
}

/// Has the kernel send `signal` to the program when the thread that starts it ends, if the kernel supports that.
#[expect(unsafe_code, reason = "code between fork and exec needs pre_exec")]
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
            // If the parent ended before the call above, no signal is sent.
            if nix::unistd::getppid() == parent {
                Ok(())
            } else {
                Err(io::Error::from_raw_os_error(nix::libc::ESRCH))
            }
        })
    }
}

/// Starts the program in a session of its own, without a terminal, and with the three standard descriptors only.
#[expect(unsafe_code, reason = "code between fork and exec needs pre_exec")]
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
