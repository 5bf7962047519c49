//! System calls, by seccomp: a list of those that are refused.
//!
//! A list of what is allowed would be tighter, but the library is closed, differs from build to build, and takes paths
//! that no test here has seen; a call that was forgotten would be a recorder that cannot be used. What is refused is
//! what no client of a recorder has business with: starting programs and processes, touching other processes, raw and
//! other odd sockets, servers, owners and modes of files, and the kernel's rarer doors. It fails with EPERM, as without
//! the privilege; where the C library has an older way to do the same, with ENOSYS, so that it takes that one.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter,
};

/// Refused whatever the arguments.
const NEVER: &[i64] = &[
    // programs and other processes
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_tkill,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // servers
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // files that belong to the same user: landlock does not look at owners, modes and times
    libc::SYS_truncate,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_utimensat,
    libc::SYS_mknodat,
    libc::SYS_symlinkat,
    libc::SYS_linkat,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    // other views of the system
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // the kernel's rarer doors
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_personality,
];

/// The same under the names that only older architectures have.
#[cfg(target_arch = "x86_64")]
const NEVER_HERE: &[i64] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_mknod,
    libc::SYS_symlink,
    libc::SYS_link,
    libc::SYS_inotify_init,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_kexec_file_load,
    libc::SYS_uselib,
];
#[cfg(not(target_arch = "x86_64"))]
const NEVER_HERE: &[i64] = &[];

/// `fchmodat2`, which the library of constants does not know everywhere.
const SYS_FCHMODAT2: i64 = 452;

/// There is an older way to do the same.
const NOT_KNOWN: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_sendmmsg,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Puts the filters on this thread and on all that it starts. Without a gate UDP has to go altogether.
pub fn filter(gated: bool) -> Result<(), String> {
    let in_words = |error: &dyn std::fmt::Display| format!("system call filter: {error}");
    for (rules, errno) in [
        (refused(gated, std::process::id()), libc::EPERM),
        (Ok(never(NOT_KNOWN)), libc::ENOSYS),
    ] {
        let rules = rules.map_err(|error| in_words(&error))?;
        let program = compile(rules, errno).map_err(|error| in_words(&error))?;
        apply_filter(&program).map_err(|error| in_words(&error))?;
    }
    Ok(())
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn compile(rules: Rules, errno: i32) -> Result<BpfProgram, seccompiler::BackendError> {
    let refuse = SeccompAction::Errno(errno as u32);
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        refuse,
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()
}

fn never(calls: &[i64]) -> Rules {
    calls.iter().map(|&call| (call, Vec::new())).collect()
}

/// One condition on an argument of 32 bits.
fn is(
    argument: u8,
    operator: Op,
    value: i64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    // The filter looks at the low 32 bits only, as the kernel does for an int.
    SeccompCondition::new(argument, Len::Dword, operator, u64::from(value as u32))
}

fn refused(gated: bool, own: u32) -> Result<Rules, seccompiler::BackendError> {
    let mut rules = never(NEVER);
    rules.extend(never(NEVER_HERE));
    rules.insert(SYS_FCHMODAT2, Vec::new());
    let mut add = |call: i64, conditions: Vec<SeccompCondition>| {
        SeccompRule::new(conditions).map(|rule| rules.entry(call).or_default().push(rule))
    };
    let own = i64::from(own);

    // A thread is one; a process of its own is not.
    let thread = i64::from(libc::CLONE_THREAD);
    add(
        libc::SYS_clone,
        vec![is(0, Op::MaskedEq(thread as u64), 0)?],
    )?;
    // Signals to itself only: the C library raises them so.
    for call in [
        libc::SYS_kill,
        libc::SYS_tgkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
    ] {
        add(call, vec![is(0, Op::Ne, own)?])?;
    }
    // Limits and priorities of other processes of the same user.
    add(
        libc::SYS_prlimit64,
        vec![is(0, Op::Ne, 0)?, is(0, Op::Ne, own)?],
    )?;
    for call in [
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
        libc::SYS_sched_setaffinity,
    ] {
        add(call, vec![is(0, Op::Ne, 0)?])?;
    }
    for call in [libc::SYS_setpriority, libc::SYS_ioprio_set] {
        add(call, vec![is(1, Op::Ne, 0)?])?;
    }
    // It ends with the agent, whatever it wants.
    add(
        libc::SYS_prctl,
        vec![is(0, Op::Eq, i64::from(libc::PR_SET_PDEATHSIG))?],
    )?;

    // Sockets: TCP and UDP, and the kernel's list of network cards.
    let (inet, inet6, netlink) = (
        i64::from(libc::AF_INET),
        i64::from(libc::AF_INET6),
        i64::from(libc::AF_NETLINK),
    );
    let socket = libc::SYS_socket;
    add(
        socket,
        vec![
            is(0, Op::Ne, inet)?,
            is(0, Op::Ne, inet6)?,
            is(0, Op::Ne, netlink)?,
        ],
    )?;
    add(
        socket,
        vec![
            is(0, Op::Eq, netlink)?,
            is(2, Op::Ne, i64::from(libc::NETLINK_ROUTE))?,
        ],
    )?;
    const TYPE: u64 = 0xf;
    for family in [inet, inet6] {
        for odd in (0..=10).filter(|kind| ![libc::SOCK_STREAM, libc::SOCK_DGRAM].contains(kind)) {
            add(
                socket,
                vec![
                    is(0, Op::Eq, family)?,
                    is(1, Op::MaskedEq(TYPE), i64::from(odd))?,
                ],
            )?;
        }
        add(
            socket,
            vec![
                is(0, Op::Eq, family)?,
                is(2, Op::Ne, 0)?,
                is(2, Op::Ne, i64::from(libc::IPPROTO_TCP))?,
                is(2, Op::Ne, i64::from(libc::IPPROTO_UDP))?,
            ],
        )?;
        if !gated {
            // Whom a datagram goes to, only the gate can see.
            add(
                socket,
                vec![
                    is(0, Op::Eq, family)?,
                    is(1, Op::MaskedEq(TYPE), i64::from(libc::SOCK_DGRAM))?,
                ],
            )?;
        }
    }
    if !gated {
        // An address in a send connects as well, past the rules on ports.
        for (call, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2)] {
            let fast = libc::MSG_FASTOPEN;
            add(
                call,
                vec![is(flags, Op::MaskedEq(fast as u64), i64::from(fast))?],
            )?;
        }
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel takes no longer program, and an empty rule would not compile.
    #[test]
    fn the_filters_compile_and_fit() {
        const INSTRUCTIONS_MAX: usize = 4096;
        for gated in [true, false] {
            let program = compile(refused(gated, 7).unwrap(), libc::EPERM).unwrap();
            assert!(program.len() < INSTRUCTIONS_MAX, "{}", program.len());
        }
        compile(never(NOT_KNOWN), libc::ENOSYS).unwrap();
    }
}
