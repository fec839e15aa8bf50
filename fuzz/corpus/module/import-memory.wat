;; The guest wants its memory from the host.
;; Expected: unknown-import.
(module
  (import "env" "memory" (memory 1))
  (export "memory" (memory 0))
  (func (export "loom_alloc") (param $length i32) (result i32)
    (i32.const 1024))
  (func (export "loom_free") (param $pointer i32) (param $length i32))
  (func (export "execute") (param $pointer i32) (param $length i32) (result i64)
    (i64.or (i64.shl (i64.const 0) (i64.const 32)) (i64.const 4)))
)
