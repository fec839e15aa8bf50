/**
 * Steps: what an actor can ask of the host, apart from `state` and `log`. Each call blocks until
 * the answer is there.
 *
 * Steps that can fail for reasons outside the guest return an {@link Answer}. Those that cannot
 * (context, time, randomness) trap if the host refuses them, which fails the turn.
 */

import { Answer, Failure } from "./answer";
import { base64Decode, base64Encode, hexDecode } from "./encoding";
import { JSON, ObjectWriter, Reader, quote } from "./json";
import { issue, operation } from "./request";

/** The most bytes the host gives for one `random` request. */
const RANDOM_BYTES_MAX: i32 = 1024;

/** Who and where a turn is. */
export class Context {
  constructor(
    public readonly namespace: string,
    /** The actor's type. */
    public readonly type: string,
    /** The actor's key within its type. */
    public readonly key: string,
    public readonly messageId: string,
    /** `type/key` of the actor that sent the message, `null` if it came from outside. */
    public readonly sender: string | null,
    public readonly deployment: string,
    public readonly turn: i64,
  ) {}
}

/**
 * How often and how patiently the host retries an activity that failed with a retryable error.
 * What stays negative is left to the deployment's default.
 */
export class Retry {
  attemptsMax: i64 = -1;
  backoffMsMin: i64 = -1;
  backoffMsMax: i64 = -1;

  toString(): string {
    const writer = new ObjectWriter();
    if (this.attemptsMax >= 0) writer.integer("attempts_max", this.attemptsMax);
    if (this.backoffMsMin >= 0) writer.integer("backoff_ms_min", this.backoffMsMin);
    if (this.backoffMsMax >= 0) writer.integer("backoff_ms_max", this.backoffMsMax);
    return writer.toString();
  }
}

/** A started step. Valid within the turn that started it, whose end cancels what is outstanding. */
export class Handle {
  constructor(public readonly raw: i64) {}

  /** The handle in the answer of a `start…` function. Traps if the step was refused. */
  static of(answer: Answer): Handle {
    return new Handle(answer.integer());
  }

  /** Blocks until the step is done. */
  wait(): Answer {
    const all = waitAll([this]);
    const failure = all.failure;
    return failure === null ? all.answers[0] : Answer.failed(failure);
  }
}

/** A value that a person or another system supplies from outside, through `token`. */
export class PromiseToken {
  constructor(
    /** What the resolver presents: whoever holds it can settle the promise. */
    public readonly token: string,
    /** For waiting on the promise together with other steps. */
    public readonly handle: Handle,
  ) {}

  /** The promise in the answer of {@link promise}. Traps if it was refused. */
  static of(answer: Answer): PromiseToken {
    const created = answer.object();
    const token = created.getString("token");
    const handle = created.getInteger("handle");
    assert(token !== null && handle !== null, "promise.create answered " + answer.json);
    return new PromiseToken(token!._str, new Handle(handle!._num));
  }

  /** Blocks until the promise is resolved; a rejection is a failure of kind `rejected`. */
  wait(): Answer {
    return issue(operation("promise.await").integer("handle", this.handle.raw));
  }
}

/** What {@link waitAll} found. */
export class All {
  constructor(
    /** Why waiting itself failed, such as a cancelled turn. */
    public readonly failure: Failure | null,
    /** One answer per handle, in their order. */
    public readonly answers: Answer[],
  ) {}
}

/** What {@link waitAny} found. */
export class Any {
  constructor(
    /** The answer of the first step that was done, or why waiting itself failed (`index` -1). */
    public readonly answer: Answer,
    /** Which of the handles it was. */
    public readonly index: i32,
  ) {}
}

/** A run of a program that was proved. */
export class Proof {
  constructor(
    /** The program, 64 hex digits. */
    public readonly imageId: string,
    /** What the program says to everybody. The first 32 bytes name the input without telling it. */
    public readonly publicOutput: Uint8Array,
    /** CID of the receipt, which anybody can verify. */
    public readonly receipt: string,
  ) {}

  /** The proof in the answer to waiting for one. Traps if there is none. */
  static of(answer: Answer): Proof {
    const members = answer.object();
    const output = base64Decode(text(members, "public_output"));
    assert(output !== null, "a proof's output is " + answer.json);
    return new Proof(text(members, "image_id"), output!, text(members, "receipt"));
  }
}

/** Who and where this turn is. */
export function context(): Context {
  const members = issue(operation("context")).object();
  const turn = members.getInteger("turn");
  const sender = members.getString("sender");
  return new Context(
    text(members, "namespace"),
    text(members, "type"),
    text(members, "key"),
    text(members, "message_id"),
    sender === null ? null : sender._str,
    text(members, "deployment"),
    turn === null ? 0 : turn._num,
  );
}

/** The turn's clock in milliseconds since 1970; journaled, so replay sees the same reading. */
export function nowMs(): i64 {
  return issue(operation("now")).integer();
}

/** Random bytes from the turn's seed: unpredictable before the turn, the same on replay. */
export function randomBytes(count: i32): Uint8Array {
  const bytes = new Uint8Array(count);
  for (let filled = 0; filled < count; ) {
    const wanted = min(count - filled, RANDOM_BYTES_MAX);
    const chunk = hexDecode(issue(operation("random").integer("bytes", wanted)).string());
    assert(chunk !== null && chunk.length == wanted, "random answered another number of bytes");
    bytes.set(chunk!, filled);
    filled += wanted;
  }
  return bytes;
}

/** A version 4 UUID from the turn's seed. */
export function uuid(): string {
  return issue(operation("uuid")).string();
}

/** Runs an activity and waits for its output. */
export function activity(name: string, inputJson: string, retry: Retry | null = null): Answer {
  return issue(activityRequest("activity", name, inputJson, retry));
}

/** Starts an activity; several run side by side. Answers a handle: `Handle.of(...)`. */
export function startActivity(name: string, inputJson: string, retry: Retry | null = null): Answer {
  return issue(activityRequest("activity.start", name, inputJson, retry));
}

/**
 * Sends a message to the actor `to` (`type/key`) and waits for its reply; fails with kind
 * `deadline` when that takes longer than `deadlineMs` (negative: what the deployment allows).
 */
export function call(to: string, bodyJson: string, deadlineMs: i64 = -1): Answer {
  return issue(callRequest("call", to, bodyJson, deadlineMs));
}

/** Like {@link call}, without waiting for the reply. Answers a handle: `Handle.of(...)`. */
export function startCall(to: string, bodyJson: string, deadlineMs: i64 = -1): Answer {
  return issue(callRequest("call.start", to, bodyJson, deadlineMs));
}

/** Sends a message to the actor `to` and expects no reply. Answers the message's id. */
export function send(to: string, bodyJson: string): Answer {
  return issue(operation("send").string("to", to).json("body", bodyJson));
}

/** Like {@link send}; the message arrives `delayMs` later. */
export function sendAfter(to: string, bodyJson: string, delayMs: i64): Answer {
  const writer = operation("send").string("to", to).json("body", bodyJson);
  return issue(writer.integer("delay_ms", delayMs));
}

/** Sleeps, durably: for days, and through restarts, if need be. */
export function sleep(ms: i64): Answer {
  return issue(operation("sleep").integer("ms", ms));
}

/** Starts a durable timer. Answers a handle: `Handle.of(...)`. */
export function startTimer(ms: i64): Answer {
  return issue(operation("timer.start").integer("ms", ms));
}

/**
 * Starts to prove a run of one of the deployment's programs. Answers a handle: `Handle.of(...)`, and
 * what that answers is a {@link Proof}. `input` is private: it is journaled apart from everything
 * else, and left out of bundles unless somebody asks for it. `open` is not.
 */
export function startProof(
  program: string,
  mediaType: string,
  input: Uint8Array,
  open: Uint8Array | null = null,
): Answer {
  const given = new ObjectWriter().string("media_type", mediaType);
  given.string("base64", base64Encode(input));
  const writer = operation("prove.start").string("program", program);
  writer.json("input", given.toString());
  if (open !== null && open.length > 0) writer.string("public", base64Encode(open));
  return issue(writer);
}

/**
 * Creates a promise for someone outside to settle: `PromiseToken.of(...)`. `label` and `dataJson`
 * tell people what it is for; empty ones are left out.
 */
export function promise(label: string = "", dataJson: string = ""): Answer {
  const writer = operation("promise.create");
  if (label.length > 0) writer.string("label", label);
  if (dataJson.length > 0) writer.json("data", dataJson);
  return issue(writer);
}

/** Waits for all of the handles. */
export function waitAll(handles: Handle[]): All {
  const answer = issue(awaitRequest(handles, "all"));
  const failure = answer.failure;
  if (failure !== null) return new All(failure, []);
  const answers: Answer[] = [];
  const reader = new Reader(answer.json);
  if (reader.take(0x5b)) {
    do {
      const result = reader.slice();
      if (result !== null) answers.push(Answer.read(result));
    } while (reader.take(0x2c));
  }
  assert(answers.length == handles.length, "await answered another number of results");
  return new All(null, answers);
}

/** Waits for the first of the handles. */
export function waitAny(handles: Handle[]): Any {
  const answer = issue(awaitRequest(handles, "any"));
  if (!answer.ok) return new Any(answer, -1);
  let raw: i64 = -1;
  let result = "";
  const reader = new Reader(answer.json);
  if (reader.take(0x7b)) {
    do {
      const name = reader.name();
      const json = reader.slice();
      if (name == "handle" && json !== null) raw = I64.parseInt(json);
      if (name == "result" && json !== null) result = json;
    } while (reader.take(0x2c));
  }
  for (let i = 0; i < handles.length; i++) {
    if (handles[i].raw == raw) return new Any(Answer.read(result), i);
  }
  throw new Error("await answered " + answer.json);
}

/** Stores bytes; answers their CID. */
export function blobPut(bytes: Uint8Array): Answer {
  return issue(operation("blob.put").string("base64", base64Encode(bytes)));
}

/** Stores text; answers the CID of its UTF-8 bytes. */
export function blobPutText(content: string): Answer {
  return issue(operation("blob.put").string("text", content));
}

/** The bytes named by a CID, `null` if there are none. */
export function blobGet(cid: string): Uint8Array | null {
  const answer = issue(operation("blob.get").string("cid", cid).string("as", "base64"));
  return answer.ok ? base64Decode(answer.string()) : null;
}

/** The text named by a CID. */
export function blobGetText(cid: string): Answer {
  return issue(operation("blob.get").string("cid", cid));
}

function activityRequest(
  op: string,
  name: string,
  inputJson: string,
  retry: Retry | null,
): ObjectWriter {
  const writer = operation(op).string("name", name).json("input", inputJson);
  return retry === null ? writer : writer.json("retry", retry.toString());
}

function callRequest(op: string, to: string, bodyJson: string, deadlineMs: i64): ObjectWriter {
  const writer = operation(op).string("to", to).json("body", bodyJson);
  return deadlineMs < 0 ? writer : writer.integer("deadline_ms", deadlineMs);
}

function awaitRequest(handles: Handle[], mode: string): ObjectWriter {
  const raw = new Array<string>(handles.length);
  for (let i = 0; i < handles.length; i++) raw[i] = handles[i].raw.toString();
  return operation("await").json("handles", "[" + raw.join(",") + "]").string("mode", mode);
}

function text(members: JSON.Obj, name: string): string {
  const value = members.getString(name);
  assert(value !== null, "context lacks " + quote(name));
  return value!._str;
}
