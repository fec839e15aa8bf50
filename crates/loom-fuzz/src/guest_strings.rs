//! Pointers that lie and strings that are none, in both encodings of the guest contract.
//!
//! The input is a list of numbers (what the allocator returns, where the request and the output are) and the bytes
//! of the memory from address 0 on. A module is made of them and run.

use std::fmt::Write as _;

use crate::guest_module::run_module;

/// Bytes of memory that an input may choose.
const MEMORY_MAX: usize = 4096;

/// Encoding, then six numbers of four bytes, then memory.
pub(crate) fn run(input: &[u8]) {
    let Some((&encoding, rest)) = input.split_first() else { return };
    let (numbers, memory) = rest.split_at(rest.len().min(24));
    let mut numbers = numbers.chunks(4).map(|bytes| {
        let mut number = [0; 4];
        number[..bytes.len()].copy_from_slice(bytes);
        u32::from_le_bytes(number)
    });
    let numbers: [u32; 6] = std::array::from_fn(|_| numbers.next().unwrap_or(0));
    let memory = &memory[..memory.len().min(MEMORY_MAX)];
    let text = if encoding % 2 == 0 { bytes_encoding(numbers, memory) } else { assemblyscript(numbers, memory) };
    let module = wat::parse_str(text).expect("the text is made of numbers and escapes");
    run_module(&module, "\"input\"", "{\"ok\":\"answer \u{1f9f6}\"}");
}

fn data(memory: &[u8]) -> String {
    memory.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "\\{byte:02x}");
        text
    })
}

fn bytes_encoding([alloc, later, request, length, output, output_length]: [u32; 6], memory: &[u8]) -> String {
    let memory = data(memory);
    format!(
        r#"(module (import "loom" "call" (func $call (param i32 i32) (result i64)))
          (memory (export "memory") 1 4) (data (i32.const 0) "{memory}")
          (global $next (mut i32) (i32.const {alloc}))
          (func (export "loom_alloc") (param i32) (result i32)
            (global.get $next) (global.set $next (i32.const {later})))
          (func (export "loom_free") (param i32 i32))
          (func (export "execute") (param i32 i32) (result i64)
            (drop (call $call (i32.const {request}) (i32.const {length})))
            (i64.or (i64.shl (i64.const {output}) (i64.const 32)) (i64.const {output_length}))))"#
    )
}

fn assemblyscript([alloc, later, request, pinned, output, _]: [u32; 6], memory: &[u8]) -> String {
    let memory = data(memory);
    format!(
        r#"(module (import "loom" "call" (func $call (param i32) (result i32)))
          (memory (export "memory") 1 4) (data (i32.const 0) "{memory}")
          (global $next (mut i32) (i32.const {alloc}))
          (func (export "__new") (param i32 i32) (result i32)
            (global.get $next) (global.set $next (i32.const {later})))
          (func (export "__pin") (param i32) (result i32) (i32.const {pinned}))
          (func (export "__unpin") (param i32))
          (func (export "execute") (param i32) (result i32)
            (drop (call $call (i32.const {request})))
            (i32.const {output})))"#
    )
}
