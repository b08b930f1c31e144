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
    let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".into(), |r| format!("{r:.2}"));
    format!(
        "{:22} {ours:8.0}   {samba:8.0}   {:>5}   {limit:>8}   {ours_cpu:5.0} µs   \
         {samba_cpu:5.0} µs   {:>5}   {:7.1}  {:7.1}",
        row.name(),
        ratio(faster(figures)),
        ratio(cheaper(figures)),
        megabytes(&figures.ours),
        megabytes(&figures.samba),
    )
}

/// Ours beside smbd's; `None` when one of them has failed, and has said so.
fn beside(ours: f64, samba: f64) -> Option<f64> {
    (ours > 0.0 && samba > 0.0).then(|| ours / samba)
}

fn faster(figures: &Figures) -> Option<f64> {
    beside(figures.ours.rate, figures.samba.rate)
}

/// By the CPU time that the server takes for each operation or byte: above 1 it is less than smbd's.
fn cheaper(figures: &Figures) -> Option<f64> {
    beside(figures.samba.cpu, figures.ours.cpu)
}

/// How often ours is ahead, and where it is not.
pub(super) fn summary(results: &[(Row, Figures)]) -> String {
    let is_behind = |figures: &Figures| match faster(figures) {
        Some(ratio) => ratio < 1.0,
        None => figures.ours.rate <= 0.0,
    };
    let behind: Vec<String> = results
        .iter()
        .filter(|(_, figures)| is_behind(figures))
        .map(|(row, figures)| format!("{} ({:.2})", row.name(), faster(figures).unwrap_or(0.0)))
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
    let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "null".into(), |r| format!("{r:.3}"));
    let row = |(row, figures): &(Row, Figures)| {
        let limit = figures.limit.as_ref().map_or_else(|| "null".to_owned(), sample);
        format!(
            "  {{\"row\": \"{}\", \"unit\": \"{}\", \"ours\": {}, \"smbd\": {}, \"limit\": {limit}, \
             \"faster\": {}, \"cheaper\": {}}}",
            row.name(),
            if row.in_bytes() { "bytes" } else { "operations" },
            sample(&figures.ours),
            sample(&figures.samba),
            ratio(faster(figures)),
            ratio(cheaper(figures)),
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
        assert!(json(&results, &[]).contains("\"faster\": 0.500, \"cheaper\": 1.000"));
    }

    #[test]
    fn a_server_that_failed_has_no_ratio() {
        let sample = Sample { rate: 5e2, cpu: 1e-9, memory: 2048 };
        let failed = Sample::default();
        let row = Row::new("connect", 8);
        let ahead = Figures { ours: sample, samba: failed, limit: None };
        let results = [(row.clone(), ahead)];
        assert!(summary(&results).starts_with("ahead in 1 of 1 rows"));
        assert!(json(&results, &[]).contains("\"faster\": null"));
        let behind = Figures { ours: failed, samba: sample, limit: None };
        assert!(summary(&[(row, behind)]).contains("behind in connect.plain.8 (0.00)"));
    }
}
