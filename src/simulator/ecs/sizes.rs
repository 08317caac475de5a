//! CPU and memory of tasks, as text with or without a unit, and what Fargate offers.

use crate::simulator::wire::ApiError;

/// CPU units and MiB that Fargate pairs: CPU, least memory, most memory, step.
const FARGATE: [(u64, u64, u64, u64); 7] = [
    (256, 512, 2_048, 512),
    (512, 1_024, 4_096, 1_024),
    (1_024, 2_048, 8_192, 1_024),
    (2_048, 4_096, 16_384, 1_024),
    (4_096, 8_192, 30_720, 1_024),
    (8_192, 16_384, 61_440, 4_096),
    (16_384, 32_768, 122_880, 8_192),
];

/// `1 vCPU` and `1024` are both `1024`.
pub(super) fn cpu_units(text: &str) -> Result<u64, ApiError> {
    read(text, "vcpu").ok_or_else(|| ApiError::client(format!("Invalid 'cpu' setting for task: {text}")))
}

/// `2 GB` and `2048` are both `2048`.
pub(super) fn memory_mib(text: &str) -> Result<u64, ApiError> {
    read(text, "gb").ok_or_else(|| ApiError::client(format!("Invalid 'memory' setting for task: {text}")))
}

fn read(text: &str, unit: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    match lower.strip_suffix(unit) {
        None => lower.parse().ok(),
        Some(number) => {
            let number: f64 = number.trim().parse().ok()?;
            (number > 0.0 && number < 1_000_000.0).then_some((number * 1_024.0) as u64)
        }
    }
}

/// True if Fargate has this size.
pub(super) fn fargate_has(cpu: u64, memory: u64) -> bool {
    let row = FARGATE.iter().find(|row| row.0 == cpu);
    row.is_some_and(|(_, least, most, step)| {
        (cpu == 256 && [512, 1_024, 2_048].contains(&memory))
            || (cpu != 256 && memory >= *least && memory <= *most && memory.is_multiple_of(*step))
    })
}

#[cfg(test)]
mod tests {
    use super::{cpu_units, fargate_has, memory_mib};

    #[test]
    fn sizes_are_read_with_and_without_units() {
        assert_eq!(cpu_units("1 vCPU").unwrap(), 1_024);
        assert_eq!(cpu_units(".25vcpu").unwrap(), 256);
        assert_eq!(memory_mib("2GB").unwrap(), 2_048);
        assert_eq!(memory_mib("512").unwrap(), 512);
        assert!(cpu_units("many").is_err());
        assert!(
            fargate_has(256, 512)
                && fargate_has(4_096, 30_720)
                && !fargate_has(256, 1_536)
                && !fargate_has(256, 4_096)
        );
    }
}
