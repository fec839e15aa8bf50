//! Proves a debt-to-income ratio without showing debt or income: see the library.

#![cfg_attr(target_os = "zkvm", no_std, no_main)]

kit::entry!(dti::run);
