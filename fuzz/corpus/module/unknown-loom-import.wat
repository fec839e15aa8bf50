;; The guest wants a function of the host that is not in this version of the contract.
;; Expected: unknown-import.
(module
  (import "loom" "fork" (func))
  (memory (export "memory") 1)
  (func (export "loom_alloc") (param $length i32) (result i32)
    (i32.const 1024))
  (func (export "loom_free") (param $pointer i32) (param $length i32))
  (data (i32.const 0) "null")
  (func (export "execute") (param $pointer i32) (param $length i32) (result i64)
    (i64.or (i64.shl (i64.const 0) (i64.const 32)) (i64.const 4)))
)
