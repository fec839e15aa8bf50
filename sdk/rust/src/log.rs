//! Log macros with formatting: `loom_guest::log::info!("{} loans left", count)`.

pub use crate::{__debug as debug, __error as error, __info as info, __warn as warn};

#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    ($($argument:tt)+) => { $crate::host::log($crate::host::Level::Debug, &::std::format!($($argument)+)) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __info {
    ($($argument:tt)+) => { $crate::host::log($crate::host::Level::Info, &::std::format!($($argument)+)) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __warn {
    ($($argument:tt)+) => { $crate::host::log($crate::host::Level::Warn, &::std::format!($($argument)+)) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __error {
    ($($argument:tt)+) => { $crate::host::log($crate::host::Level::Error, &::std::format!($($argument)+)) };
}
