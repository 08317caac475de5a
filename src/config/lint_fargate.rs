//! Fargate takes only some pairs of CPU and memory, and only the network mode awsvpc.

use super::forms::text;
use super::lint::Notes;
use serde_json::Value;

/// CPU units, and the memory from, to and in steps of, in MiB
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>).
const PAIRS: [(u64, u64, u64, u64); 7] = [
    (256, 512, 2_048, 512),
    (512, 1_024, 4_096, 1_024),
    (1_024, 2_048, 8_192, 1_024),
    (2_048, 4_096, 16_384, 1_024),
    (4_096, 8_192, 30_720, 1_024),
    (8_192, 16_384, 61_440, 4_096),
    (16_384, 32_768, 122_880, 8_192),
];

/// Notes what Fargate would refuse.
pub fn lint(spec: &Value, notes: &mut Notes<'_>) {
    if text(spec, "networkMode") != Some("awsvpc") {
        notes.error("networkMode", "Fargate needs awsvpc");
    }
    let (Some(cpu), Some(memory)) = (text(spec, "cpu"), text(spec, "memory")) else {
        for field in ["cpu", "memory"] {
            if spec.get(field).is_none() {
                notes.error(field, "is missing; Fargate needs it for the whole task");
            }
        }
        return;
    };
    let (Some(cpu_units), Some(memory_mib)) = (amount(cpu, "vcpu"), amount(memory, "gb")) else {
        for (field, value, unit, example) in
            [("cpu", cpu, "vcpu", "256 or .25 vCPU"), ("memory", memory, "gb", "512 or 1 GB")]
        {
            if amount(value, unit).is_none() {
                notes.error(field, format!("is not an amount such as {example}"));
            }
        }
        return;
    };
    let Some((_, from, to, step)) = PAIRS.into_iter().find(|(cpu, ..)| *cpu == cpu_units) else {
        let known: Vec<String> = PAIRS.iter().map(|(cpu, ..)| cpu.to_string()).collect();
        notes.error("cpu", format!("{cpu_units} is not one of {}", known.join(", ")));
        return;
    };
    let in_range = (from..=to).contains(&memory_mib) && memory_mib % step == 0;
    // The smallest size has 512, 1024 and 2048 only.
    if !in_range || (cpu_units == 256 && memory_mib == 1_536) {
        let message = format!(
            "{memory_mib} MiB does not go with {cpu_units} CPU units: {from} to {to} in steps of {step} do"
        );
        let smallest = "does not go with 256 CPU units: 512, 1024 and 2048 do";
        notes
            .error("memory", if cpu_units == 256 { format!("{memory_mib} MiB {smallest}") } else { message });
    }
}

/// `256`, `.25 vCPU` or `2 GB` in units of 1/1024 of what `unit` names.
fn amount(text: &str, unit: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let Some(number) = lower.strip_suffix(unit) else { return lower.parse().ok() };
    let number: f64 =
        number.trim().parse().ok().filter(|n: &f64| n.is_finite() && (0.0..=1e6).contains(n))?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Some((number * 1_024.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn units_are_read_as_aws_reads_them() {
        for (text, unit, want) in [
            ("256", "vcpu", Some(256)),
            (".25 vCPU", "vcpu", Some(256)),
            ("1 vcpu", "vcpu", Some(1_024)),
            ("2 GB", "gb", Some(2_048)),
            ("0.5GB", "gb", Some(512)),
            ("x", "gb", None),
            ("-1 GB", "gb", None),
        ] {
            assert_eq!(amount(text, unit), want, "{text}");
        }
    }
}
