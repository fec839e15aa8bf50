//! Proves what a criteria program decides about facts that are not shown: see the library.

#![cfg_attr(target_os = "zkvm", no_std, no_main)]

kit::entry!(compliance::run);
