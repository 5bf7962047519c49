//! The one fault of the virtual machine itself that is known: its firmware wakes the second processor, on a busy host the
//! call gets lost, and the first one waits for it for ever (`WaitApWakeup()` of OVMF, tianocore/edk2 pull request 13164).
//! It happens at a start, or when GRUB hands over to the kernel; nothing is said then. Real boxes have other firmware, so the
//! reset button is pressed, and how often that was is told with every figure.
//!
//! A start may also stand still because the emulated processor is too slow for its timer (`accelerator` in
//! `storage/guest.rs`): then it is found all over the firmware. That passes by another start at best, and counts with this.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::machine::ask;

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Looks that must find the same: a minute and a half. GRUB waits in the firmware's memory too, for five seconds of its own
/// reckoning, which may be many on a busy host.
const LOOKS: usize = 18;
/// Length of the loop in which it waits.
const LOOP_BYTES: u64 = 0x60;
/// Looks that must find it anywhere in the firmware: three minutes. GRUB reads kernel and memory disk in far less.
const LOOKS_ANYWHERE: usize = 36;

/// Watches a machine for as long as it is held.
#[derive(Debug)]
pub struct Watch {
    _held: Sender<()>,
}

impl Watch {
    /// Over QEMU's monitor; counts in `pressed`.
    pub fn begin(monitor: PathBuf, pressed: Arc<AtomicU32>) -> Self {
        let (_held, over) = channel();
        std::thread::spawn(move || watch(&monitor, &over, &pressed));
        Self { _held }
    }
}

fn watch(monitor: &std::path::Path, over: &Receiver<()>, pressed: &AtomicU32) {
    let mut seen = Vec::new();
    while over.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        // No answer: the machine is being ended.
        let Ok(told) = ask(monitor, "info registers -a") else {
            continue;
        };
        match waits_at(&told) {
            Some(at) => seen.push(at),
            None => seen.clear(),
        }
        if is_lost(&seen) {
            seen.clear();
            if ask(monitor, "system_reset").is_ok() {
                pressed.fetch_add(1, Ordering::SeqCst);
                println!("the virtual firmware had lost a processor: the reset button was pressed");
            }
        }
    }
}

/// Whether the last looks found one place, or it has been there for far too long.
fn is_lost(seen: &[u64]) -> bool {
    if seen.len() >= LOOKS_ANYWHERE {
        return true;
    }
    let Some(from) = seen.len().checked_sub(LOOKS) else {
        return false;
    };
    let (least, most) = (seen[from..].iter().min(), seen[from..].iter().max());
    least
        .zip(most)
        .is_some_and(|(least, most)| most - least < LOOP_BYTES)
}

/// Where the first processor runs, while the others stand still, in the memory of the firmware: the kernel is far above.
fn waits_at(registers: &str) -> Option<u64> {
    let mut first = None;
    for (n, line) in registers
        .lines()
        .filter_map(|line| line.split_once("IP="))
        .map(|(_, rest)| rest)
        .enumerate()
    {
        let at = u64::from_str_radix(line.split(' ').next()?, 16).ok()?;
        let stands_still = line.contains("HLT=1");
        if stands_still != (n > 0) || at > u64::from(u32::MAX) {
            return None;
        }
        first = first.or(Some(at));
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As QEMU 7.2 tells it.
    fn told(first: (&str, u8), second: (&str, u8)) -> String {
        let of = |n: u8, (at, halted): (&str, u8)| {
            format!(
                "CPU#{n}\r\nRAX=0000000000000000 RBX=000000007ff1c018\r\nRIP={at} RFL=00000202 [-------] CPL=0 II=0 A20=1 \
                 SMM=0 HLT={halted}\r\n"
            )
        };
        of(0, first) + &of(1, second)
    }

    #[test]
    fn a_processor_that_is_waited_for_is_recognised() {
        let firmware = "000000007ff0058a";
        let kernel = "ffffffff81c0a2bd";
        for (first, second, at) in [
            ((firmware, 0), (firmware, 1), Some(0x7ff0_058a)),
            ((firmware, 1), (firmware, 1), None),
            ((firmware, 0), (firmware, 0), None),
            ((kernel, 0), (kernel, 1), None),
            ((firmware, 0), (kernel, 1), None),
        ] {
            assert_eq!(waits_at(&told(first, second)), at, "{first:?} {second:?}");
        }
        assert_eq!(waits_at("VM status: paused"), None);
    }

    #[test]
    fn only_one_place_for_long_counts_or_any_for_longer() {
        let with = |last: u64| [vec![900], vec![1; LOOKS - 1], vec![last]].concat();
        assert!(is_lost(&with(0x5f)));
        assert!(!is_lost(&with(0x61)));
        assert!(!is_lost(&[1; LOOKS - 1]));
        let around: Vec<u64> = (0..LOOKS_ANYWHERE as u64).map(|n| n * 0x1000).collect();
        assert!(is_lost(&around));
        assert!(!is_lost(&around[1..]));
    }
}
