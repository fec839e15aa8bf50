;; Loom_alloc works for the input, and returns a pointer outside of the memory for an answer.
;; Expected: bad-pointer.
(module
  (import "loom" "call" (func $call (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "{\"op\":\"now\"}")
  (global $calls (mut i32) (i32.const 0))
  (func (export "loom_alloc") (param $length i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (select (i32.const 1024) (i32.const 0x10000000) (i32.eq (global.get $calls) (i32.const 1))))
  (func (export "loom_free") (param $pointer i32) (param $length i32))
  (func (export "execute") (param $pointer i32) (param $length i32) (result i64)
    (call $call (i32.const 0) (i32.const 12)))
)
