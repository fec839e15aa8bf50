;; Execute aborts with a message outside of the memory: still a trap, only without the message.
;; Expected: trap.
(module
  (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "loom_alloc") (param $length i32) (result i32)
    (i32.const 1024))
  (func (export "loom_free") (param $pointer i32) (param $length i32))
  (func (export "execute") (param $pointer i32) (param $length i32) (result i64)
    (call $abort (i32.const 0x7fff0000) (i32.const -1) (i32.const 1) (i32.const 1))
    unreachable)
)
