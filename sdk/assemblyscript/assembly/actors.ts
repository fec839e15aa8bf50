/** Children, messages taken within a turn, and turns that begin anew. */

import { Answer } from "./answer";
import { Handle } from "./host";
import { ObjectWriter, Reader, parse, JSON } from "./json";
import { issue, operation } from "./request";

/** An actor that this turn started, and the outcome of what it was started with. */
export class Child {
  constructor(
    /** `type/key` of the child, for messages to it. */
    public readonly actor: string,
    /** For waiting on the child together with other steps. */
    public readonly handle: Handle,
  ) {}

  /** The child in the answer of {@link spawn}. Traps if it was refused. */
  static of(answer: Answer): Child {
    const spawned = answer.object();
    const actor = spawned.getString("actor");
    const handle = spawned.getInteger("handle");
    assert(actor !== null && handle !== null, "spawn answered " + answer.json);
    return new Child(actor!._str, new Handle(handle!._num));
  }

  /** Blocks until the child has replied or failed. */
  wait(): Answer {
    return this.handle.wait();
  }
}

/** A message that this turn took out of its actor's mailbox. */
export class Received {
  constructor(
    private readonly handle: Handle,
    public readonly messageId: string,
    /** `type/key` of the actor that sent the message, `null` if it came from outside. */
    public readonly sender: string | null,
    /** What it says, as JSON text. */
    public readonly bodyJson: string,
  ) {}

  /**
   * The message in the answer of {@link receive}, or of the handle of {@link startReceive}. Traps
   * if there was none: look at `ok` first.
   */
  static of(answer: Answer): Received {
    let handle: i64 = -1;
    let messageId = "";
    let sender: string | null = null;
    let bodyJson = "";
    // The body stays the text it is: it may be large, and is often only passed on.
    const reader = new Reader(answer.expectOk());
    if (reader.take(0x7b)) {
      do {
        const name = reader.name();
        const json = reader.slice();
        if (name === null || json === null) break;
        if (name == "handle") handle = I64.parseInt(json);
        if (name == "message_id") messageId = text(json)!;
        if (name == "sender") sender = text(json);
        if (name == "body") bodyJson = json;
      } while (reader.take(0x2c));
    }
    assert(handle >= 0 && bodyJson.length > 0, "receive answered " + answer.json);
    return new Received(new Handle(handle), messageId, sender, bodyJson);
  }

  /** Answers the message. A second time fails with kind `answered`. */
  reply(bodyJson: string): Answer {
    return issue(operation("reply").integer("handle", this.handle.raw).json("body", bodyJson));
  }
}

/**
 * Starts a child, the actor `to` (`type/key`, or `type` for a new key), with its first message:
 * `Child.of(...)`. It is cancelled after `deadlineMs` (negative: never), and when the turn ends
 * unless it is `detached`.
 */
export function spawn(
  to: string,
  bodyJson: string,
  deadlineMs: i64 = -1,
  detached: bool = false,
): Answer {
  const writer = operation("spawn").string("to", to).json("body", bodyJson);
  if (deadlineMs >= 0) writer.integer("deadline_ms", deadlineMs);
  if (detached) writer.bool("detached", true);
  return issue(writer);
}

/**
 * Takes the next message of the actor's mailbox whose body is an object with this `type`, any
 * message if it is empty, and waits for one: `Received.of(...)`. Fails with kind `deadline` when
 * none comes within `timeoutMs`; if that is negative it waits for as long as it takes.
 *
 * Whoever sent the message gets what {@link Received.reply} says, or else this turn's own result.
 */
export function receive(type: string = "", timeoutMs: i64 = -1): Answer {
  return issue(receiveRequest("receive", type, timeoutMs));
}

/** Like {@link receive}, without waiting for the message. Answers a handle: `Handle.of(...)`. */
export function startReceive(type: string = "", timeoutMs: i64 = -1): Answer {
  return issue(receiveRequest("receive.start", type, timeoutMs));
}

/**
 * Ends this turn, keeps its state and gives up its outstanding steps; a new turn handles the same
 * message, with this body, and the caller gets what comes of that one. For turns that would
 * otherwise grow for ever. Returns only if the host refuses, and then why:
 * `return restart(nextJson).output()`.
 */
export function restart(bodyJson: string): Answer {
  return issue(operation("turn.restart").json("body", bodyJson));
}

function receiveRequest(op: string, type: string, timeoutMs: i64): ObjectWriter {
  const writer = operation(op);
  if (type.length > 0) writer.string("type", type);
  if (timeoutMs >= 0) writer.integer("timeout_ms", timeoutMs);
  return writer;
}

/** A JSON string's text, `null` for anything else. */
function text(json: string): string | null {
  const value = parse(json);
  return value instanceof JSON.Str ? (<JSON.Str>value)._str : null;
}
