//! Draws a traffic report as a small text chart: one row per release, one column per second (or per few seconds).

use super::report::{Bucket, TrafficReport};
use std::collections::BTreeMap;

/// Eighths of a full block, lowest first. The empty cell stands for "none at all", so a share above 0 always shows.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const LABEL_LIMIT: usize = 24;
const WIDTH_MIN: usize = 48;

/// The share of each release over time, at most `width` columns wide (never less than 48), without colour. Ends with
/// a line feed. A report without requests gives one sentence.
///
/// ```text
/// share of requests by release, one column = 1 s
/// v1     │█████▆▄▂   ▅██│ 512
/// v2     │     ▂▄▆███▃  │ 301
/// failed │              │ 0
///         0s        10s
/// ```
pub fn render_chart(report: &TrafficReport, width: usize) -> String {
    let width = width.max(WIDTH_MIN);
    let totals = totals(report);
    let Some(last) = report.buckets.last() else {
        return "no requests were sent\n".into();
    };
    let label_width = totals.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let label_width = label_width.clamp("failed".len(), LABEL_LIMIT);
    let number_width = report.sent.to_string().len();
    let room = width - label_width - number_width - 4;
    let seconds = usize::try_from(last.second).unwrap_or(usize::MAX).saturating_add(1);
    let per_column = seconds.div_ceil(room);
    let columns = merge(&report.buckets, seconds.div_ceil(per_column), per_column);

    let mut out = format!("share of requests by release, one column = {per_column} s\n");
    for (release, total) in &totals {
        let cells: String = columns.iter().map(|column| level(column, release)).collect();
        row(&mut out, release, label_width, &cells, *total);
    }
    let failures: String = columns.iter().map(|c| if c.failed > 0 { '!' } else { ' ' }).collect();
    row(&mut out, "failed", label_width, &failures, report.failed);
    out.push_str(&axis(label_width + 2, columns.len(), per_column, width));
    out
}

fn totals(report: &TrafficReport) -> BTreeMap<&str, u64> {
    let mut totals = BTreeMap::new();
    for (release, count) in report.buckets.iter().flat_map(|bucket| &bucket.by_release) {
        *totals.entry(release.as_str()).or_default() += count;
    }
    totals
}

/// Sums every `per_column` seconds into one bucket; seconds without a bucket stay empty.
fn merge(buckets: &[Bucket], columns: usize, per_column: usize) -> Vec<Bucket> {
    let mut merged = vec![Bucket::default(); columns];
    for bucket in buckets {
        let index = usize::try_from(bucket.second).unwrap_or(usize::MAX) / per_column;
        let Some(column) = merged.get_mut(index) else { continue };
        column.failed += bucket.failed;
        for (release, count) in &bucket.by_release {
            *column.by_release.entry(release.clone()).or_default() += count;
        }
    }
    merged
}

fn level(column: &Bucket, release: &str) -> char {
    let sum: u64 = column.by_release.values().sum();
    match column.by_release.get(release) {
        None | Some(0) => ' ',
        Some(count) => {
            let eighths = usize::try_from(count * 8 / sum).unwrap_or(8);
            LEVELS[eighths.clamp(1, 8) - 1]
        }
    }
}

fn row(out: &mut String, label: &str, label_width: usize, cells: &str, total: u64) {
    let label: String = label.chars().take(label_width).collect();
    out.push_str(&format!("{label:label_width$} │{cells}│ {total}\n"));
}

/// Time marks every ten columns, as far as they fit.
fn axis(indent: usize, columns: usize, per_column: usize, width: usize) -> String {
    let mut line = " ".repeat(indent);
    for column in (0..columns).step_by(10) {
        let mark = format!("{}s", column * per_column);
        let at = indent + column;
        if at + mark.len() > width {
            break;
        }
        line.push_str(&" ".repeat(at.saturating_sub(line.len())));
        line.push_str(&mark);
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(shares: &[(u64, u64, u64)]) -> TrafficReport {
        let mut report = TrafficReport::default();
        for (second, (old, new, failed)) in shares.iter().enumerate() {
            let mut by_release = BTreeMap::new();
            for (name, count) in [("v1", *old), ("v2", *new)] {
                if count > 0 {
                    by_release.insert(name.to_owned(), count);
                }
            }
            report.sent += old + new + failed;
            report.failed += failed;
            report.buckets.push(Bucket { second: second as u64, failed: *failed, by_release });
        }
        report
    }

    #[test]
    fn a_shift_of_traffic_can_be_seen_without_colour() {
        let shares =
            [(10, 0, 0), (10, 0, 0), (9, 1, 0), (7, 3, 0), (5, 5, 0), (2, 8, 1), (0, 10, 0), (0, 0, 0)];
        insta::assert_snapshot!(render_chart(&report(&shares), 80), @r"
        share of requests by release, one column = 1 s
        v1     │██▇▅▄▁  │ 43
        v2     │  ▁▂▄▆█ │ 27
        failed │     !  │ 1
                0s
        ");
    }

    #[test]
    fn a_long_run_is_folded_into_the_width() {
        let shares: Vec<_> = (0..200u64).map(|s| if s < 100 { (20, 0, 0) } else { (0, 20, 0) }).collect();
        let chart = render_chart(&report(&shares), 60);
        insta::assert_snapshot!(chart, @r"
        share of requests by release, one column = 5 s
        v1     │████████████████████                    │ 2000
        v2     │                    ████████████████████│ 2000
        failed │                                        │ 0
                0s        50s       100s      150s
        ");
    }

    #[test]
    fn no_chart_is_wider_than_asked() {
        for width in [0, 40, 41, 57, 80, 200] {
            for seconds in [1, 9, 40, 77, 1000] {
                let mut report = report(&vec![(3, 4, 0); seconds]);
                report.buckets[0].by_release.insert("a-very-long-release-name-of-somebody".into(), 1);
                for line in render_chart(&report, width).lines() {
                    assert!(line.chars().count() <= width.max(WIDTH_MIN), "{width} {seconds}: {line}");
                }
            }
        }
    }

    #[test]
    fn a_report_without_requests_says_so() {
        assert_eq!(render_chart(&TrafficReport::default(), 80), "no requests were sent\n");
    }
}
