// An actor that reminds: {"text": "tea", "in_ms": 60000} is answered a minute later, even if the node was killed
// and started again in between. It counts its reminders in its state.

import { JSON, ObjectWriter, fail, log, parse, sleep, state } from "loom-guest/assembly";

export function execute(inputJson: string): string {
  const message = parse(inputJson);
  if (!(message instanceof JSON.Obj)) return fail("invalid-input", "the message is not an object");
  const text = (<JSON.Obj>message).getString("text");
  if (text === null) return fail("invalid-input", "the message has no text");
  const inMs = (<JSON.Obj>message).getInteger("in_ms");
  if (inMs === null) return fail("invalid-input", "the message has no in_ms");

  const before = state.get("/number");
  const number = before.isNull ? 1 : before.integer() + 1;

  const slept = sleep(inMs._num);
  if (!slept.ok) return slept.output();

  log.info("reminder " + number.toString() + ": " + text._str);
  state.set(new ObjectWriter().integer("number", number).value("last", text).toString()).expectOk();
  return new ObjectWriter().value("text", text).integer("number", number).toString();
}
