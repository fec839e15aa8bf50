/**
 * The actor's durable state: one JSON value, addressed as a whole or by JSON pointer (RFC 6901).
 *
 * Changes are buffered by the host, visible to later reads in the same turn, committed with the
 * turn and rolled back when it fails. Values are JSON text.
 */

import { Answer } from "./answer";
import { ObjectWriter } from "./json";
import { issue, operation } from "./request";

/** The whole state, or the value at `pointer`; JSON `null` if nothing is there. */
export function get(pointer: string = ""): Answer {
  return issue(at("state.get", pointer));
}

/** Replaces the whole state. */
export function set(valueJson: string): Answer {
  return setAt("", valueJson);
}

/**
 * Replaces the value at `pointer`. Missing parents are created as objects; an array's length or `-`
 * as the last part appends.
 */
export function setAt(pointer: string, valueJson: string): Answer {
  return issue(at("state.set", pointer).json("value", valueJson));
}

/** Removes the whole state, or the value at `pointer`; answers whether something was there. */
export function remove(pointer: string = ""): Answer {
  return issue(at("state.delete", pointer));
}

// The empty pointer means the whole value, which the contract says by leaving it out.
function at(op: string, pointer: string): ObjectWriter {
  const writer = operation(op);
  return pointer.length > 0 ? writer.string("pointer", pointer) : writer;
}
