// An actor that shows the SDK: {"name":"Ada"} -> {"greeting":"Hello, Ada!","visits":1}.
//
// The activity `greeting` words the greeting; the actor's state counts the visits.

import { JSON, ObjectWriter, activity, fail, log, parse, state } from "loom-guest/assembly";

export function execute(inputJson: string): string {
  const message = parse(inputJson);
  const name = message instanceof JSON.Obj ? (<JSON.Obj>message).getString("name") : null;
  if (name === null) return fail("invalid-input", "the message has no name");

  const greeting = activity("greeting", new ObjectWriter().value("name", name).toString());
  if (!greeting.ok) return greeting.output();

  const before = state.get("/visits");
  const visits = before.isNull ? 1 : before.integer() + 1;
  state.setAt("/visits", visits.toString()).expectOk();

  log.info("greeted", new ObjectWriter().integer("visits", visits).toString());
  return new ObjectWriter()
    .json("greeting", greeting.json)
    .integer("visits", visits)
    .toString();
}
