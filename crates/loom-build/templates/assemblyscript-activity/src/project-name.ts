// An activity: the ratio of a loan to an income, in percent. A function of its input and nothing else.

import { JSON, ObjectWriter, fail, parse } from "loom-guest/assembly";

export function execute(inputJson: string): string {
  const loan = parse(inputJson);
  if (!(loan instanceof JSON.Obj)) return fail("invalid-input", "the loan is not an object");
  const amount = (<JSON.Obj>loan).getInteger("amount_cents");
  const income = (<JSON.Obj>loan).getInteger("income_cents");
  if (amount === null || income === null) return fail("invalid-input", "the loan has no amount or no income");
  if (income._num == 0) return fail("no-income", "there is no ratio to no income");
  return new ObjectWriter().integer("percent", (amount._num * 100) / income._num).toString();
}
