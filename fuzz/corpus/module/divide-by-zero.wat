;; Execute divides by zero.
;; Expected: trap.
(module
  (memory (export "memory") 1)
  (func (export "loom_alloc") (param $length i32) (result i32)
    (i32.const 1024))
  (func (export "loom_free") (param $pointer i32) (param $length i32))
  (func (export "execute") (param $pointer i32) (param $length i32) (result i64)
    (i64.div_u (i64.const 1) (i64.extend_i32_u (i32.const 0))))
)
