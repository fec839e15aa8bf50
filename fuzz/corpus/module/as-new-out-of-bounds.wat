;; __new returns a pointer outside of the memory.
;; Expected: bad-pointer.
(module
  (memory (export "memory") 1)
  (func (export "__pin") (param $object i32) (result i32)
    (local.get $object))
  (func (export "__unpin") (param $object i32))
  (func (export "__new") (param $size i32) (param $class i32) (result i32)
    (i32.const 0x10000000))
  (data (i32.const 56) "\02\00\00\00\08\00\00\00")
  (data (i32.const 64) "n\00u\00l\00l\00")
  (func (export "execute") (param $input i32) (result i32)
    (i32.const 64))
)
