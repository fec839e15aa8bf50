/**
 * One request to the host and its answer.
 *
 * Replay compares requests as bytes, so their text is fixed: `op` first, then the members in the
 * order of the contract's table, absent ones left out, no white space.
 */

import { Answer } from "./answer";
import { ObjectWriter } from "./json";

// @ts-ignore: decorator
@external("loom", "call")
declare function hostCall(request: string): string;

/** Sends a request as the contract writes it, JSON text both ways, and blocks for the answer. */
export function request(text: string): Answer {
  return Answer.read(hostCall(text));
}

/** The beginning of a request. */
export function operation(op: string): ObjectWriter {
  return new ObjectWriter().string("op", op);
}

/** Sends what was written. */
export function issue(writer: ObjectWriter): Answer {
  return request(writer.toString());
}
