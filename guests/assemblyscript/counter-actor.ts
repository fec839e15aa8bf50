// An actor in the classic form: no SDK, no steps, no imports beyond `env.abort`. The count travels
// in the message: {"count":41,"increment":1} -> {"count":42}.
//
// It scans its two numbers by hand, because for so little a JSON library would be most of the
// module, and a fresh instance pays for what it touches.

export function execute(inputJson: string): string {
  const count = member(inputJson, "count", 0);
  const increment = member(inputJson, "increment", 1);
  return '{"count":' + (count + increment).toString() + "}";
}

/** The integer member `name` of the outermost object, or `fallback` if it is missing. */
function member(json: string, name: string, fallback: i64): i64 {
  let depth = 0;
  for (let i = 0; i < json.length; i++) {
    const unit = json.charCodeAt(i);
    if (unit == 0x7b || unit == 0x5b) depth++;
    else if (unit == 0x7d || unit == 0x5d) depth--;
    else if (unit == 0x22) {
      const start = i + 1;
      i = endOfString(json, start);
      const colon = skipSpace(json, i + 1);
      const isMember = depth == 1 && json.charCodeAt(colon) == 0x3a;
      if (isMember && json.substring(start, i) == name) return integer(json, colon + 1);
    }
  }
  return fallback;
}

/** The index of the quote that ends the string whose text begins at `i`. */
function endOfString(json: string, i: i32): i32 {
  while (i < json.length && json.charCodeAt(i) != 0x22) {
    i += json.charCodeAt(i) == 0x5c ? 2 : 1;
  }
  return i;
}

function integer(json: string, i: i32): i64 {
  i = skipSpace(json, i);
  const negative = json.charCodeAt(i) == 0x2d;
  if (negative) i++;
  const start = i;
  let value: i64 = 0;
  while (i < json.length && json.charCodeAt(i) >= 0x30 && json.charCodeAt(i) <= 0x39) {
    value = value * 10 + (json.charCodeAt(i++) - 0x30);
  }
  assert(i > start, "expected an integer");
  return negative ? -value : value;
}

function skipSpace(json: string, i: i32): i32 {
  while (i < json.length && json.charCodeAt(i) <= 0x20) i++;
  return i;
}
