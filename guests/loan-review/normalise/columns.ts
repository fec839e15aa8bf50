/** The columns of one application, looked up by the schema's names; remembers the first problem. */

import { JSON } from "loom-guest/assembly";

import { Decimal } from "./decimal";
import { shortened } from "./text";

const COLUMNS_MAX: i32 = 256;

export class Columns {
  /** What is wrong with the application; the first problem found, as a message. */
  problem: string | null = null;

  private names: string[];
  private values: string[] = [];
  private byName: Map<string, i32> = new Map();

  constructor(object: JSON.Obj) {
    this.names = object.keys;
    if (this.names.length > COLUMNS_MAX) {
      this.complain(this.names.length.toString() + " columns, at most " + COLUMNS_MAX.toString());
      this.names = this.names.slice(0, 0);
    }
    for (let i = 0; i < this.names.length; i++) {
      const name = this.names[i];
      const value = object.get(name);
      let text = "";
      if (value instanceof JSON.Str) text = (<JSON.Str>value)._str.trim();
      else if (!(value instanceof JSON.Null)) {
        this.complain("column " + shortened(name) + " is not text");
        // Not empty, so that a protected attribute is refused in whatever form it comes.
        text = "?";
      }
      this.values.push(text);
      const canonical = canonicalName(name);
      if (this.byName.has(canonical)) this.complain("column " + shortened(name) + " appears twice");
      this.byName.set(canonical, i);
    }
  }

  get count(): i32 {
    return this.names.length;
  }

  name(index: i32): string {
    return this.names[index];
  }

  hasValue(index: i32): bool {
    const value = this.values[index];
    return value != "" && value != "NA" && value != "Exempt";
  }

  /** The column's text; `null` where it is missing, empty, `NA` or `Exempt`. */
  text(name: string): string | null {
    if (!this.byName.has(name)) return null;
    const index = this.byName.get(name);
    return this.hasValue(index) ? this.values[index] : null;
  }

  required(name: string): string {
    const value = this.text(name);
    if (value !== null) return value;
    this.complain("column " + name + " is missing");
    return "";
  }

  /** One of the schema's codes; `null` where it is missing. `1111` is how codes say `Exempt`. */
  code(name: string, allowed: i32[]): string | null {
    const value = this.text(name);
    if (value === null || value == "1111") return null;
    for (let i = 0; i < allowed.length; i++) {
      if (value == allowed[i].toString()) return value;
    }
    this.malformed(name, value);
    return null;
  }

  requiredCode(name: string, allowed: i32[]): string | null {
    const value = this.code(name, allowed);
    if (value === null) this.complain("column " + name + " is missing");
    return value;
  }

  /** The column's number; `null` where it is missing or no number, which is then the problem. */
  decimal(name: string): Decimal | null {
    const value = this.text(name);
    if (value === null) return null;
    const decimal = Decimal.parse(value);
    if (decimal === null) this.malformed(name, value);
    return decimal;
  }

  malformed(name: string, value: string): void {
    this.complain("column " + name + " is " + shortened(value));
  }

  complain(problem: string): void {
    if (this.problem === null) this.problem = problem;
  }
}

/** Lower case, `_` for `-`: data tools rewrite `open-end_line_of_credit`. */
function canonicalName(name: string): string {
  return name.trim().toLowerCase().replaceAll("-", "_");
}
