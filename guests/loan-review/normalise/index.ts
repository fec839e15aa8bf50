/**
 * The activity `normalise`: a loan application as its columns -> the same application, typed.
 *
 * In: one JSON object of strings, the columns of the public HMDA schema. Out: integers, codes and
 * gaps, never a float: money in cents, ratios in basis points, a debt-to-income ratio as a range,
 * `null` for what the file calls `''`, `NA` or `Exempt`. The table in `application.ts` is the whole
 * of what leaves here; any other column ends here, so that no later step can read it.
 *
 * Two refusals, both failures of the activity:
 * - `protected-attribute`: a column that carries a protected attribute of the applicant or stands
 *   in for one holds a value. The message names the column and never repeats the value.
 * - `malformed-application`: a value is not what the schema allows. The message names the column
 *   and the beginning of the value.
 */

import { JSON, fail, parse } from "loom-guest/assembly";

import { typed } from "./application";
import { Columns } from "./columns";
import { protectedColumn } from "./protected";
import { shortened } from "./text";

export function execute(inputJson: string): string {
  const input = parse(inputJson);
  if (!(input instanceof JSON.Obj)) {
    return fail("malformed-application", "the application is not an object of columns");
  }
  const columns = new Columns(<JSON.Obj>input);
  // Before anything else is looked at, and whatever else may be wrong.
  const refused = protectedColumn(columns);
  if (refused !== null) {
    return fail(
      "protected-attribute",
      "column " + shortened(refused) + " holds a protected attribute, which a credit decision must not read",
    );
  }
  const output = typed(columns);
  const problem = columns.problem;
  return problem === null ? output : fail("malformed-application", problem);
}
