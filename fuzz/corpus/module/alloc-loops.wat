;; Loom_alloc never returns.
;; Expected: out-of-fuel.
(module
  (memory (export "memory") 1)
  (data (i32.const 0) "null")
  (func (export "loom_alloc") (param $length i32) (result i32)
    (loop $again (br $again)) unreachable)
  (func (export "loom_free") (param $pointer i32) (param $length i32))
  (func (export "execute") (param $pointer i32) (param $length i32) (result i64)
    (i64.or (i64.shl (i64.const 0) (i64.const 32)) (i64.const 4)))
)
