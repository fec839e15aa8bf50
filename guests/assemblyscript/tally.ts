// An actor that adds up: {"add":3} -> the sum so far. A query is answered with {"sum":3,"turns":1},
// without a turn.

import { JSON, ObjectWriter, context, fail, parse, state } from "loom-guest/assembly";

export function execute(inputJson: string): string {
  const message = parse(inputJson);
  const add = message instanceof JSON.Obj ? (<JSON.Obj>message).getInteger("add") : null;
  if (add === null) return fail("invalid-input", "the message has nothing to add");
  const result = sum() + add._num;
  state.set(result.toString()).expectOk();
  return result.toString();
}

export function query(_inputJson: string): string {
  const turns = context().turn;
  return new ObjectWriter().integer("sum", sum()).integer("turns", turns).toString();
}

function sum(): i64 {
  const before = state.get();
  return before.isNull ? 0 : before.integer();
}
