//! How the box fares (T1): processor, memory, temperature, network.

use std::collections::{HashMap, HashSet};

use sysinfo::{
    Components, MemoryRefreshKind, Networks, Pid, ProcessRefreshKind, ProcessesToUpdate, System,
};
use wire::telemetry::{HostFigures, NetworkFigures};

/// Measures the box. Kept between measurements, because processor use and traffic are differences.
#[derive(Debug)]
pub struct Health {
    system: System,
    components: Components,
    networks: Networks,
    /// Bytes in and out when the agent started, so that what is told counts from there.
    at_start: (u64, u64),
}

impl Health {
    /// Begins to measure; the first processor figure covers the time since now.
    pub fn new() -> Self {
        let networks = Networks::new_with_refreshed_list();
        let mut system = System::new();
        system.refresh_cpu_usage();
        Self {
            at_start: traffic(&networks),
            system,
            components: Components::new_with_refreshed_list(),
            networks,
        }
    }

    /// Measures now. Reads some hundred small files: not for threads that answer requests.
    pub fn measure(&mut self) -> (HostFigures, NetworkFigures) {
        self.system.refresh_cpu_usage();
        self.system
            .refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        // Threads are listed like processes unless told otherwise, and would count their memory again each.
        let kind = ProcessRefreshKind::nothing().with_memory().without_tasks();
        self.system
            .refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
        self.components.refresh(true);
        self.networks.refresh(true);
        let host = HostFigures {
            cpu_percent: self.system.global_cpu_usage().clamp(0.0, 100.0),
            memory_total_bytes: self.system.total_memory(),
            memory_used_bytes: self.system.used_memory(),
            agent_memory_bytes: self.family_memory_bytes(),
            temperature_c: self
                .components
                .iter()
                .filter_map(sysinfo::Component::temperature)
                .filter(|degrees| degrees.is_finite())
                .reduce(f32::max),
            uptime_s: System::uptime(),
            load_1m: System::load_average().one,
        };
        let (received, sent) = traffic(&self.networks);
        let network = NetworkFigures {
            received_bytes: received.saturating_sub(self.at_start.0),
            sent_bytes: sent.saturating_sub(self.at_start.1),
        };
        (host, network)
    }

    /// Resident memory of this process and of all that descend from it: workers and FFmpeg.
    fn family_memory_bytes(&self) -> u64 {
        let processes = self.system.processes();
        let parents = processes
            .iter()
            .map(|(pid, process)| (*pid, process.parent()))
            .collect();
        family(Pid::from_u32(std::process::id()), &parents)
            .iter()
            .filter_map(|pid| processes.get(pid))
            .map(sysinfo::Process::memory)
            .sum()
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes in and out since the box started, over all interfaces but loopback.
fn traffic(networks: &Networks) -> (u64, u64) {
    networks
        .iter()
        .filter(|(name, _)| *name != "lo")
        .fold((0, 0), |(received, sent), (_, data)| {
            (
                received + data.total_received(),
                sent + data.total_transmitted(),
            )
        })
}

/// A process and all that descend from it.
fn family(me: Pid, parents: &HashMap<Pid, Option<Pid>>) -> HashSet<Pid> {
    let mut found = HashSet::from([me]);
    let mut grew = true;
    while grew {
        let children: Vec<Pid> = parents
            .iter()
            .filter(|(pid, parent)| {
                !found.contains(pid) && parent.is_some_and(|parent| found.contains(&parent))
            })
            .map(|(pid, _)| *pid)
            .collect();
        grew = !children.is_empty();
        found.extend(children);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_plausible() {
        let (host, _) = Health::new().measure();
        assert!(host.memory_total_bytes >= host.memory_used_bytes);
        assert!((1_000_000..host.memory_total_bytes).contains(&host.agent_memory_bytes));
        assert!((0.0..=100.0).contains(&host.cpu_percent));
        assert!(host.uptime_s > 0);
    }

    #[test]
    fn grandchildren_count_and_strangers_do_not() {
        let pid = Pid::from_u32;
        let parents = HashMap::from([
            (pid(1), None),
            (pid(10), Some(pid(1))),
            (pid(11), Some(pid(10))),
            (pid(12), Some(pid(11))),
            (pid(20), Some(pid(1))),
        ]);
        assert_eq!(
            family(pid(10), &parents),
            HashSet::from([pid(10), pid(11), pid(12)])
        );
    }
}
