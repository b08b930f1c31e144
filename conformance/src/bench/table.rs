//! The table for people, and the JSON for machines.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::Row;
use super::idle::Idle;
use super::measure::{Figures, Sample};

pub(super) const HEAD: &str = "\
row                        ours       smbd   ratio      limit   CPU ours   CPU smbd   ratio   MB ours  MB smbd
                                            (more is better)        (for each MB or operation; less)";

/// Rates in MB/s or operations a second; CPU time in µs for each MB or operation.
fn units(row: &Row, sample: &Sample) -> (f64, f64) {
    if row.in_bytes() {
        (sample.rate / 1e6, sample.cpu * 1e12)
    } else {
        (sample.rate, sample.cpu * 1e6)
    }
}

pub(super) fn line(row: &Row, figures: &Figures) -> String {
    let (ours, ours_cpu) = units(row, &figures.ours);
    let (samba, samba_cpu) = units(row, &figures.samba);
    let limit = figures.limit.map_or_else(String::new, |s| format!("{:.0}", units(row, &s).0));
    let megabytes = |sample: &Sample| sample.memory as f64 / 1024.0;
    format!(
        "{:22} {ours:8.0}   {samba:8.0}   {:5.2}   {limit:>8}   {ours_cpu:5.0} µs   \
         {samba_cpu:5.0} µs   {:5.2}   {:7.1}  {:7.1}",
        row.name(),
        ours / samba,
        samba_cpu / ours_cpu.max(f64::MIN_POSITIVE),
        megabytes(&figures.ours),
        megabytes(&figures.samba),
    )
}

/// How often ours is ahead, and where it is not.
pub(super) fn summary(results: &[(Row, Figures)]) -> String {
    let ratio = |figures: &Figures| figures.ours.rate / figures.samba.rate;
    let behind: Vec<String> = results
        .iter()
        // A rate of 0 is a server that failed, and has said so.
        .filter(|(_, figures)| ratio(figures) < 1.0 || figures.ours.rate == 0.0)
        .map(|(row, figures)| format!("{} ({:.2})", row.name(), ratio(figures)))
        .collect();
    let mut text = format!("ahead in {} of {} rows\n", results.len() - behind.len(), results.len());
    if !behind.is_empty() {
        let _ = writeln!(text, "behind in {}", behind.join(", "));
    }
    text
}

/// The binaries' sizes.
pub(super) fn sizes(bin: &Path) -> String {
    let size = |name: &str| fs::metadata(bin.join(name)).map_or(0, |file| file.len());
    let line = |name: &str| format!("{name}: {:.2} MB\n", size(name) as f64 / 1e6);
    ["ksmbd-mountd", "ksmbd-adduser"].map(line).concat()
}

/// Rates are in bytes or operations a second, CPU times in seconds for each, memory in KiB.
pub(super) fn json(results: &[(Row, Figures)], idle: &[Idle]) -> String {
    let sample = |sample: &Sample| {
        let Sample { rate, cpu, memory } = sample;
        format!("{{\"rate\": {rate:.1}, \"cpu\": {cpu:e}, \"kib\": {memory}}}")
    };
    let row = |(row, figures): &(Row, Figures)| {
        let limit = figures.limit.as_ref().map_or_else(|| "null".to_owned(), sample);
        format!(
            "  {{\"row\": \"{}\", \"unit\": \"{}\", \"ours\": {}, \"smbd\": {}, \"limit\": {limit}}}",
            row.name(),
            if row.in_bytes() { "bytes" } else { "operations" },
            sample(&figures.ours),
            sample(&figures.samba),
        )
    };
    let rows: Vec<String> = results.iter().map(row).collect();
    let idle: Vec<String> = idle
        .iter()
        .map(|Idle { who, alone, each }| {
            format!("  {{\"who\": \"{who}\", \"idle_kib\": {alone}, \"client_kib\": {each:.1}}}")
        })
        .collect();
    format!("{{\"rows\": [\n{}\n],\n\"memory\": [\n{}\n]}}\n", rows.join(",\n"), idle.join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_behind_is_named() {
        let sample = |rate: f64| Sample { rate, cpu: 1e-9, memory: 2048 };
        let figures = Figures { ours: sample(5e8), samba: sample(1e9), limit: None };
        let row = Row { load: "read", size: Some(1 << 20), protection: "sign", clients: 8 };
        assert!(line(&row, &figures).starts_with("read.1M.sign.8"));
        let results = [(row, figures)];
        assert!(summary(&results).contains("behind in read.1M.sign.8 (0.50)"));
        assert!(json(&results, &[]).contains("\"ours\": {\"rate\": 500000000.0, \"cpu\": 1e-9, "));
    }
}
