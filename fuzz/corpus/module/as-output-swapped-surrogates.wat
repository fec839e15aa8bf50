;; The output is a JSON string that holds the two halves of a surrogate pair in the wrong order.
;; Expected: not-utf16.
(module
  (memory (export "memory") 1)
  (func (export "__pin") (param $object i32) (result i32)
    (local.get $object))
  (func (export "__unpin") (param $object i32))
  (func (export "__new") (param $size i32) (param $class i32) (result i32)
    (i32.const 4096))
  (data (i32.const 56) "\02\00\00\00\08\00\00\00")
  (data (i32.const 64) "\22\00\00\dc\00\d8\22\00")
  (func (export "execute") (param $input i32) (result i32)
    (i32.const 64))
)
