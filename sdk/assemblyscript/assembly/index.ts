/**
 * Write Loom activities and actors in AssemblyScript.
 *
 * A guest exports `execute(inputJson: string): string`, JSON text both ways, and is compiled with
 * `--exportRuntime`. An activity is a function of its input and needs nothing from here except,
 * perhaps, the JSON functions and {@link fail}. An actor asks the host for steps:
 *
 * ```ts
 * import { activity, fail, state } from "loom-guest/assembly";
 *
 * export function execute(inputJson: string): string {
 *   const score = activity("score", inputJson);
 *   if (!score.ok) return score.output();
 *   state.set(score.json);
 *   return score.json;
 * }
 * ```
 *
 * AssemblyScript has no exceptions to catch, so steps return an {@link Answer} that says whether
 * they failed. Values cross the boundary as JSON text, which suffices for passing them on; parse
 * only what the guest looks into. A turn runs in a fresh instance: globals do not survive, state
 * does. The contract itself is `sdk/abi/README.md`.
 */

export { Child, Received, receive, restart, spawn, startReceive } from "./actors";
export { Answer, Failure, fail } from "./answer";
export {
  All,
  Any,
  Context,
  Handle,
  PromiseToken,
  Proof,
  Retry,
  activity,
  blobGet,
  blobGetText,
  blobPut,
  blobPutText,
  call,
  context,
  nowMs,
  promise,
  randomBytes,
  send,
  sendAfter,
  sleep,
  startActivity,
  startCall,
  startProof,
  startTimer,
  uuid,
  waitAll,
  waitAny,
} from "./host";
export { JSON, ObjectWriter, parse, quote, stringify } from "./json";
export { request } from "./request";
export { Verdict, verify } from "./verify";

import * as log from "./log";
import * as outside from "./outside";
import * as state from "./state";
export { log, outside, state };
