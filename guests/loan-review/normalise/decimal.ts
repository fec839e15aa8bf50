/** Decimal numbers as text, scaled to integers without ever being a float. */

const INTEGER_DIGITS_MAX: i32 = 12;
const FRACTION_DIGITS_MAX: i32 = 12;

export class Decimal {
  private constructor(
    private readonly negative: bool,
    private readonly whole: string,
    /** Without trailing zeros. */
    private readonly fraction: string,
  ) {}

  /** `null` unless the text is an optional minus, digits, and perhaps a point with digits. */
  static parse(text: string): Decimal | null {
    const negative = text.startsWith("-");
    const unsigned = negative ? text.substring(1) : text;
    const point = unsigned.indexOf(".");
    const whole = point < 0 ? unsigned : unsigned.substring(0, point);
    let fraction = point < 0 ? "" : unsigned.substring(point + 1);
    if (point >= 0 && fraction.length == 0) return null;
    if (whole.length == 0 || whole.length > INTEGER_DIGITS_MAX) return null;
    if (fraction.length > FRACTION_DIGITS_MAX) return null;
    if (!isDigits(whole) || !isDigits(fraction)) return null;
    while (fraction.endsWith("0")) fraction = fraction.substring(0, fraction.length - 1);
    return new Decimal(negative, whole, fraction);
  }

  /** Whether multiplying by ten to the power of `digits` gives an integer. */
  isExact(digits: i32): bool {
    return this.fraction.length <= digits;
  }

  get isNegative(): bool {
    return this.negative;
  }

  /** The number times ten to the power of `digits` (at most 5), cut off towards zero. */
  scaled(digits: i32): i64 {
    const kept = this.fraction.substring(0, digits).padEnd(digits, "0");
    const value = I64.parseInt(this.whole + kept);
    return this.negative ? -value : value;
  }
}

function isDigits(text: string): bool {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x30 || unit > 0x39) return false;
  }
  return true;
}
