//! The hand-over of strings between host and guest: the *bytes* encoding of the guest contract.
//!
//! Whoever receives a string owns it. The host allocates with `loom_alloc` what it gives to the
//! guest; the guest's result stays where it is, because the instance is dropped afterwards.
//! Off `wasm32` there is no host, and [`call`] asks the script of [`crate::testing`].

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::call;
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::call;
#[cfg(target_arch = "wasm32")]
pub use wasm::{alloc, execute, free};

#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "crossing the boundary to the host")]
mod wasm {
    use std::mem::ManuallyDrop;
    use std::panic::PanicHookInfo;

    mod import {
        #[link(wasm_import_module = "loom")]
        unsafe extern "C" {
            pub(super) fn call(ptr: *const u8, len: usize) -> u64;
        }

        #[link(wasm_import_module = "env")]
        unsafe extern "C" {
            // Renamed, because `abort` is a symbol that C libraries define.
            #[link_name = "abort"]
            pub(super) fn abort_guest(ptr: *const u8, len: usize, line: u32, column: u32) -> !;
        }
    }

    /// Memory for a string of `len` bytes. For `len` 0 the pointer is dangling.
    pub fn alloc(len: usize) -> *mut u8 {
        ManuallyDrop::new(Vec::with_capacity(len)).as_mut_ptr()
    }

    /// Gives back memory from [`alloc`].
    ///
    /// # Safety
    /// `ptr` came from `alloc(len)` and is not used afterwards.
    pub unsafe fn free(ptr: *mut u8, len: usize) {
        // SAFETY: by this function's contract; `alloc` allocated exactly `len` bytes.
        drop(unsafe { Vec::from_raw_parts(ptr, 0, len) });
    }

    /// Runs `function` on the input at `ptr` and returns where its output is.
    ///
    /// # Safety
    /// `ptr` came from `alloc(len)`, holds `len` bytes, and is not used afterwards.
    pub unsafe fn execute(ptr: *mut u8, len: usize, function: fn(String) -> String) -> u64 {
        std::panic::set_hook(Box::new(report_panic));
        // SAFETY: by this function's contract.
        let input = unsafe { take(ptr, len) };
        let output = ManuallyDrop::new(function(input));
        ((output.as_ptr() as usize as u64) << 32) | output.len() as u64
    }

    /// One request to the host; blocks until the answer is there.
    pub(crate) fn call(request: &str) -> String {
        // SAFETY: the host reads the request before it returns and answers with a string in
        // memory that it got from `loom_alloc`.
        unsafe {
            let packed = import::call(request.as_ptr(), request.len());
            take((packed >> 32) as usize as *mut u8, packed as u32 as usize)
        }
    }

    /// Takes ownership of a string from the host.
    ///
    /// # Safety
    /// `ptr` came from `alloc(len)`, holds `len` bytes, and is not used afterwards.
    unsafe fn take(ptr: *mut u8, len: usize) -> String {
        if len == 0 {
            // Any pointer is allowed here, so there is nothing to own.
            return String::new();
        }
        // SAFETY: by this function's contract.
        let bytes = unsafe { Vec::from_raw_parts(ptr, len, len) };
        String::from_utf8(bytes).expect("the host passes UTF-8")
    }

    /// Tells the host where and why, instead of leaving it with a bare `unreachable`.
    fn report_panic(info: &PanicHookInfo<'_>) {
        let (file, line, column) = info
            .location()
            .map_or(("", 0, 0), |l| (l.file(), l.line(), l.column()));
        let message = info.payload_as_str().unwrap_or("panicked");
        let text = [file, "\n", message].concat();
        // SAFETY: the host reads the text and does not return.
        unsafe { import::abort_guest(text.as_ptr(), text.len(), line, column) }
    }
}
