;; Execute reads outside of the memory.
;; Expected: trap.
(module
  (memory (export "memory") 1)
  (func (export "loom_alloc") (param $length i32) (result i32)
    (i32.const 1024))
  (func (export "loom_free") (param $pointer i32) (param $length i32))
  (func (export "execute") (param $pointer i32) (param $length i32) (result i64)
    (i64.load (i32.const -8)))
)
