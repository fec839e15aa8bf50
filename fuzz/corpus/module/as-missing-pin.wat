;; An AssemblyScript guest that was built without --exportRuntime as a whole: __pin is missing.
;; Expected: missing-export.
(module
  (memory (export "memory") 1)
  (func (export "__new") (param $size i32) (param $class i32) (result i32)
    (i32.const 4096))
  (data (i32.const 56) "\02\00\00\00\08\00\00\00")
  (data (i32.const 64) "n\00u\00l\00l\00")
  (func (export "execute") (param $input i32) (result i32)
    (i32.const 64))
)
