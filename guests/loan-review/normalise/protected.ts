/**
 * Which columns a credit decision must not read.
 *
 * The Equal Credit Opportunity Act (Regulation B) bars race, colour, religion, national origin,
 * sex, marital status and age. In the HMDA schema that is `derived_race`, `derived_ethnicity`,
 * `derived_sex`, `applicant_race-1` .. `-5` and `applicant_ethnicity-1` .. `-5` with their
 * `_observed` companions, `applicant_sex`, `applicant_age`, `applicant_age_above_62`, the same for
 * `co-applicant`, and as stand-ins `census_tract` and everything that begins with `tract_`, such as
 * `tract_minority_population_percent`.
 *
 * A name is refused by its words, so that `applicant_race_1`, `applicantRace1` or a lender's own
 * `borrower gender` is refused as well. It is better to refuse too much: a refusal says which column
 * to leave out, a column let through is a broken law. A column without a value is harmless.
 */

import { Columns } from "./columns";

const WORDS: string[] = [
  "race",
  "ethnicity",
  "ethnic",
  "sex",
  "gender",
  "age",
  "birth",
  "birthdate",
  "dob",
  "tract",
  "minority",
  "religion",
  "origin",
  "nationality",
  "citizenship",
  "colour",
  "color",
  "marital",
];

/** The first column with a value that is refused; `null` if there is none. */
export function protectedColumn(columns: Columns): string | null {
  for (let i = 0; i < columns.count; i++) {
    if (columns.hasValue(i) && isProtected(columns.name(i))) return columns.name(i);
  }
  return null;
}

function isProtected(name: string): bool {
  let word = "";
  let previous = 0;
  for (let i = 0; i < name.length; i++) {
    let unit = name.charCodeAt(i);
    const capital = unit >= 0x41 && unit <= 0x5a;
    const small = unit >= 0x61 && unit <= 0x7a;
    const afterSmall = previous >= 0x61 && previous <= 0x7a;
    // A word ends at what is no letter, and at a capital after a small letter.
    if ((!capital && !small) || (capital && afterSmall)) {
      if (WORDS.includes(word)) return true;
      word = "";
    }
    if (capital || small) word += String.fromCharCode(unit | 0x20);
    previous = unit;
  }
  return WORDS.includes(word);
}
