/** Foreign text in a message. */

const UNITS_MAX: i32 = 40;

/** The text in quotes, only its beginning if it is long. */
export function shortened(text: string): string {
  if (text.length <= UNITS_MAX) return '"' + text + '"';
  // A pair of surrogates must not be cut in two.
  const last = text.charCodeAt(UNITS_MAX - 1);
  const end = last >= 0xd800 && last < 0xdc00 ? UNITS_MAX - 1 : UNITS_MAX;
  return '"' + text.substring(0, end) + '…"';
}
