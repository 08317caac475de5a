//! The process's own figures, under the names that all Prometheus clients use.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::fmt;

/// Ticks a second in `/proc/self/stat`: USER_HZ, which Linux keeps at 100 for all programs (proc(5), time(7)).
const TICKS: f64 = 100.0;

/// Reads `/proc/self` when asked. Where there is none, the figures are missing.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        if let Some(seconds) = read("stat").as_deref().and_then(cpu_seconds) {
            let help = "CPU time that the process has used, in user and kernel mode.";
            let counter = ConstCounter::new(seconds);
            let unit = Some(&Unit::Seconds);
            counter.encode(encoder.encode_descriptor("process_cpu", help, unit, MetricType::Counter)?)?;
        }
        if let Some(bytes) = read("status").as_deref().and_then(resident_bytes) {
            let help = "Memory of the process that is in RAM.";
            let unit = Some(&Unit::Bytes);
            let gauge = ConstGauge::new(bytes);
            gauge.encode(encoder.encode_descriptor(
                "process_resident_memory",
                help,
                unit,
                MetricType::Gauge,
            )?)?;
        }
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            // The one that reads the folder is among them.
            let count = i64::try_from(open.count()).unwrap_or(i64::MAX) - 1;
            let help = "Open file descriptors.";
            let gauge = ConstGauge::new(count);
            gauge.encode(encoder.encode_descriptor("process_open_fds", help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

fn read(file: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/self/{file}")).ok()
}

/// The 14th and 15th field of `stat`; the second one, the command in brackets, may hold spaces and brackets.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let after_command = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_command.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let kernel: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(kernel)) / TICKS)
}

/// `VmRSS` of `status`, which is in kB.
fn resident_bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_may_hold_brackets_and_spaces() {
        let stat = "4711 (a) b ( c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("no such thing"), None);
        assert_eq!(cpu_seconds("1 (x) S 1"), None);
    }

    #[test]
    fn resident_memory_is_told_in_bytes() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t   12345 kB\n"), Some(12_641_280));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
    }
}
