//! Proves that amounts add up to a threshold without showing them: see the library.

#![cfg_attr(target_os = "zkvm", no_std, no_main)]

kit::entry!(income_threshold::run);
