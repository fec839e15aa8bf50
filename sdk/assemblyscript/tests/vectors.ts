// The guest under test: its input names an operation vector, it does what the vector is about, and
// its output is what the SDK made of the answer, `{"ok": ...}` or `{"err": ...}`.

import {
  Answer,
  Child,
  Handle,
  JSON,
  ObjectWriter,
  PromiseToken,
  Proof,
  Received,
  Retry,
  Verdict,
  activity,
  blobGet,
  blobGetText,
  blobPut,
  blobPutText,
  call,
  context,
  log,
  nowMs,
  outside,
  parse,
  promise,
  quote,
  randomBytes,
  receive,
  request,
  restart,
  send,
  sendAfter,
  sleep,
  spawn,
  startActivity,
  startCall,
  startProof,
  startReceive,
  startTimer,
  state,
  stringify,
  uuid,
  verify,
  waitAll,
  waitAny,
} from "../assembly/index";

export function execute(inputJson: string): string {
  const name = (<JSON.Str>parse(inputJson)!)._str;
  if (name.startsWith("log-")) return logged(name);
  if (name.startsWith("state-") || name.startsWith("answer-")) return settled(stateStep(name));
  if (name.startsWith("activity")) return settled(activityStep(name));
  if (name.startsWith("call")) return settled(callStep(name));
  if (name.startsWith("await-") || name.startsWith("promise-")) return waited(name);
  if (name.startsWith("context")) return ok(contextJson());
  if (name.startsWith("blob-")) return blob(name);
  if (name == "attempt") return ok(attemptJson());
  if (name.startsWith("secret")) return settled(outside.secret("API_KEY"));
  if (name.startsWith("http-")) return http(name);
  if (name == "now") return ok(nowMs().toString());
  if (name == "random") return ok(bytesJson(randomBytes(4)));
  if (name == "uuid") return ok(quote(uuid()));
  if (name == "send") return settled(send("audit/log", '{"event":"done"}'));
  if (name == "send-after") return settled(sendAfter("audit/log", "[]", 60000));
  if (name.startsWith("spawn")) return spawned(name);
  if (name.startsWith("receive")) return received(name);
  if (name.startsWith("reply")) {
    const answer = new Received(new Handle(15), "m-4", null, "null").reply(quote("noted"));
    return answer.ok ? ok("null") : answer.output();
  }
  if (name == "turn-restart-refused") return settled(restart('{"page":2}'));
  if (name == "sleep") return settled(sleep(86400000));
  if (name == "timer-start") return started(startTimer(1));
  if (name.startsWith("prove-")) return proved(name);
  if (name.startsWith("verify")) return judged(name);
  if (name == "unknown-op") return settled(request('{"op":"teleport","to":"moon"}'));
  return unperformed(name);
}

function proved(name: string): string {
  if (name == "prove-start") {
    const open = new Uint8Array(2);
    open[0] = 1;
    open[1] = 2;
    return started(startProof("dti", "application/json", utf8("{}"), open));
  }
  if (name == "prove-start-private") {
    return started(startProof("dti", "text/plain", utf8("café")));
  }
  const answer = new Handle(16).wait();
  if (!answer.ok) return answer.output();
  const proof = Proof.of(answer);
  const members = new ObjectWriter().string("image_id", proof.imageId);
  members.json("public_output", bytesJson(proof.publicOutput));
  return ok(members.string("receipt", proof.receipt).toString());
}

function judged(name: string): string {
  const verifier = name == "verify-unknown" ? "passports" : "receipts";
  const answer =
    name == "verify"
      ? verify(verifier, "bafkreie", '{"image_id":"07ff"}')
      : verify(verifier, "bafkreif");
  if (!answer.ok) return answer.output();
  const verdict = Verdict.of(answer);
  const members = new ObjectWriter().bool("accepted", verdict.accepted);
  members.json("code", orNull(verdict.code)).json("reason", orNull(verdict.reason));
  const program = verdict.members.getString("image_id");
  members.json("image_id", orNull(program === null ? null : program._str));
  return ok(members.toString());
}

function orNull(text: string | null): string {
  return text === null ? "null" : quote(text);
}

function utf8(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text));
}

function http(name: string): string {
  const url = "https://api.example.com/";
  if (name == "http-post") {
    const post = new outside.Request("POST", url).secretHeader("authorization", "API_KEY", "Bearer ");
    return responded(post.json('{"amount":7}').timeoutMs(5000).send());
  }
  if (name == "http-bytes") return responded(new outside.Request("PUT", url).bytes(someBytes()).send());
  const response = new outside.Request("GET", url + "a?b=c").send();
  const failure = name.startsWith("http-status") ? response.errorForStatus() : null;
  return failure === null ? responded(response) : failure.output();
}

function responded(response: outside.Response): string {
  const failure = response.failure;
  if (failure !== null) return failure.output();
  const writer = new ObjectWriter().integer("status", response.status);
  const type = response.header("content-type");
  if (type === null) writer.null("content-type");
  else writer.string("content-type", type);
  return ok(writer.json("body", bytesJson(response.body)).toString());
}

function attemptJson(): string {
  const attempt = outside.attempt();
  return new ObjectWriter()
    .string("namespace", attempt.namespace)
    .string("type", attempt.type)
    .string("key", attempt.key)
    .integer("turn", attempt.turn)
    .integer("step", attempt.step)
    .integer("attempt", attempt.attempt)
    .string("idempotency_key", attempt.idempotencyKey)
    .toString();
}

function stateStep(name: string): Answer {
  if (name == "state-get-at") return state.get("/a~1b/0/é");
  if (name == "state-get" || name == "state-get-missing") return state.get();
  if (name == "state-set") return state.set(new ObjectWriter().integer("visits", 3).toString());
  if (name == "state-set-at") return state.setAt("/log/-", quote("done"));
  if (name == "state-set-null") return state.set("null");
  if (name == "state-set-escapes") {
    return state.set(quote('"\\/\b\t\n\f\r\0\x01\x1f\x7f é\u2028\ufeff\ud83d\ude00'));
  }
  if (name == "state-set-integers") {
    const integers = JSON.Value.Array();
    integers.push(JSON.Value.Integer(9007199254740993));
    integers.push(JSON.Value.Integer(i64.MIN_VALUE));
    integers.push(JSON.Value.Integer(i64.MAX_VALUE));
    integers.push(JSON.Value.Integer(0));
    return state.set(stringify(integers));
  }
  if (name == "state-delete") return state.remove();
  if (name == "state-delete-at") return state.remove("/visits");
  return state.get();
}

function activityStep(name: string): Answer {
  const retry = new Retry();
  if (name == "activity") return activity("score", '{"amount":7}');
  if (name == "activity-with-retry") {
    retry.attemptsMax = 5;
    retry.backoffMsMin = 100;
    retry.backoffMsMax = 60000;
    return activity("score", "null", retry);
  }
  if (name == "activity-with-some-retry") {
    retry.attemptsMax = 1;
    return activity("score", "null", retry);
  }
  if (name == "activity-start") return startActivity("score", "[1,2]");
  if (name == "activity-start-with-retry") {
    retry.backoffMsMin = 0;
    return startActivity("score", "[1,2]", retry);
  }
  return activity("score", "{}");
}

function callStep(name: string): Answer {
  if (name == "call") return call("loan/17", '{"type":"review"}');
  if (name == "call-with-deadline") return call("loan/17", quote("x"), 5000);
  if (name == "call-start") return startCall("loan/17", "null");
  return startCall("loan/17", "null", 0);
}

function spawned(name: string): string {
  let answer: Answer;
  if (name == "spawn-detached") answer = spawn("loan/17", "null", 60000, true);
  else if (name == "spawn-refused") answer = spawn("moon", "null");
  else answer = spawn("loan", '{"amount":7}');
  if (!answer.ok) return answer.output();
  const child = Child.of(answer);
  const writer = new ObjectWriter().string("actor", child.actor);
  return ok(writer.integer("handle", child.handle.raw).toString());
}

function received(name: string): string {
  if (name == "receive-start") return started(startReceive("approve"));
  let answer: Answer;
  if (name == "receive-any") answer = receive();
  else if (name == "receive-late") answer = receive("", 0);
  else answer = receive("approve", 60000);
  if (!answer.ok) return answer.output();
  const message = Received.of(answer);
  const writer = new ObjectWriter().string("message_id", message.messageId);
  const sender = message.sender;
  if (sender === null) writer.null("sender");
  else writer.string("sender", sender);
  return ok(writer.json("body", message.bodyJson).toString());
}

function waited(name: string): string {
  if (name == "promise-create") {
    const created = PromiseToken.of(promise("approve loan 17", '{"amount":7}'));
    const writer = new ObjectWriter().integer("handle", created.handle.raw);
    return ok(writer.string("token", created.token).toString());
  }
  if (name.startsWith("promise-await")) return settled(new PromiseToken("", new Handle(12)).wait());
  if (name == "await-one" || name == "await-all-cancelled") return settled(new Handle(7).wait());
  if (name == "await-all") return all([new Handle(7), new Handle(8), new Handle(11)]);
  if (name == "await-none") return all([]);
  const any = waitAny([new Handle(7), new Handle(11)]);
  const writer = new ObjectWriter().integer("index", any.index);
  return ok(writer.json("result", settled(any.answer)).toString());
}

function all(handles: Handle[]): string {
  const found = waitAll(handles);
  const failure = found.failure;
  if (failure !== null) return failure.output();
  return ok("[" + found.answers.map<string>((answer) => settled(answer)).join(",") + "]");
}

function blob(name: string): string {
  if (name == "blob-put-text") return settled(blobPutText("café\n"));
  if (name == "blob-get-text") return settled(blobGetText("bafkreib"));
  if (name == "blob-get-missing") return settled(blobGetText("bafkreic"));
  if (name == "blob-get") return ok(bytesJson(blobGet("bafkreia")!));
  return settled(blobPut(someBytes()));
}

function someBytes(): Uint8Array {
  const bytes = new Uint8Array(4);
  bytes[1] = 255;
  bytes[2] = 128;
  bytes[3] = 1;
  return bytes;
}

function logged(name: string): string {
  if (name == "log-debug") log.debug("half way");
  else if (name == "log-info") log.info("half way");
  else if (name == "log-warn") log.warn("half way");
  else if (name == "log-error") log.error("half way");
  else if (name == "log-with-fields") log.info("half way", '{"left":5}');
  else unperformed(name);
  return ok("null");
}

function contextJson(): string {
  const here = context();
  const writer = new ObjectWriter()
    .string("namespace", here.namespace)
    .string("type", here.type)
    .string("key", here.key)
    .string("message_id", here.messageId);
  const sender = here.sender;
  if (sender === null) writer.null("sender");
  else writer.string("sender", sender);
  return writer.string("deployment", here.deployment).integer("turn", here.turn).toString();
}

function started(answer: Answer): string {
  return ok(Handle.of(answer).raw.toString());
}

/** The answer, its value parsed and written again on the way. */
function settled(answer: Answer): string {
  return answer.ok ? ok(stringify(answer.value())) : answer.output();
}

function ok(json: string): string {
  return '{"ok":' + json + "}";
}

function bytesJson(bytes: Uint8Array): string {
  const texts = new Array<string>(bytes.length);
  for (let i = 0; i < bytes.length; i++) texts[i] = bytes[i].toString();
  return "[" + texts.join(",") + "]";
}

function unperformed(name: string): string {
  throw new Error("no test performs the vector " + name);
}
