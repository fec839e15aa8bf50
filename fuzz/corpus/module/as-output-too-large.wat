;; The output is a string of 16 MiB that is really there.
;; Expected: output-too-large.
(module
  (memory (export "memory") 320)
  (func (export "__pin") (param $object i32) (result i32)
    (local.get $object))
  (func (export "__unpin") (param $object i32))
  (func (export "__new") (param $size i32) (param $class i32) (result i32)
    (i32.const 4096))
  (data (i32.const 56) "\02\00\00\00\00\00\00\01")
  (data (i32.const 64) "")
  (func (export "execute") (param $input i32) (result i32)
    (i32.const 64))
)
