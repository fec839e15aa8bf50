/** What comes back from a step, and how a guest itself fails. */

import { JSON, ObjectWriter, Reader, parse, quote } from "./json";

const KIND_LENGTH_MAX: i32 = 64;

/** Why a step, or the guest itself, failed. */
export class Failure {
  /**
   * @param kind machine-readable class such as `not-found`; must match `[a-z][a-z0-9-]{0,63}`,
   *   or the host would take the failure for a result
   * @param message for people: a lower-case fragment without a full stop
   * @param retryable whether the same request may succeed when it is tried again
   */
  constructor(
    public readonly kind: string,
    public readonly message: string,
    public readonly retryable: bool = false,
  ) {
    assert(isKind(kind), "failure kind " + quote(kind) + " does not match [a-z][a-z0-9-]{0,63}");
  }

  /** The output that makes the host fail the activity, or the actor's turn, with this. */
  output(): string {
    const error = new ObjectWriter()
      .string("kind", this.kind)
      .string("message", this.message)
      .bool("retryable", this.retryable)
      .toString();
    return '{"err":' + error + "}";
  }
}

/** The output of a guest that fails: `return fail("no-income", "cannot score without income")`. */
export function fail(kind: string, message: string, retryable: bool = false): string {
  return new Failure(kind, message, retryable).output();
}

/** The host's answer to a step: JSON text, or a failure. */
export class Answer {
  private constructor(
    /** The value as JSON text; empty if the step failed. */
    public readonly json: string,
    public readonly failure: Failure | null,
  ) {}

  static of(json: string): Answer {
    return new Answer(json, null);
  }

  static failed(failure: Failure): Answer {
    return new Answer("", failure);
  }

  /** Reads `{"ok": value}` or `{"err": {...}}`. */
  static read(text: string): Answer {
    const reader = new Reader(text);
    if (reader.take(0x7b)) {
      const name = reader.name();
      const json = reader.slice();
      if (name !== null && json !== null && reader.take(0x7d) && reader.atEnd()) {
        if (name == "ok") return Answer.of(json);
        if (name == "err") return Answer.failed(readFailure(json));
      }
    }
    return Answer.failed(new Failure("invalid-answer", "the host's answer is neither ok nor err"));
  }

  get ok(): bool {
    return this.failure === null;
  }

  /** The output that passes this on: the value of a success, the failure of a failure. */
  output(): string {
    const failure = this.failure;
    return failure === null ? this.json : failure.output();
  }

  /** The parsed value. Traps if the step failed: look at `ok` first. */
  value(): JSON.Value {
    const value = parse(this.expectOk());
    assert(value !== null, "the host's answer is not JSON");
    return value!;
  }

  get isNull(): bool {
    return this.json == "null";
  }

  /** The string that the step answered. Traps if it failed or answered something else. */
  string(): string {
    const value = this.value();
    assert(value instanceof JSON.Str, "the step's answer is not a string: " + this.json);
    return (<JSON.Str>value)._str;
  }

  /** The integer that the step answered. Traps if it failed or answered something else. */
  integer(): i64 {
    const value = this.value();
    assert(value instanceof JSON.Integer, "the step's answer is not an integer: " + this.json);
    return (<JSON.Integer>value)._num;
  }

  /** The truth value that the step answered. Traps if it failed or answered something else. */
  bool(): bool {
    const value = this.value();
    assert(value instanceof JSON.Bool, "the step's answer is not true or false: " + this.json);
    return (<JSON.Bool>value)._bool;
  }

  /** The object that the step answered. Traps if it failed or answered something else. */
  object(): JSON.Obj {
    const value = this.value();
    assert(value instanceof JSON.Obj, "the step's answer is not an object: " + this.json);
    return <JSON.Obj>value;
  }

  /** The value as JSON text. Traps if the step failed. */
  expectOk(): string {
    const failure = this.failure;
    if (failure !== null) throw new Error("step failed: " + failure.kind + ": " + failure.message);
    return this.json;
  }
}

function readFailure(json: string): Failure {
  const value = parse(json);
  if (value instanceof JSON.Obj) {
    const object = <JSON.Obj>value;
    const kind = object.getString("kind");
    const message = object.getString("message");
    const retryable = object.getBool("retryable");
    if (kind !== null && message !== null && isKind(kind._str)) {
      return new Failure(kind._str, message._str, retryable !== null && retryable._bool);
    }
  }
  return new Failure("invalid-answer", "the host's error has another shape: " + json);
}

function isKind(kind: string): bool {
  if (kind.length == 0 || kind.length > KIND_LENGTH_MAX) return false;
  for (let i = 0; i < kind.length; i++) {
    const unit = kind.charCodeAt(i);
    const isLetter = unit >= 0x61 && unit <= 0x7a;
    const isOther = (unit >= 0x30 && unit <= 0x39) || unit == 0x2d;
    if (!isLetter && !(isOther && i > 0)) return false;
  }
  return true;
}
