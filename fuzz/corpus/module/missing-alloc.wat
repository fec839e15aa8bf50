;; Neither loom_alloc nor __new is exported, so the encoding of strings cannot be told.
;; Expected: missing-export.
(module
  (memory (export "memory") 1)
  (data (i32.const 0) "null")
  (func (export "execute") (param $pointer i32) (param $length i32) (result i64)
    (i64.or (i64.shl (i64.const 0) (i64.const 32)) (i64.const 4)))
)
