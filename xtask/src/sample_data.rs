//! `cargo xtask sample-data`: writes the synthetic applications again. The same seed gives the same bytes.

use std::{fs::File, io::BufWriter, path::Path};

use anyhow::Result;
use loom_loan_review::sample;

/// Writes both files of examples/loan-review.
pub(crate) fn write(root: &Path) -> Result<()> {
    let folder = root.join("examples/loan-review");
    let file = |name: &str| File::create(folder.join(name)).map(BufWriter::new);
    sample::write_csv(sample::SEED, sample::COUNT, file("applications.csv")?)?;
    sample::write_derived(sample::SEED, sample::DERIVED_COUNT, file("derived-dti.jsonl")?)?;
    eprintln!("wrote {} and {} applications to {}", sample::COUNT, sample::DERIVED_COUNT, folder.display());
    Ok(())
}
