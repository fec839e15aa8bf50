//! Write Loom activities and actors in Rust.
//!
//! A guest is a `cdylib` that names one function:
//!
//! ```
//! use loom_guest::Error;
//!
//! #[derive(serde::Deserialize)]
//! struct Loan { amount_cents: u64, income_cents: u64 }
//!
//! #[derive(serde::Serialize)]
//! struct Score { ratio_percent: u64 }
//!
//! fn score(loan: Loan) -> Result<Score, Error> {
//!     if loan.income_cents == 0 {
//!         return Err(Error::new("no-income", "cannot score a loan without income"));
//!     }
//!     Ok(Score { ratio_percent: loan.amount_cents * 100 / loan.income_cents })
//! }
//!
//! loom_guest::activity!(score);
//! # fn main() {}
//! ```
//!
//! An *activity* is a function of its input; a module that calls nothing in [`host`] does not even
//! import the host. An *actor* is the same plus [`host`]: each of its calls is a **step** whose
//! answer the host journals, so after a crash the actor is run again and gets the same answers.
//! That only works if the guest asks the same questions again: take time, randomness and ids from
//! [`host`], and keep what must outlive a turn in [`host::state`]; statics do not survive.
//!
//! An activity that the deployment grants a capability may use [`outside`]; an actor that answers
//! queries names a second function with [`query!`].
//!
//! Deliberately absent: threads, async, clocks, files and sockets. Every host call blocks.
//!
//! Off `wasm32` the host is a script the test supplies, see [`testing`]; `cargo test` therefore
//! runs a guest's logic natively. The contract itself is `sdk/abi/README.md`; the only unsafe code
//! is the memory hand-over in [`abi`] and the allocator.

#[doc(hidden)]
pub mod abi;
#[cfg(any(test, all(target_arch = "wasm32", feature = "allocator")))]
#[expect(unsafe_code, reason = "an allocator hands out raw memory")]
mod allocator;
mod encoding;
mod entry;
mod error;
mod handle;
pub mod host;
pub mod log;
pub mod outside;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

#[doc(hidden)]
pub use entry::run;
pub use error::Error;
pub use handle::{Handle, Promise, RawHandle};

/// Exports `fn(T) -> Result<U, Error>` as an activity. `T` must implement `Deserialize` without
/// borrowing, `U` must implement `Serialize`.
#[macro_export]
macro_rules! activity {
    ($function:path) => {
        $crate::export!(|input: String| $crate::run(input, $function));
    };
}

/// Exports `fn(T) -> Result<U, Error>` as an actor: called once per message, its result is the
/// reply. Like [`activity!`], but the function may use everything in [`host`].
#[macro_export]
macro_rules! actor {
    ($function:path) => {
        $crate::export!(|input: String| $crate::run(input, $function));
    };
}

/// Exports `fn(T) -> Result<U, Error>` as an actor's view: it answers queries about the committed
/// state, beside [`actor!`]. It may use [`host::context`](crate::host::context) and
/// [`host::state::get`](crate::host::state::get); everything else is an error of kind `not-allowed`.
#[macro_export]
macro_rules! query {
    ($function:path) => {
        const _: () = {
            const FUNCTION: fn(String) -> String = |input| $crate::run(input, $function);

            // Type-checks the function in native test builds, and counts as a use of it.
            #[cfg(not(target_arch = "wasm32"))]
            const _: fn(String) -> String = FUNCTION;

            #[cfg(target_arch = "wasm32")]
            #[allow(unsafe_code, reason = "an export of the guest contract")]
            #[unsafe(no_mangle)]
            unsafe extern "C" fn query(ptr: *mut u8, len: usize) -> u64 {
                // SAFETY: the host passes the input in memory from `loom_alloc`.
                unsafe { $crate::abi::execute(ptr, len, FUNCTION) }
            }
        };
    };
}

/// Exports `fn(String) -> String`, JSON text both ways: the bare contract, for guests that want
/// neither parsing nor the failure envelope.
#[macro_export]
macro_rules! export {
    ($function:expr) => {
        const _: () = {
            const FUNCTION: fn(String) -> String = $function;

            // Type-checks the function in native test builds, and counts as a use of it.
            #[cfg(not(target_arch = "wasm32"))]
            const _: fn(String) -> String = FUNCTION;

            #[cfg(target_arch = "wasm32")]
            #[allow(unsafe_code, reason = "an export of the guest contract")]
            #[unsafe(no_mangle)]
            extern "C" fn loom_alloc(len: usize) -> *mut u8 {
                $crate::abi::alloc(len)
            }

            #[cfg(target_arch = "wasm32")]
            #[allow(unsafe_code, reason = "an export of the guest contract")]
            #[unsafe(no_mangle)]
            unsafe extern "C" fn loom_free(ptr: *mut u8, len: usize) {
                // SAFETY: the host passes back what `loom_alloc` returned.
                unsafe { $crate::abi::free(ptr, len) }
            }

            #[cfg(target_arch = "wasm32")]
            #[allow(unsafe_code, reason = "an export of the guest contract")]
            #[unsafe(no_mangle)]
            unsafe extern "C" fn execute(ptr: *mut u8, len: usize) -> u64 {
                // SAFETY: the host passes the input in memory from `loom_alloc`.
                unsafe { $crate::abi::execute(ptr, len, FUNCTION) }
            }
        };
    };
}
