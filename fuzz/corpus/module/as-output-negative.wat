;; The output is -1.
;; Expected: bad-pointer.
(module
  (memory (export "memory") 1)
  (func (export "__pin") (param $object i32) (result i32)
    (local.get $object))
  (func (export "__unpin") (param $object i32))
  (func (export "__new") (param $size i32) (param $class i32) (result i32)
    (i32.const 4096))
  (func (export "execute") (param $input i32) (result i32)
    (i32.const -1))
)
