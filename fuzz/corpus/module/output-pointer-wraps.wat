;; Pointer plus length wraps around in 32 bits, back to where the memory is.
;; Expected: bad-pointer.
(module
  (memory (export "memory") 1)
  (func (export "loom_alloc") (param $length i32) (result i32)
    (i32.const 1024))
  (func (export "loom_free") (param $pointer i32) (param $length i32))
  (func (export "execute") (param $pointer i32) (param $length i32) (result i64)
    (i64.or (i64.shl (i64.const 0xffffffff) (i64.const 32)) (i64.const 4)))
)
