//! Proves the debt-to-income ratios of thousands of cases under one Merkle root: see the library.

#![cfg_attr(target_os = "zkvm", no_std, no_main)]

kit::entry!(batch::run);
