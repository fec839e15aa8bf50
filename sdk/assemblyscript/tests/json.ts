// The guest under test: parses its input with the SDK and writes it again. The output `refused` means
// that the SDK does not take the input for JSON.

import { parse, stringify } from "../assembly/index";

export function execute(inputJson: string): string {
  const value = parse(inputJson);
  return value === null ? "refused" : stringify(value);
}
