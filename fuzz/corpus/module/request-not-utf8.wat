;; Loom.call gets a request that is not UTF-8.
;; Expected: not-utf8.
(module
  (import "loom" "call" (func $call (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (func (export "loom_alloc") (param $length i32) (result i32)
    (i32.const 1024))
  (func (export "loom_free") (param $pointer i32) (param $length i32))
  (data (i32.const 0) "\ff\fe")
  (func (export "execute") (param $pointer i32) (param $length i32) (result i64)
    (call $call (i32.const 0) (i32.const 2)))
)
