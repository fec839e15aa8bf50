;; Execute recurses without end.
;; Expected: stack-overflow.
(module
  (memory (export "memory") 1)
  (func (export "loom_alloc") (param $length i32) (result i32)
    (i32.const 1024))
  (func (export "loom_free") (param $pointer i32) (param $length i32))
  (func $down (param $depth i64) (result i64)
    (i64.add (call $down (i64.add (local.get $depth) (i64.const 1))) (local.get $depth)))
  (func (export "execute") (param $pointer i32) (param $length i32) (result i64)
    (call $down (i64.const 0)))
)
