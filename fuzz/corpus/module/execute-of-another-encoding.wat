;; The exports say bytes, but execute has the signature of an AssemblyScript guest.
;; Expected: invalid-signature.
(module
  (memory (export "memory") 1)
  (func (export "loom_alloc") (param $length i32) (result i32)
    (i32.const 1024))
  (func (export "loom_free") (param $pointer i32) (param $length i32))
  (func (export "execute") (param $input i32) (result i32)
    (local.get $input))
)
