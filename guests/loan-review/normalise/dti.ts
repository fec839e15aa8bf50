/**
 * The stated debt-to-income ratio as a range of basis points, both ends included.
 *
 * The public schema gives whole percents from 36 to 49 and buckets elsewhere. A bucket stays a
 * bucket: `50%-60%` may be 50 % or 60 %, and a criterion that depends on which will say that it does
 * not know. A percentage with more than two places is rounded up, so that a ratio above a limit
 * never appears to be at it.
 */

import { ObjectWriter } from "loom-guest/assembly";

import { Columns } from "./columns";

const COLUMN: string = "debt_to_income_ratio";
/** A ratio of a hundred thousand percent. */
const BPS_MAX: i64 = 10_000_000;

export function debtToIncome(columns: Columns): string | null {
  const text = columns.text(COLUMN);
  if (text === null) return null;
  if (text == "<20%") return range(0, 1999);
  if (text == "20%-<30%") return range(2000, 2999);
  if (text == "30%-<36%") return range(3000, 3599);
  if (text == "50%-60%") return range(5000, 6000);
  if (text == ">60%") return new ObjectWriter().integer("min_bps", 6001).null("max_bps").toString();
  const percent = columns.decimal(COLUMN);
  if (percent === null) return null;
  const bps = percent.scaled(2) + (percent.isExact(2) ? 0 : 1);
  if (!percent.isNegative && bps <= BPS_MAX) return range(bps, bps);
  columns.malformed(COLUMN, text);
  return null;
}

function range(min: i64, max: i64): string {
  return new ObjectWriter().integer("min_bps", min).integer("max_bps", max).toString();
}
