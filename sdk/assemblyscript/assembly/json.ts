/**
 * JSON text and values.
 *
 * Values are those of `assemblyscript-json`. Parsing and writing are done here, because the
 * library's parser traps on bad text and on `\f`, rounds integers beyond 2^53, and its `stringify`
 * writes control characters and keys unescaped; and because replay compares requests as bytes, so
 * that what is written must be exactly what the other SDKs write.
 */

import { JSON } from "assemblyscript-json/assembly";
export { JSON };

/** Nesting deeper than this is refused, so that hostile text cannot exhaust the stack. */
const DEPTH_MAX: i32 = 128;

const QUOTE: i32 = 0x22;
const BACKSLASH: i32 = 0x5c;
const MINUS: i32 = 0x2d;
const ZERO: i32 = 0x30;
const NINE: i32 = 0x39;

/** The text as a JSON string: only what must be escaped is escaped, in its shortest form. */
export function quote(text: string): string {
  let quoted = '"';
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x20 && unit != QUOTE && unit != BACKSLASH) continue;
    quoted += text.substring(start, i) + escape(unit);
    start = i + 1;
  }
  return quoted + text.substring(start) + '"';
}

function escape(unit: i32): string {
  switch (unit) {
    case QUOTE:
      return '\\"';
    case BACKSLASH:
      return "\\\\";
    case 0x08:
      return "\\b";
    case 0x09:
      return "\\t";
    case 0x0a:
      return "\\n";
    case 0x0c:
      return "\\f";
    case 0x0d:
      return "\\r";
    default:
      return "\\u00" + (unit < 0x10 ? "0" : "1") + (unit & 15).toString(16);
  }
}

/** Writes an object member by member, in the order of the calls. */
export class ObjectWriter {
  private text: string = "{";

  string(name: string, value: string): this {
    return this.json(name, quote(value));
  }

  integer(name: string, value: i64): this {
    return this.json(name, value.toString());
  }

  float(name: string, value: f64): this {
    return this.json(name, floatText(value));
  }

  bool(name: string, value: bool): this {
    return this.json(name, value ? "true" : "false");
  }

  null(name: string): this {
    return this.json(name, "null");
  }

  value(name: string, value: JSON.Value): this {
    return this.json(name, stringify(value));
  }

  /** Adds a member whose value is JSON text already. */
  json(name: string, text: string): this {
    const separator = this.text.length > 1 ? "," : "";
    this.text += separator + quote(name) + ":" + text;
    return this;
  }

  toString(): string {
    return this.text + "}";
  }
}

/** The value as compact JSON text. Unlike the library's own method, the text is always valid. */
export function stringify(value: JSON.Value): string {
  if (value instanceof JSON.Str) return quote((<JSON.Str>value)._str);
  if (value instanceof JSON.Num) return floatText((<JSON.Num>value)._num);
  if (value instanceof JSON.Arr) {
    const elements = (<JSON.Arr>value)._arr;
    const texts = new Array<string>(elements.length);
    for (let i = 0; i < elements.length; i++) texts[i] = stringify(elements[i]);
    return "[" + texts.join(",") + "]";
  }
  if (value instanceof JSON.Obj) {
    const members = (<JSON.Obj>value)._obj;
    const names = members.keys();
    const writer = new ObjectWriter();
    for (let i = 0; i < names.length; i++) writer.value(names[i], members.get(names[i]));
    return writer.toString();
  }
  return value.stringify();
}

function floatText(value: f64): string {
  assert(isFinite(value), "JSON has no text for a number that is not finite");
  // The language writes both zeros alike.
  return value == 0 && 1 / value < 0 ? "-0.0" : value.toString();
}

/** The value of JSON text, or `null` if the text is not JSON. Integers beyond 64 bits become floats. */
export function parse(text: string): JSON.Value | null {
  const reader = new Reader(text);
  const value = reader.value(0);
  return value !== null && reader.atEnd() ? value : null;
}

/**
 * Reads JSON text from front to back. Methods return `null` or `false` where the text is not JSON;
 * the reader is of no further use then.
 */
export class Reader {
  private at: i32 = 0;

  constructor(private readonly text: string) {}

  /** Skips white space and tells whether nothing is left. */
  atEnd(): bool {
    this.skipSpace();
    return this.at == this.text.length;
  }

  /** Takes `unit` if it comes next, after white space. */
  take(unit: i32): bool {
    this.skipSpace();
    if (this.peek() != unit) return false;
    this.at++;
    return true;
  }

  /** The name of the next member, up to and including its colon. */
  name(): string | null {
    this.skipSpace();
    const name = this.string();
    return name !== null && this.take(0x3a) ? name : null;
  }

  /** The text of the next value, without parsing it into objects. */
  slice(): string | null {
    this.skipSpace();
    const start = this.at;
    return this.skip(0) ? this.text.substring(start, this.at) : null;
  }

  value(depth: i32): JSON.Value | null {
    this.skipSpace();
    switch (this.peek()) {
      case 0x7b:
        return this.object(depth);
      case 0x5b:
        return this.array(depth);
      case QUOTE: {
        const text = this.string();
        return text === null ? null : JSON.Value.String(text);
      }
      case 0x74:
        return this.word("true") ? JSON.Value.Bool(true) : null;
      case 0x66:
        return this.word("false") ? JSON.Value.Bool(false) : null;
      case 0x6e:
        return this.word("null") ? JSON.Value.Null() : null;
      default:
        return this.number();
    }
  }

  private object(depth: i32): JSON.Value | null {
    if (depth >= DEPTH_MAX) return null;
    const object = JSON.Value.Object();
    this.at++;
    if (this.take(0x7d)) return object;
    do {
      const name = this.name();
      if (name === null) return null;
      const value = this.value(depth + 1);
      if (value === null) return null;
      object._obj.set(name, value);
    } while (this.take(0x2c));
    return this.take(0x7d) ? object : null;
  }

  private array(depth: i32): JSON.Value | null {
    if (depth >= DEPTH_MAX) return null;
    const array = JSON.Value.Array();
    this.at++;
    if (this.take(0x5d)) return array;
    do {
      const value = this.value(depth + 1);
      if (value === null) return null;
      array._arr.push(value);
    } while (this.take(0x2c));
    return this.take(0x5d) ? array : null;
  }

  /** Passes over a value. */
  private skip(depth: i32): bool {
    this.skipSpace();
    const first = this.peek();
    if (first == QUOTE) return this.string() !== null;
    if (first == 0x74) return this.word("true");
    if (first == 0x66) return this.word("false");
    if (first == 0x6e) return this.word("null");
    if (first != 0x7b && first != 0x5b) return this.skipNumber();
    if (depth >= DEPTH_MAX) return false;
    const close = first + 2;
    this.at++;
    if (this.take(close)) return true;
    do {
      if (first == 0x7b && this.name() === null) return false;
      if (!this.skip(depth + 1)) return false;
    } while (this.take(0x2c));
    return this.take(close);
  }

  private string(): string | null {
    if (this.peek() != QUOTE) return null;
    let start = ++this.at;
    let text = "";
    while (this.at < this.text.length) {
      const unit = this.text.charCodeAt(this.at);
      if (unit < 0x20) return null;
      if (unit == QUOTE) {
        text += this.text.substring(start, this.at++);
        return text;
      }
      if (unit != BACKSLASH) {
        this.at++;
        continue;
      }
      text += this.text.substring(start, this.at);
      const escaped = this.escaped();
      if (escaped < 0) return null;
      text += String.fromCharCode(escaped);
      start = this.at;
    }
    return null;
  }

  /** The UTF-16 unit of the escape at the reader's place, -1 if there is none. */
  private escaped(): i32 {
    this.at++;
    const letter = this.peek();
    this.at++;
    switch (letter) {
      case QUOTE:
      case BACKSLASH:
      case 0x2f:
        return letter;
      case 0x62:
        return 0x08;
      case 0x66:
        return 0x0c;
      case 0x6e:
        return 0x0a;
      case 0x72:
        return 0x0d;
      case 0x74:
        return 0x09;
      case 0x75:
        return this.hexUnit();
      default:
        return -1;
    }
  }

  private hexUnit(): i32 {
    let unit = 0;
    for (let i = 0; i < 4; i++) {
      const digit = hexDigit(this.peek());
      if (digit < 0) return -1;
      unit = (unit << 4) | digit;
      this.at++;
    }
    return unit;
  }

  private number(): JSON.Value | null {
    const start = this.at;
    if (!this.skipNumber()) return null;
    const text = this.text.substring(start, this.at);
    if (isInteger64(text)) return JSON.Value.Integer(I64.parseInt(text));
    return JSON.Value.Float(F64.parseFloat(text));
  }

  /** Passes over a number by JSON's grammar. */
  private skipNumber(): bool {
    if (this.peek() == MINUS) this.at++;
    if (this.peek() == ZERO) this.at++;
    else if (!this.skipDigits()) return false;
    if (this.peek() == 0x2e) {
      this.at++;
      if (!this.skipDigits()) return false;
    }
    if ((this.peek() | 0x20) == 0x65) {
      this.at++;
      if (this.peek() == 0x2b || this.peek() == MINUS) this.at++;
      if (!this.skipDigits()) return false;
    }
    return true;
  }

  private skipDigits(): bool {
    const start = this.at;
    while (isDigit(this.peek())) this.at++;
    return this.at > start;
  }

  private word(word: string): bool {
    if (this.text.substr(this.at, word.length) != word) return false;
    this.at += word.length;
    return true;
  }

  private skipSpace(): void {
    for (;;) {
      const unit = this.peek();
      if (unit != 0x20 && unit != 0x0a && unit != 0x0d && unit != 0x09) return;
      this.at++;
    }
  }

  /** The next UTF-16 unit, -1 at the end. */
  private peek(): i32 {
    return this.at < this.text.length ? this.text.charCodeAt(this.at) : -1;
  }
}

/** Whether the number is written as an integer and fits into 64 bits. */
function isInteger64(text: string): bool {
  const negative = text.charCodeAt(0) == MINUS;
  for (let i = negative ? 1 : 0; i < text.length; i++) {
    if (!isDigit(text.charCodeAt(i))) return false;
  }
  // `-0` is a float: an integer cannot tell it from 0.
  if (text == "-0") return false;
  const digits = negative ? text.substring(1) : text;
  const limit = negative ? "9223372036854775808" : "9223372036854775807";
  return digits.length < limit.length || (digits.length == limit.length && digits <= limit);
}

function isDigit(unit: i32): bool {
  return unit >= ZERO && unit <= NINE;
}

export function hexDigit(unit: i32): i32 {
  if (isDigit(unit)) return unit - ZERO;
  const letter = unit | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}
