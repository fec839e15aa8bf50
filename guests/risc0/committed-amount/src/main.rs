//! Proves that an amount that a notary committed to reaches a threshold without showing it: see the library.

#![cfg_attr(target_os = "zkvm", no_std, no_main)]

kit::entry!(committed_amount::run);
