//! What `/metrics` tells, of the controller and of the API server.

use std::collections::BTreeMap;

/// Samples by name and labels, as they are written.
#[derive(Clone, Debug, Default)]
pub struct Figures(BTreeMap<String, f64>);

impl Figures {
    pub fn read(text: &str) -> Figures {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        });
        Figures(samples.collect())
    }

    /// The sum of all samples of a name that have these labels, each written as `verb="get"`.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let fits = |series: &&String| {
            let rest = series.strip_prefix(name);
            rest.is_some_and(|rest| {
                (rest.is_empty() || rest.starts_with('{')) && labels.iter().all(|l| rest.contains(l))
            })
        };
        self.0.iter().filter(|(series, _)| fits(series)).map(|(_, value)| value).sum()
    }

    /// Requests of the controller to `system`, by verb.
    pub fn requests(&self, system: &str) -> BTreeMap<String, u64> {
        let prefix = format!("cutover_requests_total{{system=\"{system}\",verb=\"");
        let of = |(series, value): (&String, &f64)| {
            let verb = series.strip_prefix(&prefix)?.strip_suffix("\"}")?;
            Some((verb.to_owned(), *value as u64))
        };
        self.0.iter().filter_map(of).collect()
    }

    /// What was added since.
    pub fn since(&self, before: &Figures) -> Figures {
        let less = |(series, value): (&String, &f64)| {
            (series.clone(), value - before.0.get(series).copied().unwrap_or(0.0))
        };
        Figures(self.0.iter().map(less).collect())
    }
}
