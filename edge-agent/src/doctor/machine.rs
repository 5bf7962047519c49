//! The box itself: processor, memory, kernel, clock.

use super::finding::Finding;
use crate::host::clock::ClockSync;
use crate::model::retention::Bytes;

/// What the product is made for (`docs/guide/install.md`); a box sold with 2 GB shows somewhat less.
const CORES_MIN: usize = 2;
const MEMORY_BYTES_MIN: u64 = 1_700_000_000;

/// The kernel from which on the vendor's library can be kept from files (Landlock), and from the network (its version 4).
const KERNEL_FILES: (u32, u32) = (5, 13);
const KERNEL_NETWORK: (u32, u32) = (6, 7);

/// A box as it shows itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Processors that may be used.
    pub cores: usize,
    /// Memory.
    pub memory_bytes: u64,
    /// Version of the kernel, as it calls itself.
    pub kernel: String,
    /// Its clock.
    pub clock: ClockSync,
}

impl Machine {
    /// Looks at this box.
    pub fn look() -> Self {
        let mut system = sysinfo::System::new();
        system.refresh_memory();
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: system.total_memory(),
            kernel: sysinfo::System::kernel_version().unwrap_or_default(),
            clock: ClockSync::ask(),
        }
    }

    /// What to say of it.
    pub fn findings(&self) -> Vec<Finding> {
        vec![
            self.processor(),
            self.memory(),
            self.kernel(),
            clock_finding(self.clock),
        ]
    }

    fn processor(&self) -> Finding {
        match self.cores {
            n if n >= CORES_MIN => Finding::well("processor", format!("{n} cores")),
            n => Finding::note(
                "processor",
                format!("{n} core"),
                "Fetching and live view share it; with more than four cameras use a box with two.",
            ),
        }
    }

    fn memory(&self) -> Finding {
        let seen = Bytes(self.memory_bytes).to_string();
        match self.memory_bytes >= MEMORY_BYTES_MIN {
            true => Finding::well("memory", seen),
            false => Finding::note(
                "memory",
                seen,
                "The product is made for 2 GB; with less, large sites may run out of it.",
            ),
        }
    }

    fn kernel(&self) -> Finding {
        match version(&self.kernel) {
            Some(it) if it >= KERNEL_NETWORK => Finding::well("kernel", &self.kernel),
            Some(it) if it >= KERNEL_FILES => Finding::note(
                "kernel",
                &self.kernel,
                "It can keep the vendor's library from files; from 6.7 on it can also keep it from all addresses but the \
                 recorder's.",
            ),
            _ => Finding::note(
                "kernel",
                &self.kernel,
                "It is too old to shut in the vendor's library (5.13 can): update the system.",
            ),
        }
    }
}

fn clock_finding(clock: ClockSync) -> Finding {
    match clock {
        ClockSync::Synchronised => Finding::well("clock", "follows a time server"),
        ClockSync::Free => Finding::wrong(
            "clock",
            "follows no time server, so nobody knows how true it is",
            "Recorders' clocks are judged by this one. Let the box reach a time server (UDP port 123), or name one of the \
             site's network: for an appliance in the file `network` on a stick, elsewhere in \
             /etc/systemd/timesyncd.conf. Where there is none, set an appliance's clock on its own page, under *System*.",
        ),
        ClockSync::Unknown => Finding::note(
            "clock",
            "it cannot be told whether it follows a time server (timedatectl does not answer)",
            "Recorders' clocks are judged by this one: see that something keeps it true.",
        ),
    }
}

/// `6.1.0-28-amd64` as (6, 1).
fn version(kernel: &str) -> Option<(u32, u32)> {
    let mut numbers = kernel.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn boxes_are_judged() {
        let good = Machine {
            cores: 2,
            memory_bytes: 2_000_000_000,
            kernel: "6.12.3-amd64".to_owned(),
            clock: ClockSync::Synchronised,
        };
        let levels = |machine: &Machine| -> Vec<Level> {
            machine.findings().into_iter().map(|it| it.level).collect()
        };
        assert_eq!(levels(&good), [Level::Well; 4]);
        let weak = Machine {
            cores: 1,
            memory_bytes: 1_000_000_000,
            kernel: "6.1.0-28-amd64".to_owned(),
            clock: ClockSync::Free,
        };
        let expected = [Level::Note, Level::Note, Level::Note, Level::Wrong];
        assert_eq!(levels(&weak), expected);
    }

    #[test]
    fn kernels_are_compared() {
        let cases = [
            ("6.1.0-28-amd64", Some((6, 1))),
            ("5.15.167.4-microsoft-standard-WSL2", Some((5, 15))),
            ("6", None),
            ("", None),
        ];
        for (kernel, expected) in cases {
            assert_eq!(version(kernel), expected, "{kernel}");
        }
    }
}
