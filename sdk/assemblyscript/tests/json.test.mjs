// The SDK's JSON reader and writer.

import assert from "node:assert/strict";
import { test } from "node:test";

import { compile, run } from "./guest.mjs";

const guest = compile("tests/json.ts");
const check = (input, expected) => assert.equal(run(guest, input), expected, JSON.stringify(input));

test("what is written is compact and valid", () => {
  check(' { "a" : [ 1 , -2 , true , false , null ] , "b" : { } , "c" : [ ] } ', '{"a":[1,-2,true,false,null],"b":{},"c":[]}');
  check('"\\u0000\\u001F\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00"', '"\\u0000\\u001f\\"\\\\/\\b\\f\\n\\r\\té😀"');
  check('{"a\\nb":"\\u2028"}', '{"a\\nb":"\u2028"}');
  check('""', '""');
});

test("the last of several members of one name counts", () => {
  check('{"a":1,"a":2}', '{"a":2}');
});

test("integers keep all of their 64 bits", () => {
  check("[9007199254740993,9223372036854775807,-9223372036854775808,0]", "[9007199254740993,9223372036854775807,-9223372036854775808,0]");
});

test("other numbers are floats", () => {
  for (const text of ["0.5", "-0.25", "1e3", "1E+3", "12.5e-1", "-0", "9223372036854775808", "-9223372036854775809", "1e300"]) {
    const output = run(guest, text);
    assert.equal(Number(output), Number(text), text);
  }
});

test("what is no JSON is refused and does not trap", () => {
  const texts = [
    "", " ", "nul", "nulll", "tru", "True", "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "NaN", "Infinity",
    '"', '"a', '"\\', '"\\x"', '"\\u12"', '"\\u12g4"', '"\t"', "'a'", "[", "[1", "[1,", "[1,]", "[,1]", "]",
    "{", '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', "{a:1}", '{1:1}', "{,}", "1 2", "[1]]", "\ufeff1", "\u00a01",
    "[".repeat(100000), '{"a":'.repeat(100000),
  ];
  for (const text of texts) check(text, "refused");
});

test("nesting is bounded", () => {
  const nested = (depth) => "[".repeat(depth) + "]".repeat(depth);
  check(nested(128), nested(128));
  check(nested(129), "refused");
});
