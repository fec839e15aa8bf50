/** Base64 (RFC 4648 §4, padded) and hex: the two ways the contract writes bytes into JSON. */

import { hexDigit } from "./json";

const ALPHABET: string = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

export function base64Encode(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const left = min(bytes.length - i, 3);
    let group: u32 = (<u32>bytes[i]) << 16;
    if (left > 1) group |= (<u32>bytes[i + 1]) << 8;
    if (left > 2) group |= <u32>bytes[i + 2];
    for (let position = 0; position < 4; position++) {
      text += position > left ? "=" : ALPHABET.charAt((group >> (18 - 6 * position)) & 63);
    }
  }
  return text;
}

/** `null` if the text is not canonical padded base64. */
export function base64Decode(text: string): Uint8Array | null {
  if (text.length % 4 != 0) return null;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let group: u32 = 0;
  let bits = 0;
  let written = 0;
  for (let i = 0; i < text.length - padding; i++) {
    const sextet = sextetOf(text.charCodeAt(i));
    if (sextet < 0) return null;
    group = (group << 6) | sextet;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[written++] = <u8>(group >> bits);
    group &= (1 << bits) - 1;
  }
  // Bits beyond the last whole byte must be zero, or two texts would mean the same bytes.
  return group == 0 && bits < 6 ? bytes : null;
}

/** `null` if the text is not an even number of hex digits. */
export function hexDecode(text: string): Uint8Array | null {
  if (text.length % 2 != 0) return null;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const high = hexDigit(text.charCodeAt(2 * i));
    const low = hexDigit(text.charCodeAt(2 * i + 1));
    if (high < 0 || low < 0) return null;
    bytes[i] = <u8>((high << 4) | low);
  }
  return bytes;
}

function sextetOf(unit: i32): i32 {
  if (unit >= 0x41 && unit <= 0x5a) return unit - 0x41;
  if (unit >= 0x61 && unit <= 0x7a) return unit - 0x61 + 26;
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30 + 52;
  if (unit == 0x2b) return 62;
  return unit == 0x2f ? 63 : -1;
}
