/**
 * The typed application: every member that leaves the normaliser, in one table of calls.
 *
 * Codes keep the schema's numbers. Members with a unit carry it in their name.
 */

import { ObjectWriter, quote } from "loom-guest/assembly";

import { Columns } from "./columns";
import { debtToIncome } from "./dti";

/** Ten billion dollars. */
const CENTS_MAX: i64 = 1_000_000_000_000;
/** A ratio of a million percent. */
const BPS_MAX: i64 = 100_000_000;
const ID_LENGTH_MAX: i32 = 64;
const LEI_LENGTH: i32 = 20;

/** Writes the application; what is wrong with it is left in `columns.problem`. */
export function typed(columns: Columns): string {
  const writer = new ObjectWriter();
  writer.string("application_id", applicationId(columns));
  writer.string("lei", lei(columns));
  nullable(writer, "activity_year", whole(columns, "activity_year", 1990, 2100));
  nullable(writer, "state", place(columns, "state_code", 2));
  nullable(writer, "county", place(columns, "county_code", 5));
  nullable(writer, "loan_type", columns.requiredCode("loan_type", [1, 2, 3, 4]));
  nullable(writer, "loan_purpose", columns.requiredCode("loan_purpose", [1, 2, 31, 32, 4, 5]));
  nullable(writer, "occupancy_type", columns.requiredCode("occupancy_type", [1, 2, 3]));
  nullable(writer, "lien_status", columns.code("lien_status", [1, 2]));
  nullable(writer, "preapproval", columns.code("preapproval", [1, 2]));
  nullable(writer, "reverse_mortgage", columns.code("reverse_mortgage", [1, 2]));
  nullable(writer, "open_end_line_of_credit", columns.code("open_end_line_of_credit", [1, 2]));
  nullable(
    writer,
    "business_or_commercial_purpose",
    columns.code("business_or_commercial_purpose", [1, 2]),
  );
  nullable(writer, "conforming_loan_limit", conforming(columns));
  nullable(writer, "construction_method", construction(columns));
  nullable(writer, "multifamily", multifamily(columns));
  const secured = "manufactured_home_secured_property_type";
  nullable(writer, secured, columns.code(secured, [1, 2, 3]));
  nullable(writer, "loan_term_months", whole(columns, "loan_term", 1, 1200));
  nullable(writer, "loan_amount_cents", money(columns, "loan_amount", 2, 1));
  if (columns.text("loan_amount") === null) columns.complain("column loan_amount is missing");
  nullable(writer, "property_value_cents", money(columns, "property_value", 2, 1));
  // The schema's unit is a thousand dollars a year; a business owner's loss makes it negative.
  nullable(writer, "income_cents", money(columns, "income", 5, -CENTS_MAX));
  nullable(writer, "monthly_debt_cents", money(columns, "monthly_debt", 2, 0));
  nullable(writer, "ltv_stated_bps", loanToValue(columns));
  nullable(writer, "dti_stated", debtToIncome(columns));
  return writer.toString();
}

/** Adds JSON text, or `null`. */
function nullable(writer: ObjectWriter, name: string, json: string | null): void {
  if (json === null) writer.null(name);
  else writer.json(name, json);
}

function applicationId(columns: Columns): string {
  const id = columns.required("application_id");
  if (id.length > ID_LENGTH_MAX) columns.malformed("application_id", id);
  return id;
}

/** Twenty capital letters and digits: it becomes part of the portfolio's address. */
function lei(columns: Columns): string {
  const lei = columns.required("lei");
  let wellFormed = lei.length == LEI_LENGTH;
  for (let i = 0; i < lei.length; i++) {
    const unit = lei.charCodeAt(i);
    const isDigit = unit >= 0x30 && unit <= 0x39;
    const isCapital = unit >= 0x41 && unit <= 0x5a;
    wellFormed = wellFormed && (isDigit || isCapital);
  }
  if (!wellFormed) columns.malformed("lei", lei);
  return lei;
}

/** Two capitals for a state, five digits for a county. */
function place(columns: Columns, name: string, length: i32): string | null {
  const text = columns.text(name);
  if (text === null) return null;
  let wellFormed = text.length == length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const fits = length == 2 ? unit >= 0x41 && unit <= 0x5a : unit >= 0x30 && unit <= 0x39;
    wellFormed = wellFormed && fits;
  }
  if (!wellFormed) columns.malformed(name, text);
  return wellFormed ? quote(text) : null;
}

function whole(columns: Columns, name: string, least: i64, most: i64): string | null {
  const decimal = columns.decimal(name);
  if (decimal === null) return null;
  const value = decimal.scaled(0);
  if (decimal.isExact(0) && value >= least && value <= most) return value.toString();
  columns.malformed(name, columns.required(name));
  return null;
}

/** Cents, exact: `digits` is how many places the schema's unit is away from a cent. */
function money(columns: Columns, name: string, digits: i32, least: i64): string | null {
  const decimal = columns.decimal(name);
  if (decimal === null) return null;
  const cents = decimal.scaled(digits);
  if (decimal.isExact(digits) && cents >= least && cents <= CENTS_MAX) return cents.toString();
  columns.malformed(name, columns.required(name));
  return null;
}

/**
 * The combined loan-to-value ratio, cut off after two places of the percentage: so the agencies
 * compute it (Fannie Mae Selling Guide B2-1.2-01).
 */
function loanToValue(columns: Columns): string | null {
  const combined = "combined_loan_to_value_ratio";
  const name = columns.text(combined) !== null ? combined : "loan_to_value_ratio";
  const percent = columns.decimal(name);
  if (percent === null) return null;
  const bps = percent.scaled(2);
  if (!percent.isNegative && bps <= BPS_MAX) return bps.toString();
  columns.malformed(name, columns.required(name));
  return null;
}

/** 1 within the conforming limit, 0 above it; `null` where nobody can tell. */
function conforming(columns: Columns): string | null {
  const name = "conforming_loan_limit";
  const text = columns.text(name);
  if (text === null || text == "U") return null;
  if (text == "C") return "1";
  if (text == "NC") return "0";
  columns.malformed(name, text);
  return null;
}

/** 1 built on site, 2 manufactured: stated, or as the derived dwelling category says. */
function construction(columns: Columns): string | null {
  const stated = columns.code("construction_method", [1, 2]);
  if (stated !== null) return stated;
  const dwelling = columns.text("derived_dwelling_category");
  if (dwelling === null) return null;
  if (dwelling.endsWith(":Site-Built")) return "1";
  if (dwelling.endsWith(":Manufactured")) return "2";
  columns.malformed("derived_dwelling_category", dwelling);
  return null;
}

/** 1 for five or more dwellings, 0 for up to four. */
function multifamily(columns: Columns): string | null {
  const units = columns.text("total_units");
  if (units !== null) {
    if (["1", "2", "3", "4"].includes(units)) return "0";
    if (["5-24", "25-49", "50-99", "100-149", ">149"].includes(units)) return "1";
    columns.malformed("total_units", units);
    return null;
  }
  const dwelling = columns.text("derived_dwelling_category");
  if (dwelling === null) return null;
  if (dwelling.startsWith("Multifamily:")) return "1";
  if (dwelling.startsWith("Single Family (1-4 Units):")) return "0";
  columns.malformed("derived_dwelling_category", dwelling);
  return null;
}
