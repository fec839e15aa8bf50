/**
 * What an effectful activity can ask for: other systems over HTTP, secrets, and which attempt it
 * is.
 *
 * These are not steps. Nothing here is journaled but the activity's output, and the activity may be
 * run more than once. The deployment grants each with a capability; what it does not grant is a
 * failure of kind `not-granted`.
 */

import { Answer, Failure } from "./answer";
import { base64Decode, base64Encode } from "./encoding";
import { JSON, ObjectWriter } from "./json";
import { issue, operation } from "./request";

/** Which attempt of which step this is. */
export class Attempt {
  constructor(
    /** The tenant of the actor that asked for the activity. */
    public readonly namespace: string,
    public readonly type: string,
    public readonly key: string,
    public readonly turn: i64,
    public readonly step: i64,
    /** Counts from 1. */
    public readonly attempt: i64,
    /**
     * The same for every attempt of the step, and for no other step: with it another system can
     * tell that a request was made before.
     */
    public readonly idempotencyKey: string,
  ) {}
}

/** Which attempt of which step this is. */
export function attempt(): Attempt {
  const members = issue(operation("context")).object();
  return new Attempt(
    text(members, "namespace"),
    text(members, "type"),
    text(members, "key"),
    integer(members, "turn"),
    integer(members, "step"),
    integer(members, "attempt"),
    text(members, "idempotency_key"),
  );
}

/**
 * The value of a secret. Outputs that contain it are refused; prefer {@link Request.secretHeader},
 * which keeps the value out of the guest.
 */
export function secret(name: string): Answer {
  return issue(operation("secret").string("name", name));
}

/** A request to another system, to be sent. */
export class Request {
  private headers: ObjectWriter = new ObjectWriter();
  private hasHeaders: bool = false;
  private body: string | null = null;
  private base64: string | null = null;
  private timeout: i64 = -1;

  /** @param method in upper case */
  constructor(
    private readonly method: string,
    private readonly url: string,
  ) {}

  header(name: string, value: string): this {
    this.headers.string(name, value);
    this.hasHeaders = true;
    return this;
  }

  /**
   * Sets a header to the value of a secret behind a prefix such as `Bearer `. The host puts it in;
   * the guest never has it.
   */
  secretHeader(name: string, secret: string, prefix: string = ""): this {
    const reference = new ObjectWriter();
    if (prefix.length > 0) reference.string("prefix", prefix);
    this.headers.json(name, reference.string("secret", secret).toString());
    this.hasHeaders = true;
    return this;
  }

  text(body: string): this {
    this.body = body;
    return this;
  }

  bytes(body: Uint8Array): this {
    this.base64 = base64Encode(body);
    return this;
  }

  /** Sends JSON text, and says so in `content-type`. */
  json(text: string): this {
    return this.header("content-type", "application/json").text(text);
  }

  /** Allows so much time, at most what the deployment does. */
  timeoutMs(ms: i64): this {
    this.timeout = ms;
    return this;
  }

  /** Sends it and waits for the response. */
  send(): Response {
    const writer = operation("http").string("method", this.method).string("url", this.url);
    if (this.hasHeaders) writer.json("headers", this.headers.toString());
    const body = this.body;
    const base64 = this.base64;
    if (base64 !== null) writer.string("base64", base64);
    else if (body !== null) writer.string("body", body);
    if (this.timeout >= 0) writer.integer("timeout_ms", this.timeout);
    return Response.read(issue(writer));
  }
}

/** What another system answered, or why there is no answer. */
export class Response {
  private constructor(
    /** Why there was no response; `null` if there was one, whatever its status. */
    public readonly failure: Failure | null,
    public readonly status: i32,
    private readonly members: JSON.Obj | null,
    /** The whole body. */
    public readonly body: Uint8Array,
  ) {}

  static read(answer: Answer): Response {
    if (!answer.ok) return new Response(answer.failure, 0, null, new Uint8Array(0));
    const response = answer.object();
    const body = response.getString("body");
    const base64 = response.getString("base64");
    let bytes: Uint8Array | null = null;
    if (body !== null) bytes = Uint8Array.wrap(String.UTF8.encode(body._str));
    else if (base64 !== null) bytes = base64Decode(base64._str);
    const headers = response.getObj("headers");
    assert(headers !== null && bytes !== null, "http answered " + answer.json);
    return new Response(null, <i32>integer(response, "status"), headers, bytes!);
  }

  /** A header by its lower-case name, `null` if there is none. */
  header(name: string): string | null {
    const members = this.members;
    if (members === null) return null;
    const value = members.getString(name);
    if (value === null) return null;
    return value._str;
  }

  /**
   * Why this is not what was hoped for: there was no response, or its status is 400 or more (kind
   * `http-status`, worth retrying for 408, 425, 429 and everything from 500 on). Else `null`.
   */
  errorForStatus(): Failure | null {
    const status = this.status;
    if (this.failure !== null) return this.failure;
    if (status < 400) return null;
    const retryable = status == 408 || status == 425 || status == 429 || status >= 500;
    return new Failure("http-status", "the status is " + status.toString(), retryable);
  }

  /** The body as text. */
  text(): string {
    return String.UTF8.decode(this.body.buffer);
  }
}

function text(members: JSON.Obj, name: string): string {
  const value = members.getString(name);
  assert(value !== null, "the host's answer lacks " + name);
  return value!._str;
}

function integer(members: JSON.Obj, name: string): i64 {
  const value = members.getInteger(name);
  assert(value !== null, "the host's answer lacks " + name);
  return value!._num;
}
